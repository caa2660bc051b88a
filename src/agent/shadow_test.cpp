#include "agent/shadow.h"

#include <gtest/gtest.h>

#include "base/fail.h"

namespace polder::agent {
namespace {

Port port(const std::string& name, const Shape& shape, DataType type = DataType::kF32) {
  Shape bounds = shape;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (bounds[axis] < 0) bounds[axis] = 8;
  return {name, type, shape, bounds};
}

// y = x * factor; keeps what it was given.
class Scale final : public Executor {
 public:
  explicit Scale(float factor, Port in = port("x", {1, 2}), Port out = port("y", {1, 2}))
      : factor_(factor), in_{std::move(in)}, out_{std::move(out)} {}
  std::span<const Port> inputs() const override { return in_; }
  std::span<const Port> outputs() const override { return out_; }
  Status run(std::span<const TensorView> inputs) override {
    seen = inputs[0].data;
    if (fails) return fail(Code::kCorrupt, "broken");
    for (int i = 0; i < 2; ++i) y_[i] = inputs[0].as<float>()[i] * factor_;
    return {};
  }
  TensorView output(int) const override {
    return {const_cast<float*>(y_), DataType::kF32, Shape{1, 2}};
  }
  const void* seen = nullptr;
  bool fails = false;

 private:
  float factor_;
  float y_[2] = {};
  std::vector<Port> in_, out_;
};

struct Both {
  Scale* next = nullptr;
  std::vector<Comparison> told;
  std::vector<std::string> failures;
  std::unique_ptr<Executor> executor;

  explicit Both(float factor) {
    auto new_one = std::make_unique<Scale>(factor);
    next = new_one.get();
    executor =
        run_beside(std::make_unique<Scale>(2), std::move(new_one),
                   [](std::span<const TensorView>, const Executor& some, const Executor& others) {
                     return Decisions{agreement_of_outputs(some, others, {}, {}), {}, {}};
                   },
                   {.told = [this](const Comparison& seen) { told.push_back(seen); },
                    .failed = [this](const Error& e) { failures.push_back(e.message); }})
            .value();
  }
  float run(float x) {
    float values[2] = {x, 0};
    const TensorView view{values, DataType::kF32, Shape{1, 2}};
    EXPECT_TRUE(executor->run({&view, 1}).ok());
    if (failures.empty()) {
      EXPECT_EQ(next->seen, values);
    }
    return executor->output(0).as<float>()[0];
  }
};

TEST(Shadow, OnlyTheOldOnesOutputsGoOn) {
  Both both(3);
  EXPECT_EQ(both.run(5), 10);
  EXPECT_EQ(both.run(0), 0);
  ASSERT_EQ(both.told.size(), 2u);
  EXPECT_EQ(both.told[0].decisions.agreement, 1);  // the first of two is the larger one, of both
  EXPECT_DOUBLE_EQ(both.told[0].difference, 0.5);  // 15 instead of 10
  EXPECT_EQ(both.told[1].decisions.agreement, 1);
  EXPECT_EQ(both.told[1].difference, 0);
  EXPECT_GE(both.told[0].old_ms, 0);
  Both other(-2);
  other.run(5);
  EXPECT_EQ(other.told[0].decisions.agreement, 0);
  EXPECT_NEAR(other.told[0].difference, 2, 1e-6);
}

TEST(Shadow, AFailureIsToldOnceAndTheOldOneGoesOn) {
  Both both(2);
  both.run(1);
  both.next->fails = true;
  EXPECT_EQ(both.run(4), 8);
  EXPECT_EQ(both.run(5), 10);
  EXPECT_EQ(both.told.size(), 1u);
  EXPECT_EQ(both.failures, (std::vector<std::string>{"broken"}));
}

TEST(Shadow, WhatCannotBeComparedIsRefused) {
  const auto why = [](Port in, Port out, Port old_in = port("x", {1, 2})) -> std::string {
    const auto made =
        run_beside(std::make_unique<Scale>(1.F, std::move(old_in)),
                   std::make_unique<Scale>(1.F, std::move(in), std::move(out)), {}, {});
    if (made.ok()) return "";
    EXPECT_EQ(made.error().code, Code::kUnsupported);
    return made.error().message;
  };
  EXPECT_EQ(why(port("another", {1, 2}), port("name", {1, 2})), "");
  EXPECT_EQ(why(port("x", {1, -1}), port("y", {1, 2})), "");
  EXPECT_EQ(why(port("x", {1, -1}), port("y", {1, 2}), port("x", {1, -1})), "");
  EXPECT_NE(why(port("x", {1, 3}), port("y", {1, 2})), "");
  EXPECT_NE(why(port("x", {1, 2}, DataType::kU8), port("y", {1, 2})), "");
  EXPECT_NE(why(port("x", {1, 2, 1}), port("y", {1, 2})), "");
  EXPECT_NE(why(port("x", {1, 2}), port("y", {1, 5})), "");
  EXPECT_NE(why(port("x", {1, 2}), port("y", {1, 2}), port("x", {1, -1})), "");
  const std::string text = why(port("x", {1, 2}), port("scores", {1, 90}));
  EXPECT_EQ(text, "outputs 'scores' is f32 [1,90] instead of 'y', f32 [1,2]");
}

TEST(Shadow, TheResultNamesTheStageThatWasSlowed) {
  Observed alone, beside;
  for (int i = 0; i < 100; ++i) {
    alone.stages["infer"].latency_ms.add(2);
    alone.stages["track"].latency_ms.add(1);
    beside.stages["infer"].latency_ms.add(6);
    beside.stages["track"].latency_ms.add(0.5);
    beside.stages[shadow_old_stage("m")].latency_ms.add(2);
    beside.stages[shadow_new_stage("m")].latency_ms.add(4);
    beside.signals[shadow_agreement("m")].values.add(i < 75 ? 1 : 0);
    beside.signals[shadow_difference("m")].values.add(0.25);
    beside.signals[shadow_old_score("m")].values.add(0.5);
    beside.signals[shadow_new_score("m")].values.add(i % 2 == 0 ? 0.25 : 0.5);
  }
  for (auto* all : {&alone, &beside})
    for (auto& [name, stage] : all->stages) stage.packets = 100;
  const ShadowResult result = shadow_result({{.model = {"m", "/m.plan", {}}}}, alone, beside);
  EXPECT_EQ(result.slowed_stage, "infer");
  EXPECT_NEAR(result.alone_p99_ms, 2, 0.05);
  EXPECT_NEAR(result.beside_p99_ms, 6, 0.15);
  ASSERT_EQ(result.models.size(), 1u);
  EXPECT_EQ(result.models[0].inferences, 100u);
  EXPECT_DOUBLE_EQ(result.models[0].agreement, 0.75);
  EXPECT_NEAR(result.models[0].difference_p99, 0.25, 0.01);
  EXPECT_NEAR(result.models[0].old_p50_ms, 2, 0.05);
  EXPECT_NEAR(result.models[0].new_p99_ms, 4, 0.1);
  EXPECT_NE(result.text().find("'m': 100 inferences, 75.0% agree"), std::string::npos)
      << result.text();
  EXPECT_NE(result.text().find(", mean score 0.375 (old 0.500)"), std::string::npos)
      << result.text();
  // Nothing was seen, nothing is claimed.
  const ShadowResult none = shadow_result({{.model = {"m", "/m.plan", {}}}}, {}, {});
  EXPECT_EQ(none.models[0].inferences, 0u);
  EXPECT_FALSE(none.models[0].old_score || none.models[0].new_score);
  EXPECT_EQ(none.text(), " beside ; 'm': nothing was compared");
}

}  // namespace
}  // namespace polder::agent
