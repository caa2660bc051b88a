#include "hub/rollout.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

namespace polder::hub {
namespace {

const GateState kHeld{.verdict = Verdict::kHold, .reasons = {{.text = "too few observations"}}};
const GateState kOpen{.verdict = Verdict::kPromote, .reasons = {}};
const GateState kBad{.verdict = Verdict::kAbort,
                     .reasons = {{.text = "cam-1: crash loop"}, {.text = "errors: 2.00"}}};

RolloutPlan usual(std::string id = "people-counting/2.0.0") {
  return {.id = std::move(id), .stages = usual_stages()};
}

std::string device(int i) { return fmt::format("cam-{}", i); }

// With the first places chosen, of a fleet of that many.
void choose(const RolloutPlan& plan, RolloutState& state, int fleet) {
  std::map<double, std::string> order;
  for (int i = 0; i < fleet; ++i) order.emplace(place_of(plan.id, device(i)), device(i));
  for (auto next = order.begin(); missing_devices(plan, state) > 0; ++next)
    state.chosen.insert(next->second);
}

int count(const RolloutPlan& plan, const RolloutState& state, int fleet, Wanted wanted) {
  int n = 0;
  for (int i = 0; i < fleet; ++i) n += wanted_of(plan, state, device(i)) == wanted;
  return n;
}

TEST(Rollout, GoesThroughItsStages) {
  const RolloutPlan plan = usual();
  ASSERT_TRUE(check_plan(plan).ok());
  RolloutState state = begin_rollout(1000);
  choose(plan, state, 10'000);
  EXPECT_EQ(count(plan, state, 10'000, Wanted::kShadow), 1);
  EXPECT_EQ(count(plan, state, 10'000, Wanted::kNew), 0);
  state = after_gate(plan, state, kHeld, 1500);
  EXPECT_EQ(state.stage, 0u);
  int before = 0;
  for (const int expected : {1, 3, 1000, 5000, 10'000}) {
    state = after_gate(plan, state, kOpen, 2000);
    choose(plan, state, 10'000);
    const int now = count(plan, state, 10'000, Wanted::kNew);
    EXPECT_NEAR(now, expected, expected < 10 ? 0 : 0.05 * expected);
    EXPECT_GT(now, before);
    before = now;
    EXPECT_EQ(state.stage_since_s, 2000);
  }
  EXPECT_EQ(state.phase, RolloutPhase::kRunning);
  state = after_gate(plan, state, kOpen, 3000);
  EXPECT_EQ(state.phase, RolloutPhase::kDone);
  EXPECT_EQ(after_gate(plan, state, kBad, 3000).phase, RolloutPhase::kDone);
}

TEST(Rollout, EachStageHoldsThoseBeforeIt) {
  const RolloutPlan plan = usual();
  RolloutState state = begin_rollout(0);
  std::set<std::string> had;
  while (state.phase == RolloutPhase::kRunning) {
    choose(plan, state, 500);
    for (const std::string& name : had)
      EXPECT_NE(wanted_of(plan, state, name), Wanted::kOld) << name << " at " << state.stage;
    for (int i = 0; i < 500; ++i)
      if (wanted_of(plan, state, device(i)) != Wanted::kOld) had.insert(device(i));
    state = after_gate(plan, state, kOpen, 0);
  }
  EXPECT_EQ(had.size(), 500u);
}

TEST(Rollout, WaitsForDevicesThatAStageNeeds) {
  const RolloutPlan plan = usual();
  RolloutState state = begin_rollout(0);
  EXPECT_EQ(missing_devices(plan, state), 1u);
  EXPECT_EQ(after_gate(plan, state, kOpen, 0).stage, 0u);
  choose(plan, state, 100);
  EXPECT_EQ(after_gate(plan, state, kOpen, 0).stage, 1u);
}

TEST(Rollout, DevicesThatJoinTakePart) {
  const RolloutPlan plan = usual();
  RolloutState state = begin_rollout(0);
  state.stage = 4;
  int in = 0;
  for (int i = 0; i < 2000; ++i)
    in += wanted_of(plan, state, fmt::format("late-{}", i)) == Wanted::kNew;
  EXPECT_NEAR(in, 1000, 100);
}

TEST(Rollout, AnAbortIsForAllAtOnce) {
  const RolloutPlan plan = usual();
  RolloutState state = begin_rollout(0);
  state.stage = 4;
  ASSERT_GT(count(plan, state, 100, Wanted::kNew), 20);
  state = after_gate(plan, state, kBad, 0);
  EXPECT_EQ(state.phase, RolloutPhase::kAborted);
  EXPECT_EQ(state.reason, "cam-1: crash loop; errors: 2.00");
  EXPECT_EQ(count(plan, state, 100, Wanted::kOld), 100);
  EXPECT_EQ(after_gate(plan, state, kOpen, 0).phase, RolloutPhase::kAborted);
}

TEST(Rollout, NamesTheFirstOfManyReasons) {
  GateState bad{.verdict = Verdict::kAbort, .reasons = {}};
  for (int i = 0; i < 200; ++i) bad.reasons.push_back({.text = device(i) + ": crash loop"});
  const std::string reason = after_gate(usual(), begin_rollout(0), bad, 5).reason;
  EXPECT_TRUE(reason.starts_with("cam-0: crash loop; cam-1: crash loop; ")) << reason;
  EXPECT_TRUE(reason.ends_with("cam-19: crash loop; and 180 more")) << reason;
}

TEST(Rollout, PeopleMayPauseResumeAbort) {
  const RolloutPlan plan = usual();
  RolloutState state = begin_rollout(0);
  choose(plan, state, 100);
  auto now = paused(state, "holidays");
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(after_gate(plan, *now, kOpen, 5).stage, 0u);
  EXPECT_EQ(after_gate(plan, *now, kBad, 5).phase, RolloutPhase::kAborted);
  EXPECT_EQ(count(plan, *now, 100, Wanted::kShadow), 1);
  EXPECT_FALSE(paused(*now, "again").ok());
  auto on = resumed(*now, 77);
  ASSERT_TRUE(on.ok());
  EXPECT_EQ(on->stage_since_s, 77);
  EXPECT_TRUE(on->reason.empty());
  EXPECT_FALSE(resumed(*on, 78).ok());
  auto off = aborted(*on, "no longer wanted");
  ASSERT_TRUE(off.ok());
  const auto again = resumed(*off, 79);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().message,
            "the rollout is aborted: no longer wanted: it cannot be resumed");
}

TEST(Rollout, OrderDiffersByRollout) {
  int same = 0;
  for (int i = 0; i < 1000; ++i)
    same += (place_of("a/1", device(i)) < 0.1) && (place_of("b/1", device(i)) < 0.1);
  EXPECT_LT(same, 30);  // 10 expected
  EXPECT_EQ(place_of("a/1", "cam-1"), place_of("a/1", "cam-1"));
  EXPECT_NE(place_of("a", "bc"), place_of("ab", "c"));
}

std::string refusal(std::vector<Stage> stages) {
  const Status status = check_plan({.id = "x", .stages = std::move(stages)});
  return status.ok() ? "" : status.error().message;
}

TEST(Rollout, PlansAreChecked) {
  const Stage all{.permille = 1000, .gate = {}};
  EXPECT_EQ(refusal({all}), "");
  EXPECT_EQ(refusal({}), "0 stages: 1 to 16 expected");
  EXPECT_EQ(refusal({{.devices = 3, .gate = {}}}),
            "stage 1 (3 devices): the last stage must be 100%");
  EXPECT_EQ(refusal({{.gate = {}}, all}), "stage 1: a number of devices or a share expected");
  EXPECT_NE(refusal({{.devices = 3, .gate = {}}, {.devices = 1, .gate = {}}, all}), "");
  EXPECT_NE(refusal({{.permille = 100, .gate = {}}, {.devices = 5, .gate = {}}, all}), "");
  EXPECT_NE(
      refusal({{.devices = 1, .gate = {}}, {.is_shadow = true, .devices = 2, .gate = {}}, all}),
      "");
  EXPECT_NE(refusal({{.permille = 1001, .gate = {}}}), "");
}

TEST(Rollout, AStageOfShadowsIsNoLargerThanTheOneThatActs) {
  const Stage one{.is_shadow = true, .devices = 1}, ten{.is_shadow = true, .devices = 10},
      tenth{.is_shadow = true, .permille = 100};
  const Stage all{.permille = 1000};
  const auto allows = [&](const std::vector<Stage>& stages, std::int64_t devices) {
    return check_shadows({.id = "r", .stages = stages}, devices).ok();
  };
  EXPECT_TRUE(check_shadows(usual(), 1).ok());
  EXPECT_TRUE(allows({all}, 100));
  EXPECT_TRUE(allows({ten, {.devices = 10}, all}, 100));
  EXPECT_FALSE(allows({ten, {.devices = 9}, all}, 100));
  EXPECT_FALSE(allows({one, ten, {.devices = 9}, all}, 100));
  EXPECT_TRUE(allows({tenth, {.permille = 100}, all}, 100));
  EXPECT_FALSE(allows({tenth, {.permille = 99}, all}, 100));
  // A share grows with the fleet, a number does not.
  EXPECT_FALSE(allows({tenth, {.devices = 1000}, all}, 100));
  EXPECT_TRUE(allows({ten, {.permille = 100}, all}, 100));
  EXPECT_FALSE(allows({ten, {.permille = 100}, all}, 99));
  EXPECT_TRUE(allows({one, {.permille = 1}, all}, 3));
  EXPECT_TRUE(allows({ten, {.permille = 100}, all}, 0));  // who comes later is not known
}

}  // namespace
}  // namespace polder::hub
