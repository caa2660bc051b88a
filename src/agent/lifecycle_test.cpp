#include "agent/lifecycle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>

#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

trust::Version version(const std::string& text) {
  return trust::Version::parse(text, "test").value();
}
ReleaseId release(const std::string& model, const std::string& text) {
  return {model, version(text), trust::sha256(model + text)};
}
Offer offer(const std::string& text, bool shadow = false, std::int64_t retry = 0) {
  return {"people", release("people", text), shadow, retry};
}

AgentState fresh() {
  const std::vector<std::string> models{"people"};
  return with_units({}, models, "polderd").value();
}

std::int64_t no_wait(const Attempts&) { return 0; }

Event event(EventKind kind, std::int64_t now_s = kNow) {
  return {.kind = kind, .now_s = now_s, .clock_s = now_s, .reason = "for a test"};
}
Event offered(Offer what) {
  Event e = event(EventKind::kOffer);
  e.offer = std::move(what);
  return e;
}

// `state` after these events, each of which must be in the table.
AgentState after(AgentState state, const std::vector<Event>& events, const Policy& policy = {}) {
  for (const Event& e : events) {
    const Step step = next(state, e, policy);
    EXPECT_FALSE(step.ignored) << phase_name(state.phase) << " " << event_name(e.kind);
    const Status valid = step.state.validate();
    EXPECT_TRUE(valid.ok()) << valid.error().message;
    state = step.state;
  }
  return state;
}

const Event kDue = event(EventKind::kDue), kDone = event(EventKind::kDone),
            kFailed = event(EventKind::kFailed), kRejected = event(EventKind::kRejected),
            kStart = event(EventKind::kStart);

AgentState installed(AgentState state, const Offer& what) {
  std::vector<Event> events{kDue, offered(what)};
  while (events.size() < 9) events.push_back(kDone);
  if (what.shadow) events.push_back(kDone);
  state = after(state, events);
  EXPECT_EQ(state.phase, Phase::kIdle);
  return state;
}

// The state of people 1.0.0 committed and 2.0.0 on its way, in that phase.
AgentState in_phase(Phase phase) {
  AgentState base = installed(fresh(), offer("1.0.0"));
  if (phase == Phase::kIdle) return base;
  if (phase == Phase::kCheck) return after(base, {kDue});
  AgentState state = after(base, {kDue, offered(offer("2.0.0", true))});
  if (phase == Phase::kDiscard) return after(state, {kFailed});
  while (state.phase != phase) {
    if (phase == Phase::kRollBack && state.phase == Phase::kObserve) return after(state, {kFailed});
    state = after(state, {kDone});
  }
  return state;
}

TEST(Lifecycle, EveryPhaseHasItsActionInOrder) {
  for (int i = 0; i < kPhases; ++i) EXPECT_EQ(kActions[i].phase, Phase(i));
}

// The whole table, cell by cell, as a reader would draw it: what becomes of an update in each phase
// on each event; "" where the event is ignored.
TEST(Lifecycle, EveryPhaseAnswersEveryEvent) {
  constexpr std::string_view kExpected[kPhases][kEventKinds] = {
      // start, due, offer, nothing, done, failed, rejected, lives, end, heard
      {"", "check", "", "", "", "", "", "", "", ""},                                     // idle
      {"idle", "", "download", "idle", "", "idle", "", "", "", ""},                      // check
      {"", "", "", "", "verify", "discard", "discard", "", "", "download"},              // download
      {"", "", "", "", "stage", "discard", "discard", "", "", "verify"},                 // verify
      {"", "", "", "", "probe", "discard", "discard", "", "", "stage"},                  // stage
      {"probe", "", "", "", "shadow", "discard", "discard", "", "probe", "probe"},       // probe
      {"shadow", "", "", "", "activate", "discard", "discard", "", "shadow", "shadow"},  // shadow
      {"activate", "", "", "", "observe", "roll_back", "roll_back", "", "activate",
       ""},  // activate
      {"observe", "", "", "", "commit", "roll_back", "roll_back", "observe", "observe",
       "observe"},                                       // observe
      {"", "", "", "", "idle", "idle", "", "", "", ""},  // commit
      {"", "", "", "", "idle", "idle", "", "", "", ""},  // discard
      {"", "", "", "", "idle", "idle", "", "", "", ""},  // roll_back
  };
  for (int p = 0; p < kPhases; ++p) {
    for (int k = 0; k < kEventKinds; ++k) {
      const AgentState state = in_phase(Phase(p));
      Event e = event(EventKind(k));
      if (e.kind == EventKind::kOffer) e.offer = offer("2.0.0");
      const Step step = next(state, e, {});
      const std::string_view expected = kExpected[p][k];
      EXPECT_EQ(step.ignored, expected.empty())
          << phase_name(Phase(p)) << " " << event_name(e.kind);
      if (step.ignored) EXPECT_EQ(step.state, state);
      else EXPECT_EQ(phase_name(step.state.phase), expected) << event_name(e.kind);
      EXPECT_TRUE(step.state.validate().ok());
    }
  }
}

// Of the rows for one phase and event, the last and only the last has no condition: none is dead
// and none leaves an event unanswered.
TEST(Lifecycle, NoRowIsDead) {
  const std::span<const Transition> rows(kTransitions);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_last = std::ranges::none_of(rows.subspan(i + 1), [&](const Transition& row) {
      return row.from == rows[i].from && row.on == rows[i].on;
    });
    EXPECT_EQ(is_last, rows[i].when == When::kAlways)
        << phase_name(rows[i].from) << " " << event_name(rows[i].on);
  }
}

// What counts for what may come: neither how often, nor why, nor in which order it failed.
std::string without_history(AgentState state) {
  for (Attempts& item : state.attempts) item.failures = 1, item.not_before_s = 0;
  for (BadRelease& item : state.bad) item.reason.clear();
  if (state.update) state.update->reason.clear(), state.update->observed_s = 0;
  const auto by_version = [](const auto& item) { return item.release.version; };
  std::ranges::sort(state.attempts, {}, by_version);
  std::ranges::sort(state.bad, {}, by_version);
  return state.bytes();
}

// Walks what can be reached at all from a new device with three offers, good and bad, every event
// in every state, and holds each state to what must always be so.
TEST(Lifecycle, WhatIsReachableIsValidAndLeadsToIdle) {
  const Policy policy{.runtime_tries = 1, .model_tries = 1};
  std::vector<Event> events;
  for (int k = 0; k < kEventKinds; ++k) {
    if (EventKind(k) != EventKind::kOffer) events.push_back(event(EventKind(k)));
  }
  for (const auto& what : {offer("1.0.0"), offer("2.0.0", true), offer("1.5.0", false, 1)})
    events.push_back(offered(what));
  std::set<std::string> seen;
  std::deque<AgentState> queue{fresh()};
  while (!queue.empty() && seen.size() < 20'000) {
    const AgentState state = queue.front();
    queue.pop_front();
    ASSERT_TRUE(state.validate().ok()) << state.validate().error().message;
    // Failures alone lead to idle, and so does success.
    for (const Event& e : {kDone, kFailed}) {
      AgentState at = state;
      for (int i = 0; i < kPhases && at.phase != Phase::kIdle; ++i)
        at = next(at, at.phase == Phase::kCheck ? kFailed : e, policy).state;
      EXPECT_EQ(at.phase, Phase::kIdle) << state.bytes();
    }
    // Something runs, once something was committed.
    const Unit& unit = state.units.at("people");
    EXPECT_EQ(unit.running() != nullptr,
              unit.committed || state.phase == Phase::kActivate || state.phase == Phase::kObserve)
        << state.bytes();
    for (const Event& e : events) {
      const Step step = next(state, e, policy);
      if (seen.insert(without_history(step.state)).second) queue.push_back(step.state);
    }
  }
  EXPECT_TRUE(queue.empty()) << "more states than expected";
  EXPECT_GT(seen.size(), 500u);
  std::printf("%zu states\n", seen.size());
}

// A power cut in any phase: what is on the disk does the same action again, and comes to the same
// end.
TEST(Lifecycle, APowerCutAtAnyStepRepeatsTheAction) {
  const std::vector<Event> events{
      kDue, offered(offer("2.0.0", true)), kDone, kDone, kDone, kDone, kDone, kDone, kDone, kDone};
  const AgentState base = installed(fresh(), offer("1.0.0"));
  AgentState goal = after(base, events);
  for (std::size_t cut = 0; cut <= events.size(); ++cut) {
    FakeStorage disk;
    ASSERT_TRUE(save_state(disk, base).ok());
    AgentState state = base;
    for (std::size_t i = 0; i < cut; ++i) {
      const Step step = next(state, events[i], {});
      ASSERT_TRUE(!step.changed || save_state(disk, step.state).ok());
      state = step.state;
    }
    const Phase phase = state.phase;
    state = load_state(disk).value();
    state = next(state, kStart, {}).state;
    EXPECT_EQ(state.phase, phase == Phase::kCheck ? Phase::kIdle : phase);
    for (std::size_t i = phase == Phase::kCheck ? 0 : cut; i < events.size(); ++i)
      state = next(state, events[i], {}).state;
    EXPECT_EQ(state, goal) << "cut after " << cut;
  }
}

TEST(Lifecycle, TheFirstReleaseOfAll) {
  const AgentState state = installed(fresh(), offer("1.0.0"));
  const Unit& unit = state.units.at("people");
  EXPECT_EQ(*unit.running(), release("people", "1.0.0"));
  EXPECT_EQ(unit.committed, release("people", "1.0.0"));
  EXPECT_FALSE(unit.previous);
  // There is nothing to run beside: no shadow.
  EXPECT_EQ(installed(fresh(), offer("1.0.0")).units.at("people").active, Slot::kA);
  AgentState shadow = after(fresh(), {kDue, offered(offer("1.0.0", true)), kDone, kDone, kDone});
  EXPECT_EQ(after(shadow, {kDone}).phase, Phase::kActivate);
}

TEST(Lifecycle, AFirstReleaseThatFailsLeavesNothing) {
  AgentState state = after(fresh(), {kDue, offered(offer("1.0.0")), kDone, kDone, kDone, kDone});
  state = after(state, {kDone, kRejected, kDone});
  EXPECT_EQ(state.phase, Phase::kIdle);
  EXPECT_EQ(state.units.at("people").running(), nullptr);
  EXPECT_EQ(state.bad.size(), 1u);
}

TEST(Lifecycle, ABadReleaseGoesBackAndIsRefused) {
  AgentState state = in_phase(Phase::kObserve);
  EXPECT_EQ(state.units.at("people").running()->version, version("2.0.0"));
  state = after(state, {kRejected});
  EXPECT_EQ(state.phase, Phase::kRollBack);
  EXPECT_EQ(state.units.at("people").running()->version, version("1.0.0"));
  state = after(state, {kDone});
  ASSERT_TRUE(state.find_bad(release("people", "2.0.0").manifest));
  EXPECT_EQ(state.find_bad(release("people", "2.0.0").manifest)->reason, "for a test");

  std::vector<Refusal> refusals;
  const std::vector<Offer> offers{offer("2.0.0")};
  EXPECT_FALSE(choose_offer(state, offers, no_wait, refusals));
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_NE(refusals[0].reason.find("failed here"), std::string::npos);
  // Nor does it begin when somebody offers it all the same.
  EXPECT_EQ(after(state, {kDue, offered(offer("2.0.0"))}).phase, Phase::kIdle);
  // A newer one, or the same in a new attempt, is taken.
  EXPECT_EQ(after(state, {kDue, offered(offer("2.0.1"))}).phase, Phase::kDownload);
  EXPECT_EQ(after(state, {kDue, offered(offer("2.0.0", false, 1))}).phase, Phase::kDownload);
  const AgentState again = installed(state, offer("2.0.0", false, 1));
  EXPECT_TRUE(again.bad.empty());
}

TEST(Lifecycle, AFailureIsWaitedForAndBlocksNoOther) {
  AgentState state = installed(fresh(), offer("1.0.0"));
  std::int64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    state = after(state, {kDue, offered(offer("2.0.0")), kFailed, kDone});
    const Attempts* attempts = state.find_attempts(release("people", "2.0.0").manifest);
    ASSERT_TRUE(attempts);
    EXPECT_EQ(attempts->failures, i + 1);
    EXPECT_GE(attempts->not_before_s, last);
    EXPECT_LE(attempts->not_before_s, kNow + 24 * 3600);
    last = attempts->not_before_s;
  }
  EXPECT_EQ(last, kNow + 24 * 3600);
  EXPECT_TRUE(state.bad.empty());
  std::vector<Refusal> refusals;
  const std::vector<Offer> offers{offer("2.0.0"), offer("1.9.0")};
  const auto a_second = [](const Attempts&) { return std::int64_t(1); };
  EXPECT_EQ(choose_offer(state, offers, a_second, refusals)->release.version, version("1.9.0"));
  EXPECT_EQ(refusals.size(), 1u);
  EXPECT_EQ(choose_offer(state, offers, no_wait, refusals)->release.version, version("2.0.0"));
  EXPECT_EQ(installable(state, offers, no_wait, refusals), offers);
  EXPECT_EQ(installable(state, offers, a_second, refusals), std::vector<Offer>{offer("1.9.0")});
  EXPECT_TRUE(installed(state, offer("2.0.0")).attempts.empty());
}

// What it failed by may have been a setting of the device.
TEST(Lifecycle, WithOtherSettingsWhatFailedIsTriedAgain) {
  const auto with = [](Event event, const char* settings) {
    event.settings = trust::sha256(settings);
    if (event.offer) event.offer->settings = event.settings;
    return event;
  };
  Offer second = offer("2.0.0");
  second.settings = trust::sha256("wrong");
  AgentState bad = installed(fresh(), offer("1.0.0")), waiting = bad;
  for (const char* settings : {"wrong", "wrong too"}) {
    bad = after(bad, {kDue, with(offered(second), settings)});
    ASSERT_EQ(bad.phase, Phase::kDownload) << settings;
    bad = after(bad, {with(kRejected, settings), kDone});
    ASSERT_EQ(bad.bad.size(), 1u);
    EXPECT_EQ(after(bad, {kDue, with(offered(second), settings)}).phase, Phase::kIdle);
  }
  EXPECT_EQ(after(bad, {kDue, with(offered(second), "right")}).phase, Phase::kDownload);
  EXPECT_EQ(after(forgive(bad), {kDue, with(offered(second), "wrong too")}).phase,
            Phase::kDownload);
  // Nor does it wait, and failures are counted anew.
  for (int i = 1; i <= 3; ++i) {
    waiting = after(waiting, {kDue, with(offered(second), "wrong"), with(kFailed, "wrong"), kDone});
    EXPECT_EQ(waiting.attempts[0].failures, i);
    EXPECT_EQ(waiting.attempts[0].reason, "for a test");
  }
  const auto a_second = [](const Attempts&) { return std::int64_t(1); };
  std::vector<Refusal> refusals;
  EXPECT_FALSE(choose_offer(waiting, std::vector<Offer>{second}, a_second, refusals));
  EXPECT_NE(refusals.at(0).reason.find("3 times by now: for a test"), std::string::npos);
  second.settings = trust::sha256("right");
  EXPECT_TRUE(choose_offer(waiting, std::vector<Offer>{second}, a_second, refusals));
  waiting = after(waiting, {kDue, with(offered(second), "right"), with(kFailed, "right"), kDone});
  EXPECT_EQ(waiting.attempts[0].failures, 1);
}

TEST(Lifecycle, JitterSpreadsTheWait) {
  std::set<std::int64_t> waits;
  for (std::uint64_t random = 0; random < 1000; ++random) {
    Event failed = kFailed;
    failed.random = random * 0x9e3779b97f4a7c15u;
    AgentState state = fresh();
    state = after(state, {kDue, offered(offer("1.0.0")), failed});
    const std::int64_t wait = state.attempts[0].not_before_s - kNow;
    EXPECT_GE(wait, 30);
    EXPECT_LE(wait, 60);
    waits.insert(wait);
  }
  EXPECT_GT(waits.size(), 25u);
}

TEST(Lifecycle, OnlyWhatIsAboveOrTheOneWayBack) {
  AgentState state = fresh();
  for (const char* text : {"1.0.0", "2.0.0", "3.0.0"}) state = installed(state, offer(text));
  const auto may = [&](const ReleaseId& id) { return may_install(state, "people", id).ok(); };
  EXPECT_TRUE(may(release("people", "3.0.1")));
  EXPECT_TRUE(may(release("people", "2.0.0")));
  EXPECT_FALSE(may(release("people", "1.0.0")));
  EXPECT_FALSE(may(release("people", "2.5.0")));
  EXPECT_FALSE(may(release("people", "3.0.0")));
  EXPECT_FALSE(may(release("cars", "9.0.0")));
  ReleaseId forged = release("people", "2.0.0");  // the version of the way back, other contents
  forged.manifest[0] ^= 1;
  EXPECT_FALSE(may(forged));
  forged = release("people", "3.0.0");
  forged.manifest[0] ^= 1;
  EXPECT_FALSE(may(forged));
  // There is one way back, not a staircase.
  state = installed(state, offer("2.0.0"));
  EXPECT_FALSE(may(release("people", "1.0.0")));
  EXPECT_TRUE(may(release("people", "3.0.0")));
  // Nor does it open what lies between.
  EXPECT_FALSE(may(release("people", "2.5.0")));
  EXPECT_TRUE(may(release("people", "3.0.1")));
  // A way back is promised only as far as there is one.
  const auto why = [&] {
    return may_install(state, "people", release("people", "2.5.0")).error().message;
  };
  EXPECT_TRUE(why().ends_with("back it goes only to people 3.0.0")) << why();
  Unit& unit = state.units.at("people");
  unit.in(other_slot(unit.active)).reset();
  EXPECT_NE(why().find("people 3.0.0, which would have to be fetched again"), std::string::npos);
  // A floor closes it.
  unit.previous = release("people", "2.1.0");
  state.floors["people"] = version("2.2.0");
  EXPECT_NE(why().find("no way back, as people 2.1.0 is below"), std::string::npos) << why();
  unit.previous = release("people", "3.0.0");
  state.floors["people"] = version("3.0.0");
  EXPECT_FALSE(may(release("people", "2.0.1")));
  EXPECT_TRUE(may(release("people", "3.0.0")));
}

TEST(Lifecycle, ALostSlotLeavesTheWayBackAndTheWayForward) {
  AgentState state = fresh();
  for (const char* text : {"1.0.0", "2.0.0"}) state = installed(state, offer(text));
  const Slot lost = state.units.at("people").active;
  EXPECT_EQ(way_back(state, "people"), release("people", "1.0.0"));
  AgentState less = lose_active(state, "people");
  EXPECT_FALSE(way_back(less, "people"));  // it runs
  ASSERT_TRUE(less.validate().ok()) << less.validate().error().message;
  EXPECT_EQ(*less.units.at("people").running(), release("people", "1.0.0"));
  EXPECT_FALSE(less.units.at("people").in(lost));
  EXPECT_EQ(may_install(less, "people", release("people", "1.0.0")).error().message,
            "people 1.0.0: is what this device runs");
  EXPECT_FALSE(may_install(less, "people", release("people", "1.5.0")).ok());
  std::vector<Refusal> refusals;
  EXPECT_TRUE(installable(less, std::vector{offer("1.0.0")}, no_wait, refusals).empty());
  EXPECT_TRUE(refusals.empty());  // it is what is wanted
  const std::vector<Offer> offers{offer("2.0.0")};
  EXPECT_TRUE(choose_offer(less, offers, no_wait, refusals));
  const AgentState again = installed(less, offer("2.0.0"));
  EXPECT_EQ(again.units, state.units);
  // Both are lost.
  less = lose_active(less, "people");
  ASSERT_TRUE(less.validate().ok()) << less.validate().error().message;
  EXPECT_EQ(less.units.at("people").running(), nullptr);
  EXPECT_TRUE(may_install(less, "people", release("people", "1.0.0")).ok());
  EXPECT_FALSE(may_install(less, "people", release("people", "1.5.0")).ok());
  EXPECT_EQ(*installed(less, offer("2.0.0")).units.at("people").running(),
            release("people", "2.0.0"));
  EXPECT_EQ(lose_active(less, "people"), less);
  // The floor closes the way back.
  state.floors["people"] = version("1.5.0");
  EXPECT_EQ(lose_active(state, "people").units.at("people").running(), nullptr);
}

TEST(Lifecycle, FloorsAndTimeOnlyRise) {
  Event learned = event(EventKind::kNothing);
  learned.time_seen_s = kNow;
  learned.floors = {{"people", version("2.0.0")}, {"unknown", version("1.0.0")}};
  AgentState state = after(fresh(), {kDue, learned});
  EXPECT_EQ(state.time_seen_s, kNow);
  EXPECT_EQ(state.floors.size(), 1u);
  learned.time_seen_s = kNow - 1'000'000;
  learned.floors = {{"people", version("1.0.0")}};
  state = after(state, {kDue, learned});
  EXPECT_EQ(state.time_seen_s, kNow);
  EXPECT_EQ(state.floors["people"], version("2.0.0"));
  // A few minutes more are worth no write.
  learned.time_seen_s = kNow + 60;
  const Step step = next(after(state, {kDue}), learned, {});
  EXPECT_FALSE(step.changed);
  // The floor that comes with an offer holds for it.
  Event e = offered(offer("2.1.0"));
  e.floors = {{"people", version("2.2.0")}};
  state = after(state, {kDue, e});
  EXPECT_EQ(state.phase, Phase::kIdle);
  EXPECT_EQ(state.floors["people"], version("2.2.0"));
}

TEST(Lifecycle, AReleaseThatTakesTheMachineDownIsGivenUp) {
  const Policy policy;
  for (const bool is_runtime : {false, true}) {
    const std::string name = is_runtime ? "polderd" : "people";
    AgentState state =
        after(fresh(), {kDue, offered({name, release(name, "1.0.0")}), kDone, kDone, kDone, kDone});
    EXPECT_EQ(state.phase, Phase::kActivate);
    const std::int64_t tries = is_runtime ? policy.runtime_tries : policy.model_tries;
    for (std::int64_t i = 0; i < tries; ++i) {
      state = after(state, {kStart});
      EXPECT_EQ(state.phase, Phase::kActivate);
    }
    state = after(state, {kStart});
    EXPECT_EQ(state.phase, Phase::kRollBack);
    EXPECT_EQ(state.bad.size(), 1u);
    EXPECT_EQ(state.units.at(name).active, Slot::kNone);
  }
}

// One that is switched off often, by whoever pulls its plug or in good order.
TEST(Lifecycle, ADeviceThatIsSwitchedOffOftenBlamesNoRelease) {
  const Policy policy;
  const Event kLives = event(EventKind::kLives);
  Event end = event(EventKind::kEnd);
  AgentState state = after(in_phase(Phase::kObserve), {kLives});
  for (int i = 1; i <= 3 * policy.model_tries; ++i) {
    end.observed_s = 20 * i;
    state = after(state, {end, kStart});
    EXPECT_EQ(state.phase, Phase::kObserve);
    EXPECT_EQ(state.update->observed_s, 20 * i);
  }
  EXPECT_EQ(after(state, {kDone}).phase, Phase::kCommit);
  // What was seen before a plug was pulled is not believed.
  for (std::int64_t i = 0; i < policy.model_tries; ++i) {
    state = after(state, {kStart});
    EXPECT_EQ(state.phase, Phase::kObserve);
    EXPECT_EQ(state.update->observed_s, 0);
  }
  state = after(state, {kStart});
  EXPECT_EQ(state.phase, Phase::kRollBack);
  EXPECT_TRUE(state.bad.empty());
  EXPECT_EQ(state.attempts.size(), 1u);
}

TEST(Lifecycle, ReasonsFitAnywhere) {
  Event failed = kRejected;
  failed.reason.assign(10'000, '\xc3');
  failed.reason += "\n\x1b[2J";
  for (int i = 0; i < 600; ++i) failed.reason.insert(0, "\xe2\x82\xac");
  AgentState state = after(in_phase(Phase::kObserve), {failed});
  EXPECT_LE(state.bad[0].reason.size(), kMaxReasonBytes);
  EXPECT_TRUE(AgentState::parse(state.bytes(), "state").ok());
}

TEST(Lifecycle, ListsForgetTheOldest) {
  AgentState state = fresh();
  for (int i = 1; i <= int(kMaxBadReleases) + 5; ++i) {
    state = after(state, {kDue, offered(offer(fmt::format("1.0.{}", i))), kRejected, kDone});
  }
  EXPECT_EQ(state.bad.size(), kMaxBadReleases);
  EXPECT_EQ(state.bad.back().release.version.patch, kMaxBadReleases + 5);
  EXPECT_EQ(state.bad.front().release.version.patch, 6u);
}

TEST(Lifecycle, Units) {
  const std::vector<std::string> models{"people", "cars"};
  const auto state = with_units(installed(fresh(), offer("1.0.0")), models, "polderd");
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->units.size(), 3u);
  EXPECT_TRUE(state->units.at("people").committed);
  EXPECT_FALSE(with_units(*state, models, "cars").ok());
  const std::vector<std::string> bad{"../etc"};
  EXPECT_FALSE(with_units({}, bad, "").ok());
}

TEST(Lifecycle, UnitsThatAreNoLongerConfiguredGo) {
  AgentState state = installed(fresh(), offer("1.0.0"));
  state.floors["people"] = offer("1.0.0").release.version;
  const std::vector<std::string> cars{"cars"};
  const auto after = with_units(state, cars, "");
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->units.size(), 1u);
  EXPECT_TRUE(after->units.contains("cars"));
  EXPECT_EQ(after->floors, state.floors);
  // The one of an update that is under way stays until that is over.
  state.phase = Phase::kDownload;
  state.update = Update{
      .unit = "people", .release = offer("2.0.0").release, .slot = Slot::kB, .before = Slot::kA};
  const auto during = with_units(state, cars, "");
  ASSERT_TRUE(during.ok()) << during.error().message;
  EXPECT_TRUE(during->units.contains("people"));
}

}  // namespace
}  // namespace polder::agent
