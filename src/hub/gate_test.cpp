#include "hub/gate.h"

#include <gtest/gtest.h>

namespace polder::hub {
namespace {

Judgement good() {
  return {.ratio = 1.02,
          .low = 0.9,
          .high = 1.2,
          .worse = 1,
          .acceptable = 30,
          .canary_trials = 5000,
          .control_trials = 50000};
}

GateState gate(const Judgement& judgement, std::int64_t stage_s = 600) {
  const MeasureState measures[] = {{"errors", judgement}};
  return judge_gate(measures, {}, stage_s, {.least_s = 300});
}

TEST(Gate, OpensWhenAllIsProven) {
  const GateState state = gate(good());
  EXPECT_EQ(state.verdict, Verdict::kPromote);
  EXPECT_TRUE(state.reasons.empty());
}

TEST(Gate, HoldsWithoutData) {
  EXPECT_EQ(judge_gate({}, {}, 1'000'000, {}).verdict, Verdict::kHold);
  Judgement few = good();
  few.canary_trials = 99;
  EXPECT_EQ(gate(few).verdict, Verdict::kHold);
  EXPECT_EQ(gate(few).reasons.front().text, "errors: 99 observations of at least 100");
  Judgement alone = good();
  alone.control_trials = 0;
  EXPECT_EQ(gate(alone).verdict, Verdict::kHold);
  EXPECT_EQ(gate(alone).reasons.front().text,
            "errors: nothing that runs the old release has been counted yet");
}

TEST(Gate, SaysNoRatioThatNobodyKnows) {
  Judgement open = good();
  open.low = kLeastRatio, open.high = kMostRatio, open.ratio = kLeastRatio;
  open.acceptable = 1;
  EXPECT_EQ(gate(open).reasons.front().text,
            "errors: how often, compared with before, is not known yet, evidence that it is "
            "acceptable 1.0 of 20");
}

// Of what never fails no ratio is known.
TEST(Gate, OpensWhenFailuresAreRareWhateverTheyWere) {
  Judgement unknown = good();
  unknown.acceptable = 1;
  unknown.control_trials = 0;
  const MeasureState rare[] = {{.name = "errors", .judgement = unknown, .rare = 20}};
  EXPECT_EQ(judge_gate(rare, {}, 600, {}).verdict, Verdict::kPromote);
  const MeasureState may_be[] = {{.name = "errors", .judgement = unknown, .rare = 19}};
  EXPECT_EQ(judge_gate(may_be, {}, 600, {}).verdict, Verdict::kHold);
}

TEST(Gate, MayAskForNoProofAndStillAbort) {
  const GateRules rules{.promote_at = 0, .least_s = 300};
  EXPECT_EQ(judge_gate({}, {}, 299, rules).verdict, Verdict::kHold);
  EXPECT_EQ(judge_gate({}, {}, 300, rules).verdict, Verdict::kPromote);
  Judgement bad = good();
  bad.worse = 40;
  const MeasureState measures[] = {{"errors", bad}};
  EXPECT_EQ(judge_gate(measures, {}, 300, rules).verdict, Verdict::kAbort);
}

TEST(Gate, WithoutStatisticsHardFailuresAndTimeDecide) {
  const GateRules rules{.least_s = 300, .has_statistics = false};
  Judgement bad = good();
  bad.worse = 1000;
  const MeasureState measures[] = {{"errors", bad}};
  EXPECT_EQ(judge_gate(measures, {}, 299, rules).verdict, Verdict::kHold);
  EXPECT_EQ(judge_gate(measures, {}, 300, rules).verdict, Verdict::kPromote);
  const DeviceFailure failures[] = {{"cam-1", HardFailure::kCrashLoop}};
  EXPECT_EQ(judge_gate({}, failures, 300, rules).verdict, Verdict::kAbort);
}

TEST(Gate, HoldsUntilItIsAcceptableAndTimeHasPassed) {
  Judgement unclear = good();
  unclear.acceptable = 19;
  EXPECT_EQ(gate(unclear).verdict, Verdict::kHold);
  EXPECT_EQ(gate(good(), 299).verdict, Verdict::kHold);
  EXPECT_EQ(gate(good(), 299).reasons.front().text, "4 min 59 s of at least 5 min have passed");
}

TEST(Gate, OneMeasureThatIsWorseIsTheEnd) {
  Judgement worse = good();
  worse.worse = 41;
  worse.ratio = 2;
  const MeasureState measures[] = {{"errors", good()}, {"slow frames", worse}};
  const GateState state = judge_gate(measures, {}, 600, {});
  EXPECT_EQ(state.verdict, Verdict::kAbort);
  ASSERT_EQ(state.reasons.size(), 1u);
  EXPECT_TRUE(state.reasons[0].text.starts_with("slow frames: 2.00 times"))
      << state.reasons[0].text;
}

// Their mean is an e-value whatever they have to do with each other; their largest is none.
TEST(Gate, EvidenceIsTheWeightedMeanOverMeasures) {
  Judgement worse = good();
  worse.worse = 119;
  MeasureState measures[] = {{"errors", good()}, {"slow frames", worse}, {"empty frames", good()}};
  for (MeasureState& one : measures) one.weight = 1.0 / 3;
  GateState state = judge_gate(measures, {}, 600, {.least_s = 300});
  EXPECT_EQ(state.verdict, Verdict::kAbort);
  EXPECT_NEAR(state.evidence, 121.0 / 3, 1e-9);
  measures[1].judgement.worse = 117.9;
  EXPECT_NE(judge_gate(measures, {}, 600, {}).verdict, Verdict::kAbort);
  // Several that are each a little unlikely are so together.
  measures[0].judgement.worse = measures[2].judgement.worse = 2;
  state = judge_gate(measures, {}, 600, {});
  EXPECT_EQ(state.verdict, Verdict::kAbort);
  ASSERT_EQ(state.reasons.size(), 1u);
  EXPECT_NE(state.reasons[0].text.find("evidence 39.3 of 40 over all measures"), std::string::npos)
      << state.reasons[0].text;
}

// Of a shadow whose device acts by now, what it saw decides.
TEST(Gate, AShadowThatIsOverIsTakenAtItsFace) {
  Judgement seen{.ratio = 0.4,
                 .low = 0.1,
                 .high = 2,
                 .acceptable = 3,
                 .canary_trials = 90,
                 .control_trials = 90};
  MeasureState measures[] = {
      {.name = "frames that differ", .judgement = seen, .than = "allowed", .is_over = true}};
  EXPECT_EQ(judge_gate(measures, {}, 0, {}).verdict, Verdict::kPromote);
  measures[0].judgement.ratio = 1.6;
  GateState state = judge_gate(measures, {}, 0, {});
  EXPECT_EQ(state.verdict, Verdict::kHold);
  EXPECT_EQ(state.reasons.at(0).text,
            "frames that differ: 1.60 times as often as allowed (0.10 to 2.00), and no more of it "
            "will be seen. Abort it, and begin it anew");
  measures[0].judgement = {};
  state = judge_gate(measures, {}, 0, {});
  EXPECT_EQ(state.verdict, Verdict::kHold);
  EXPECT_NE(state.reasons.at(0).text.find("nothing was compared"), std::string::npos);
  // What the stage does not ask for holds nothing up.
  measures[0].is_asked = false;
  EXPECT_EQ(judge_gate(measures, {}, 0, {}).verdict, Verdict::kPromote);
}

TEST(Gate, AHardFailureNeedsNoStatistics) {
  const DeviceFailure failures[] = {{"cam-7", HardFailure::kCrashLoop}};
  const GateState state = judge_gate({}, failures, 0, {});
  EXPECT_EQ(state.verdict, Verdict::kAbort);
  EXPECT_EQ(state.reasons.front().text, "cam-7: crash loop");
  // A large fleet may allow for more.
  EXPECT_EQ(judge_gate({}, failures, 0, {.failures = 2}).verdict, Verdict::kHold);
}

}  // namespace
}  // namespace polder::hub
