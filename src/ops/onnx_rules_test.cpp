// ONNX's import rules, whole nodes of them. All inputs are constant, so that folding runs what a
// rule makes. Unless a test says otherwise, the numbers are those of ONNX's reference (1.23) and of
// ONNX Runtime, which agree.
#include "ops/infer.h"
#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;
using Reals = std::vector<double>;

constexpr SampleInput kAbsent{.type = DataType::kNone};

struct Imported {
  Graph graph;
  std::vector<ValueId> outputs;
  Status status;

  const Value& output(std::size_t i) const { return graph[outputs[i]]; }
  Reals reals(std::size_t i) const {
    Reals reals;
    const Value& value = output(i);
    if (!value.is_constant()) return reals;
    const TensorView view{const_cast<std::byte*>(value.data.view.data()), value.type,
                          value.dims.bounds()};
    for (std::int64_t k = 0; k < view.shape.elements(); ++k) reals.push_back(get(view, k));
    return reals;
  }
};

Imported import_node(std::string_view op_type, int version, const std::vector<SampleInput>& inputs,
                     Attrs attrs, int outputs = 1) {
  Imported imported;
  const OnnxMatch match = find_onnx("", op_type);
  if (!match.def) {
    imported.status = fail(Code::kUnsupported, "no operator {}", op_type);
    return imported;
  }
  ImportContext node(imported.graph);
  node.op_type = op_type;
  node.node_name = "node";
  node.version = version;
  node.attrs = std::move(attrs);
  for (const SampleInput& input : inputs) {
    node.inputs.push_back(kNoValue);
    if (input.type == DataType::kNone) continue;
    const HeldTensor tensor = hold(input.type, input.shape);
    for (std::size_t k = 0; k < input.values.size(); ++k)
      put(tensor.view, std::int64_t(k), input.values[k]);
    const auto* elements = static_cast<const std::byte*>(tensor.view.data);
    node.inputs.back() = imported.graph.add_constant(
        "in", input.type, input.shape, {tensor.memory.owner, {elements, tensor.view.bytes()}});
  }
  for (int i = 0; i < outputs; ++i) node.outputs.push_back(imported.graph.add_value("out"));
  imported.outputs = node.outputs;
  imported.status = match.rule->import ? match.rule->import(node)
                                       : node.finish(match.def->name, node.inputs, node.attrs);
  return imported;
}

void expect_imported(const Imported& imported, const Shape& shape, const Reals& values) {
  ASSERT_TRUE(imported.status.ok()) << imported.status.error().message;
  EXPECT_EQ(imported.output(0).dims.bounds(), shape);
  expect_near(imported.reals(0), values);
}

void expect_refused(const Imported& imported, const std::string& why) {
  ASSERT_FALSE(imported.status.ok());
  const std::string& message = imported.status.error().message;
  EXPECT_NE(message.find(why), std::string::npos) << message;
}

SampleInput counted(Shape shape, double first = 1) {
  Reals values;
  for (std::int64_t i = 0; i < shape.elements(); ++i) values.push_back(first + double(i));
  return input_of(shape, values);
}
SampleInput squares(Shape shape) {
  SampleInput x = counted(shape, 0);
  for (double& value : x.values) value *= value;
  return x;
}
SampleInput reals(Reals values) {
  const auto count = std::int64_t(values.size());
  return input_of({count}, std::move(values));
}
SampleInput ints(Reals values) {
  const auto count = std::int64_t(values.size());
  return {DataType::kI64, {count}, std::move(values)};
}

Imported resize(const Shape& x, Ints axes, SampleInput scales, SampleInput sizes,
                const char* mode = "nearest") {
  return import_node("Resize", 18, {counted(x), kAbsent, std::move(scales), std::move(sizes)},
                     {{"axes", std::move(axes)}, {"mode", mode}});
}

TEST(OnnxResize, ScalesAreThoseOfItsAxes) {
  const Reals expected = {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4};
  expect_imported(resize({1, 1, 2, 2}, {2, 3}, reals({2, 3}), kAbsent), {1, 1, 4, 6}, expected);
  expect_imported(resize({1, 1, 2, 2}, {-1, 2}, reals({3, 2}), kAbsent), {1, 1, 4, 6}, expected);
}

TEST(OnnxResize, SizesAreThoseOfItsAxes) {
  expect_imported(resize({1, 1, 2, 2}, {3, 2}, kAbsent, ints({3, 2}), "linear"), {1, 1, 2, 3},
                  {1, 1.5, 2, 3, 3.5, 4});
  expect_imported(resize({1, 1, 2, 2}, {2, 3}, kAbsent, ints({1, 3}), "linear"), {1, 1, 1, 3},
                  {2, 2.5, 3});
}

TEST(OnnxResize, TheRegionIsThatOfItsAxes) {
  const auto crop = [](Ints axes, Reals roi, Reals sizes) {
    return import_node("Resize", 18,
                       {counted({1, 1, 4, 4}, 0), reals(std::move(roi)), kAbsent, ints(sizes)},
                       {{"axes", std::move(axes)},
                        {"mode", "linear"},
                        {"coordinate_transformation_mode", "tf_crop_and_resize"}});
  };
  expect_imported(crop({2, 3}, {.4, .6, .6, .8}, {3, 3}), {1, 1, 3, 3},
                  {6.6, 6.9, 7.2, 7.8, 8.1, 8.4, 9, 9.3, 9.6});
  expect_imported(crop({3, 2}, {.6, .4, .8, .6}, {3, 2}), {1, 1, 2, 3},
                  {6.6, 6.9, 7.2, 9, 9.3, 9.6});
}

TEST(OnnxResize, RefusesWrongAxesAndCounts) {
  expect_refused(resize({1, 1, 2, 2}, {2, -2}, reals({2, 3}), kAbsent), "axis 2 twice");
  expect_refused(resize({1, 1, 2, 2}, {2, 4}, reals({2, 3}), kAbsent), "axis 4 of rank 4");
  expect_refused(resize({1, 1, 2, 2}, {2, 3}, reals({1, 1, 2, 3}), kAbsent), "2 expected");
  expect_refused(resize({1, 1, 2, 2}, {2, 3}, kAbsent, ints({1})), "2 expected");
}

TEST(OnnxResize, RefusesByNameWhatItLacks) {
  for (const auto& [name, value] : {std::pair<std::string, AttrValue>("antialias", std::int64_t(1)),
                                    {"keep_aspect_ratio_policy", std::string("not_larger")}}) {
    expect_refused(import_node("Resize", 18, {counted({1, 4}), kAbsent, reals({1, 2})},
                               {{name, value}, {"mode", "linear"}}),
                   name);
  }
}

// "The Lp norm on all values of a subset", and ONNX Runtime. ONNX's reference scales the sum of
// the last window, which reaches over the end, to three elements: 16.5 and 9.5656.
TEST(OnnxLpPool, TakesWhatIsInTheLastWindow) {
  const auto pool = [](std::int64_t p) {
    return import_node("LpPool", 18, {counted({1, 1, 6})},
                       {{"kernel_shape", Ints{3}},
                        {"strides", Ints{2}},
                        {"ceil_mode", std::int64_t(1)},
                        {"p", p}});
  };
  expect_imported(pool(1), {1, 1, 3}, {6, 12, 11});
  expect_imported(pool(2), {1, 1, 3}, {3.7416575, 7.0710678, 7.8102498});
}

TEST(OnnxLayerNormalization, ScaleAndBiasBroadcast) {
  const auto norm = [](std::int64_t axis, std::vector<SampleInput> further, int outputs = 1) {
    further.insert(further.begin(), squares({2, 2, 2}));
    return import_node("LayerNormalization", 17, further, {{"axis", axis}}, outputs);
  };
  const Imported all = norm(1, {reals({2}), reals({1, -1})}, 3);
  expect_imported(
      all, {2, 2, 2},
      {-1, -2.4285707, 1.2857141, 2.1428559, -1.5123665, -2.0535731, 1.7293968, 1.8365431});
  expect_near(all.reals(1), {3.5, 31.5});
  expect_near(all.reals(2), {0.2857142, 0.0810441});
  expect_imported(
      norm(1, {input_of({2, 1}, {1, 3})}), {2, 2, 2},
      {-1, -0.7142854, 0.4285713, 4.7142839, -1.2561833, -0.5267866, 1.0940951, 4.2548146});
  expect_imported(norm(-1, {input_of({2, 1, 1}, {1, 3})}), {2, 2, 2},
                  {-0.99998, 0.99998, -1, 1, -3, 3, -3, 3});
  expect_imported(
      norm(1, {input_of({2, 2}, {1, 3, 2, 4})}), {2, 2, 2},
      {-1, -2.1428564, 0.2857142, 6.2857118, -1.2561833, -1.5803597, 0.7293968, 5.6730862});
}

TEST(OnnxLayerNormalization, ItsInputDoesNotBroadcast) {
  for (const Shape& scale : {Shape{3, 4}, Shape{1, 1, 4}})
    expect_refused(import_node("LayerNormalization", 17, {squares({1, 4}), counted(scale)}, {}),
                   "does not broadcast to [1,4]");
}

TEST(OnnxGroupNormalization, ScalesGroupsThenChannels) {
  const auto norm = [](int version, Attrs attrs, Reals scale, Reals bias) {
    return import_node("GroupNormalization", version,
                       {squares({1, 4, 2}), reals(std::move(scale)), reals(std::move(bias))},
                       std::move(attrs));
  };
  const std::int64_t one = 1, two = 2;
  expect_imported(
      norm(18, {{"num_groups", two}}, {1, -2}, {.5, 1}), {1, 4, 2},
      {-0.4999996, -0.2142854, 0.6428571, 2.0714278, 3.5123665, 2.0535731, 0.2706032, -1.8365428});
  expect_imported(norm(21, {{"num_groups", two}}, {1, -2, 3, .5}, {.5, 1, 0, -1}), {1, 4, 2},
                  {-0.4999996, -0.2142854, 0.7142859, -2.1428559, -3.7685499, -1.5803597,
                   -0.8176508, -0.2908643});
  expect_imported(
      norm(21, {{"num_groups", one}, {"epsilon", 0.5}}, {1, -2, 3, .5}, {.5, 1, 0, -1}), {1, 4, 2},
      {-0.5481672, -0.488272, 2.6171722, 2.0182195, -0.2695287, 1.3476436, -0.4459687, -0.0566494});
  expect_refused(norm(21, {{"num_groups", two}}, {1, -2}, {.5, 1}), "[4] expected");
  expect_refused(norm(18, {{"num_groups", std::int64_t(3)}}, {1, 1, 1}, {0, 0, 0}),
                 "'num_groups' is 3");
  expect_refused(norm(18, {}, {1}, {0}), "'num_groups' is 0");
}

}  // namespace
}  // namespace polder::ops
