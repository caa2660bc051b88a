#include "agent/decisions.h"

#include <gtest/gtest.h>

#include "base/toml.h"

namespace polder::agent {
namespace {

// Gives what it was made with.
class Given final : public Executor {
 public:
  Given(std::vector<float> values, Shape shape, std::string name = "y")
      : values_(std::move(values)), ports_{{std::move(name), DataType::kF32, shape, shape}} {}
  std::span<const Port> inputs() const override { return {}; }
  std::span<const Port> outputs() const override { return ports_; }
  Status run(std::span<const TensorView>) override { return {}; }
  TensorView output(int) const override {
    return {const_cast<float*>(values_.data()), DataType::kF32, ports_[0].shape};
  }

 private:
  std::vector<float> values_;
  std::vector<Port> ports_;
};

pipeline::Graph graph_of(const std::string& after) {
  pipeline::Graph graph;
  const auto add = [&](const char* name, const char* type, const std::string& options) {
    const pipeline::NodeType* const found = pipeline::find_node_type(type);
    auto table = parse_toml(options, "test.toml");
    EXPECT_TRUE(table.ok());
    auto settings = Settings::check(*table, found->options, "test.toml", name);
    EXPECT_TRUE(settings.ok()) << settings.error().message;
    graph.nodes.push_back({.name = name, .type = found, .settings = std::move(*settings)});
  };
  add("infer", "infer", "model = \"m.plan\"\ncarry = [\"state:state_in\"]\n");
  if (after.empty()) return graph;
  add("after", after.substr(0, after.find('\n')).c_str(), after.substr(after.find('\n') + 1));
  graph.edges.push_back({.from = 0, .to = 1});
  return graph;
}

Decisions compared(const std::string& after, const Given& some, const Given& others,
                   std::span<const TensorView> inputs = {}) {
  const auto made = comparison_of(graph_of(after), 0, ".", {.absolute = 0.1});
  EXPECT_TRUE(made.ok()) << made.error().message;
  return (*made)(inputs, some, others);
}
double agreement(const std::string& after, const Given& some, const Given& others,
                 std::span<const TensorView> inputs = {}) {
  return compared(after, some, others, inputs).agreement;
}

TEST(Decisions, OfBoxesThoseThatOverlapAreTheSame) {
  const pipeline::Detection left{{0, 0, 10, 10}, 0.9F, 0}, near{{1, 0, 10, 10}, 0.5F, 0},
      right{{50, 0, 10, 10}, 0.9F, 0}, other{{0, 0, 10, 10}, 0.9F, 1};
  EXPECT_EQ(agreement_of_boxes({}, {}), 1);
  const std::vector<pipeline::Detection> one = {left}, same = {near}, two = {left, right},
                                         another = {other};
  EXPECT_EQ(agreement_of_boxes(one, same), 1);
  EXPECT_EQ(agreement_of_boxes(one, another), 0);  // of another class
  EXPECT_NEAR(agreement_of_boxes(one, two), 2.0 / 3, 1e-9);
  EXPECT_EQ(agreement_of_boxes(one, {}), 0);
  // Each is taken once.
  EXPECT_NEAR(agreement_of_boxes(one, std::vector{left, near}), 2.0 / 3, 1e-9);
}

// What a detector's retraining does to its numbers is no other decision.
TEST(Decisions, ADecoderSaysWhatADetectorFound) {
  const std::string yolo = "yolo_decode\nlayout = \"v5\"\nthreshold = 0.4\n";
  float pixels[3 * 32 * 64] = {};
  const TensorView picture{pixels, DataType::kF32, Shape{1, 3, 32, 64}};
  // Rows of x, y, w, h, objectness, two classes.
  const auto found = [](float x, float score, float second) {
    return Given({x, 16, 8, 8, score, 1 - second, second, 5, 5, 2, 2, 0.1F, 1, 0}, Shape{1, 2, 7});
  };
  EXPECT_EQ(agreement(yolo, found(40, 0.9F, 0), found(41, 0.6F, 0.2F), {&picture, 1}), 1);
  EXPECT_EQ(agreement(yolo, found(40, 0.9F, 0), found(20, 0.9F, 0), {&picture, 1}), 0);
  const Decisions both = compared(yolo, found(40, 0.75F, 0), found(41, 0.5F, 0), {&picture, 1});
  EXPECT_EQ(both.old_scores, std::vector{0.75});
  EXPECT_EQ(both.new_scores, std::vector{0.5});
  EXPECT_EQ(agreement(yolo, found(40, 0.9F, 0), found(40, 0.9F, 1), {&picture, 1}), 0);
  EXPECT_EQ(agreement(yolo, found(40, 0.9F, 0), found(40, 0.3F, 0), {&picture, 1}), 0);
  EXPECT_EQ(agreement(yolo, found(40, 0.3F, 0), found(10, 0.2F, 0), {&picture, 1}), 1);
}

TEST(Decisions, SpeechOrNone) {
  const auto at = [](float p) { return Given({p}, Shape{1, 1}); };
  EXPECT_EQ(agreement("vad_smooth\non = 0.6\n", at(0.9F), at(0.61F)), 1);
  EXPECT_EQ(agreement("vad_smooth\non = 0.6\n", at(0.62F), at(0.58F)), 0);
}

TEST(Decisions, ElseTheLargestOfEachRowOrTheTolerance) {
  const Given some({1, 2, 5, 3}, Shape{2, 2}), others({-4, 9, 1, 3}, Shape{2, 2});
  EXPECT_EQ(agreement("", some, others), 0.5);
  EXPECT_EQ(agreement("", Given({1}, Shape{1, 1}), Given({1.05F}, Shape{1, 1})), 1);
  EXPECT_EQ(agreement("", Given({1}, Shape{1, 1}), Given({1.2F}, Shape{1, 1})), 0);
  // What only the next run reads is no decision.
  EXPECT_EQ(agreement("", Given({1, 2}, Shape{1, 2}, "state"), Given({2, 1}, Shape{1, 2}, "state")),
            1);
}

}  // namespace
}  // namespace polder::agent
