#!/usr/bin/python3
"""The simulator has to find what it is there for: each mistake below is put into a copy of the life
cycle, and fleet_sim, built with that copy, must report a breach.

    mutants.py BUILD [--sample N] [--only PATTERN]     BUILD: where fleet_sim has been built
"""
import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from mutation import Mistake, Program, main  # noqa: E402

HEADER, SOURCE = "src/agent/lifecycle.h", "src/agent/lifecycle.cpp"
BACKOFF, CLOCK = "src/agent/backoff.cpp", "src/agent/clock_floor.h"

# What somebody might break: a name, the file, what is there, what stands in its place.
MISTAKES = [Mistake(*words) for words in [
    ("what the probe rejects is activated", HEADER,
     "{kProbe,    kRejected, kAlways,       kDiscard,  kBlame}",
     "{kProbe,    kRejected, kAlways,       kActivate, kSwitch}"),
    ("committed without a trial", HEADER,
     "{kActivate, kDone,     kAlways,       kObserve,  kNone}",
     "{kActivate, kDone,     kAlways,       kCommit,   kAccept}"),
    ("a crash loop is committed", HEADER,
     "{kObserve,  kRejected, kAlways,       kRollBack, kGoBackBlaming}",
     "{kObserve,  kRejected, kAlways,       kCommit,   kAccept}"),
    ("a crash loop is blamed, and goes on running", HEADER,
     "{kObserve,  kRejected, kAlways,       kRollBack, kGoBackBlaming}",
     "{kObserve,  kRejected, kAlways,       kRollBack, kBlame}"),
    ("a failed start is over without the way back", HEADER,
     "{kActivate, kFailed,   kAlways,       kRollBack, kGoBack}",
     "{kActivate, kFailed,   kAlways,       kIdle,     kFinish}"),
    ("the slot is filled, and the state says that it holds what was there", HEADER,
     "{kVerify,   kDone,     kAlways,       kStage,    kEmptySlot}",
     "{kVerify,   kDone,     kAlways,       kStage,    kNone}"),
    ("nothing is staged", HEADER,
     "{kVerify,   kDone,     kAlways,       kStage,    kEmptySlot}",
     "{kVerify,   kDone,     kAlways,       kProbe,    kFillSlot}"),
    ("a failed staging is probed", HEADER,
     "{kStage,    kFailed,   kAlways,       kDiscard,  kGiveUp}",
     "{kStage,    kFailed,   kAlways,       kProbe,    kFillSlot}"),
    ("a power cut during the probe is a probe that was passed", HEADER,
     "{kProbe,    kStart,    kTriesLeft,    kProbe,    kCountTry}",
     "{kProbe,    kStart,    kTriesLeft,    kActivate, kSwitch}"),
    ("power cuts during the probe, again and again, are one that was passed", HEADER,
     "{kProbe,    kStart,    kAlways,       kDiscard,  kBlame}",
     "{kProbe,    kStart,    kAlways,       kActivate, kSwitch}"),
    ("a power cut during the trial ends it well", HEADER,
     "{kObserve,  kStart,    kTriesLeft,    kObserve,  kCountTry}",
     "{kObserve,  kStart,    kTriesLeft,    kCommit,   kAccept}"),
    ("the floor is ignored", SOURCE,
     "if (is_below_floor(state, release)) {",
     "if (false) {"),
    ("an offer is held to the floors of the check before", SOURCE,
     "const AgentState learned = agent::learned(state, event, policy);",
     "const AgentState learned = state;"),
    ("floors sink", SOURCE,
     "if (!is_new && at->second < floor) at->second = floor;",
     "if (!is_new) at->second = floor;"),
    ("floors stay what they were at first", SOURCE,
     "if (!is_new && at->second < floor) at->second = floor;",
     "(void)is_new;"),
    ("floors that come with an offer are forgotten", SOURCE,
     "learn(state, event, policy), begin(state, *event.offer, event.now_s);",
     "begin(state, *event.offer, event.now_s);"),
    ("a damaged slot gives way to a release below the floor", SOURCE,
     "return is_below_floor(state, *unit.previous) ? std::nullopt : unit.previous;",
     "return unit.previous;"),
    ("what failed here is tried again", SOURCE,
     "return bad && offer.retry <= bad->retry && offer.settings == bad->settings;",
     "return bad && false;"),
    ("starts in a trial are not counted", SOURCE,
     "if (!update.ended) ++update.tries, update.observed_s = 0;",
     "if (!update.ended) update.observed_s = 0;"),
    ("the active slot is overwritten", SOURCE,
     ".slot = other_slot(active),",
     ".slot = active == Slot::kNone ? Slot::kA : active,"),
    ("any version", SOURCE,
     "if (!unit.highest || *unit.highest < release.version) return {};",
     "return {};"),
    ("after going back, anything above that", SOURCE,
     "if (!unit.highest || *unit.highest < release.version) return {};",
     "if (!unit.committed || unit.committed->version < release.version) return {};"),
    ("what was seen of the time is forgotten", SOURCE,
     "if (time_s >= state.time_seen_s + policy.time_step_s) state.time_seen_s = time_s;",
     ""),
    ("the clock is believed whatever it says", CLOCK,
     "return std::clamp(std::max(clock_s, time_seen_s), std::int64_t(0), kMaxTimeS);",
     "(void)time_seen_s; return std::clamp(clock_s, std::int64_t(0), kMaxTimeS);"),
    ("a clock that was ahead holds a release back", BACKOFF,
     "left_s > longest_backoff_s(attempts.failures, policy) ? 0",
     "left_s < 0 ? 0"),
    ("a wait as long as the longest is as good as one's own", BACKOFF,
     "left_s > longest_backoff_s(attempts.failures, policy) ? 0",
     "left_s > policy.longest_wait_s ? 0"),
    ("waits are set by the time that is believed", SOURCE,
     "fit_time(event.clock_s) + backoff_s(failures, event.random, policy);",
     "fit_time(event.now_s) + backoff_s(failures, event.random, policy);"),
    ("waits double for ever", BACKOFF,
     "i < failures && wait_s < policy.longest_wait_s; ++i) wait_s *= 2;",
     "i < failures; ++i) wait_s *= 8;"),
    ("what was taken back runs in shadow", HEADER,
     "{kProbe,    kHeard,    kBelowFloors,  kDiscard,  kTakeBack}",
     "{kProbe,    kHeard,    kBelowFloors,  kProbe,    kLearn}"),
    ("what was taken back is tried to the end", HEADER,
     "{kObserve,  kHeard,    kTakenBack,    kRollBack, kGoBack}",
     "{kObserve,  kHeard,    kTakenBack,    kObserve,  kNone}"),
    ("a floor that is heard on the way is forgotten", SOURCE,
     "learn(state, event, policy), count_failure(state, event, policy);",
     "count_failure(state, event, policy);"),
    ("a floor that is heard on the way takes nothing back", SOURCE,
     "             is_below_floor(learned(state, event, policy), state.update->release);",
     "             false;"),
    ("nothing waits", BACKOFF,
     "if (due == due_us_.end() || due->second <= now_us) return 0;",
     "if (due != due_us_.end()) return 0;"),
]]


def said(done):
    lines = done.stderr.strip().splitlines()
    agent = re.search(r" --agent \d+", done.stderr)
    return (lines or ["no breach"])[0].removeprefix("fleet_sim: ") + (agent[0] if agent else "")


if __name__ == "__main__":
    sys.exit(main(__doc__, MISTAKES, Program(
        "fleet_sim", ("--seed", "3"), {HEADER: [SOURCE], CLOCK: ["tests/sim/fleet_sim.cpp"]},
        said)))
