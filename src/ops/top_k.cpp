// TopK: the largest (or smallest) elements along attribute "axis", as many as input 1 says, in
// order, and their positions. Equal elements keep their order; NaN counts as the largest.
#include <algorithm>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/nan.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::top_k {
namespace {

struct Params {
  std::int64_t axis;
  bool largest;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", -1, -kMaxRank, kMaxRank - 1);
  p.largest = attrs.flag("largest", true);
  attrs.flag("sorted", true);  // sorted is also a valid answer where the order is free
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kNumeric));
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY(context.expect_rank(1, 0, 1));
  Dims dims = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, dims.rank()));
  IntList k;
  const Dim whole = dims[axis];
  if (!context.ints(1, k)) {
    dims[axis] = context.new_dim(whole.bound);
  } else if (k.size() != 1 || k[0].bound < 0 ||
             (whole.known() && k[0].known() && k[0].bound > whole.bound)) {
    return fail(Code::kInvalid, "k = {} of {} elements", k.size() == 1 ? k[0].bound : -1,
                whole.bound);
  } else {
    dims[axis] = k[0];
  }
  context.output(0, context.type(0), dims);
  context.output(1, DataType::kI64, dims);
  return {};
}

// Positions of one row at a time are sorted in the workspace.
std::size_t workspace(const NodeInfo& node) {
  const Dims& dims = node.in(0).dims;
  const Result<int> axis = normal_axis(node.as<Params>().axis, dims.rank());
  return axis ? std::size_t(dims[*axis].bound) * sizeof(std::int64_t) : 0;
}

template <class T>
bool above(T a, T b) {
  return a > b || (not_a_number(a) && !not_a_number(b));
}

template <class T>
void top_of_row(bool largest, const T* row, std::int64_t n, std::int64_t k, std::int64_t step,
                std::int64_t* order) {
  for (std::int64_t j = 0; j < n; ++j) order[j] = j;
  std::partial_sort(order, order + k, order + n, [&](std::int64_t i, std::int64_t j) {
    const T a = row[i * step], b = row[j * step];
    if (above(a, b)) return largest;
    if (above(b, a)) return !largest;
    return i < j;
  });
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView& in = run.in(0);
  const int axis = *normal_axis(p.axis, in.shape.rank());
  const AxisSplit split = split_at(in.shape, axis);
  const std::int64_t k = run.out(0).shape[axis];
  if (k > split.n) return fail(Code::kInvalid, "TopK: k = {} of {} elements", k, split.n);
  auto* order = reinterpret_cast<std::int64_t*>(run.workspace);
  std::int64_t* at = run.outputs.size() > 1 ? run.out(1).as<std::int64_t>() : nullptr;
  dispatch(in.type, [&]<class T>() {
    T* values = run.out(0).as<T>();
    for (std::int64_t row = 0; row < split.outer * split.inner; ++row) {
      const std::int64_t o = row / split.inner, i = row % split.inner;
      const T* from = in.as<T>() + o * split.n * split.inner + i;
      top_of_row(p.largest, from, split.n, k, split.inner, order);
      for (std::int64_t j = 0; j < k; ++j) {
        const std::int64_t to = (o * k + j) * split.inner + i;
        if (values) values[to] = from[order[j] * split.inner];
        if (at) at[to] = order[j];
      }
    }
  });
  return {};
}

// ONNX: k is an attribute before opset 10.
Status from_onnx(ImportContext& node) {
  ValueId k = node.in(1);
  if (k == kNoValue) {
    k = node.ints({node.attrs.integer("k", 0)});
    node.attrs.erase("k");
  }
  return node.finish("TopK", {node.in(0), k}, node.attrs);
}

// Positions are i32.
Status from_tflite(ImportContext& node) {
  const ValueId at = node.graph.add_value(node.node_name + "/positions");
  TRY(node.finish("TopK", {node.in(0), node.in(1)}, {}, {node.outputs[0], at}));
  if (node.outputs.size() < 2 || node.outputs[1] == kNoValue) return {};
  return finish_cast(node, at, DataType::kI32, 1);
}

std::vector<Sample> samples() {
  const SampleInput k = {DataType::kI64, {1}, {3}};
  return {{"last", {{.shape = {4, 9}}, k}, {}, {{4, 3}, {4, 3}}},
          {"smallest",
           {{.shape = {5, 2, 3}}, k},
           {{"axis", std::int64_t(0)}, {"largest", std::int64_t(0)}},
           {{3, 2, 3}, {3, 2, 3}}},
          {"ties",
           {{DataType::kI32, {7}, {1, 2, 2, 1, 2, 0, 1}}, {DataType::kI64, {1}, {5}}},
           {},
           {{5}, {5}}},
          {"none", {{.shape = {2, 3}}, {DataType::kI64, {1}, {0}}}, {}, {{2, 0}, {2, 0}}}};
}

constexpr OnnxRule kOnnx[] = {{"TopK", from_onnx}};
constexpr TfliteRule kTflite[] = {{"TOPK_V2", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "TopK",
    .min_inputs = 2,
    .max_inputs = 2,
    .max_outputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace,
    .optional_outputs = 0b10,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::top_k
