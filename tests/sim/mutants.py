#!/usr/bin/python3
"""The simulator has to find what it is there for: each mistake below is put into a copy of the life
cycle, and fleet_sim, built with that copy, must report a breach.

    mutants.py BUILD        BUILD: where cmake has built the target fleet_sim
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER, SOURCE = "src/agent/lifecycle.h", "src/agent/lifecycle.cpp"
PATIENCE_S = 600

# What somebody might break: a name, the file, what is there, what stands in its place.
MUTANTS = [
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
     "floor != state.floors.end() && release.version < floor->second)",
     "false)"),
    ("an offer is held to the floors of the check before", SOURCE,
     "  learn(learned, event, policy);\n",
     ""),
    ("floors sink", SOURCE,
     "if (!is_new && at->second < floor) at->second = floor;",
     "if (!is_new) at->second = floor;"),
    ("floors stay what they were at first", SOURCE,
     "if (!is_new && at->second < floor) at->second = floor;",
     "(void)is_new;"),
    ("floors that come with an offer are forgotten", SOURCE,
     "case Effect::kBegin: learn(state, event, policy), begin(state, *event.offer); break;",
     "case Effect::kBegin: begin(state, *event.offer); break;"),
    ("a damaged slot gives way to a release below the floor", SOURCE,
     "(floor == state.floors.end() || !(unit.previous->version < floor->second));",
     "(floor == state.floors.end() || true);"),
    ("what failed here is tried again", SOURCE,
     "return bad && offer.retry <= bad->retry;",
     "return bad && false;"),
    ("starts in a trial are not counted", SOURCE,
     "case Effect::kCountTry: ++state.update->tries; break;",
     "case Effect::kCountTry: break;"),
    ("the active slot is overwritten", SOURCE,
     ".slot = other_slot(active),",
     ".slot = active == Slot::kNone ? Slot::kA : active,"),
    ("any version", SOURCE,
     "if (!unit.committed || unit.committed->version < release.version) return {};",
     "return {};"),
]


def command_of(build, target, contains):
    """The command that ninja would make it with."""
    lines = subprocess.run(["ninja", "-C", build, "-t", "commands", target], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return next(line for line in reversed(lines) if contains in line)


def simulator(build, folder, name, file, before, after):
    """Builds fleet_sim with that change, and runs it: its status and what it says."""
    overlay = folder / "src"
    (overlay / "agent").mkdir(parents=True)
    for path in (HEADER, SOURCE):
        text = (ROOT / path).read_text()
        if path == file:
            if text.count(before) != 1:
                return None, f"'{name}': its place is not in {file} any more"
            text = text.replace(before, after)
        (folder / path).write_text(text)
    compiled = folder / "lifecycle.o"
    words = shlex.split(command_of(build, "libpolder_agent.a", "agent/lifecycle.cpp.o -c"))
    for flag in ("-MD", "-Werror", "-Wall", "-Wextra", "-O3"):
        words = [word for word in words if word != flag]
    for option in ("-MT", "-MF"):
        at = words.index(option)
        del words[at:at + 2]
    words[words.index("-o") + 1] = str(compiled)
    words[-1] = str(folder / SOURCE)
    words.insert(words.index("-o"), f"-I{overlay}")
    first = next(i for i, word in enumerate(words) if word.startswith("-I"))
    words.insert(first, f"-I{overlay}")
    subprocess.run(words, cwd=build, check=True)
    link = shlex.split(command_of(build, "fleet_sim", " -o fleet_sim "))
    link = [word for word in link if word not in (":", "&&")]
    at = link.index("-o")
    link[at:at + 2] = [str(compiled), "-o", str(folder / "fleet_sim")]
    subprocess.run(link, cwd=build, check=True)
    done = subprocess.run([folder / "fleet_sim"], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    said = (done.stderr.strip().splitlines() or ["no breach"])[0]
    agent = re.search(r" --agent \d+", done.stderr)
    return done.returncode, said.removeprefix("fleet_sim: ") + (agent[0] if agent else "")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    cases = [("as it is", None, "", ""), *MUTANTS]
    with tempfile.TemporaryDirectory() as scratch:
        folders = [pathlib.Path(scratch) / str(i) for i in range(len(cases))]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(lambda case, folder: simulator(build, folder, *case), cases,
                                    folders))
    missed = 0
    for (name, *_), (status, said) in zip(cases, results):
        fine = status == 0 if name == "as it is" else status not in (0, None)
        missed += not fine
        print(f"{'found ' if status else 'MISSED' if not fine else 'fine  '} {name}: {said}")
    print(f"{len(MUTANTS)} mistakes, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
