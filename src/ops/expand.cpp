// Expand: the data broadcast against the shape that input 1 holds.
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::expand {
namespace {

Status infer(InferContext& context) {
  TRY(context.expect_type(1, kIndexTypes));
  IntList shape;
  TRY(need_ints(context, 1, shape));
  const Dims& in = context.dims(0);
  const int rank = std::max(in.rank(), shape.size());
  if (rank > kMaxRank) return fail(Code::kUnsupported, "rank {}; at most {}", rank, kMaxRank);
  Dims out;
  for (int axis = 0; axis < rank; ++axis) {
    const int own = axis - (rank - in.rank()), other = axis - (rank - shape.size());
    const Dim have = own >= 0 ? in[own] : Dim(1), want = other >= 0 ? shape[other] : Dim(1);
    if (want.bound < 0) return fail(Code::kInvalid, "the shape holds {}", want.bound);
    const bool is_kept =
        want.is(1) || have == want || (have.known() && !have.is(1) && !want.known());
    if (is_kept) out.push_back(have);
    else if (have.is(1) || !have.known()) out.push_back(want);
    else
      return fail(Code::kInvalid, "{} does not broadcast: {} against {} in dimension {}", in.text(),
                  have.bound, want.bound, axis);
  }
  context.output(0, context.type(0), out);
  IntList one, all;
  if (out.rank() == 1 && out.known() && context.ints(0, one) && one.size() == 1) {
    for (std::int64_t i = 0; i < out[0].bound; ++i) {
      if (!all.push_back(one[0])) return {};
    }
    context.output_ints(0, all);
  }
  return {};
}

StridedCopy plan_copy(const RunContext& run) {
  const TensorView &in = run.in(0), &out = run.out(0);
  return {in.data, out.data, in.type, out.shape, broadcast_strides(in.shape, out.shape)};
}

using Copy = StridedKernels<plan_copy>;

// A scalar of the value of attribute "value", 0 in f32 without it.
Status constant_of_shape(ImportContext& node) {
  ValueId scalar = node.scalar_f32(0);
  if (const ValueId given = node.tensor("value"); given != kNoValue) {
    const Value value = node.value(given);
    if (value.dims.max_elements() != 1) {
      return fail(Code::kInvalid, "attribute 'value' has shape {}; one element expected",
                  value.dims.text());
    }
    scalar = node.graph.add_constant(value.name, value.type, Shape{}, value.data);
  }
  return node.finish("Expand", {scalar, node.in(0)});
}

// FILL(dims, value)
Status fill(ImportContext& node) { return node.finish("Expand", {node.in(1), node.in(0)}); }

std::vector<Sample> samples() {
  const auto shape = [](std::vector<double> dims) {
    const std::int64_t rank = std::int64_t(dims.size());
    return SampleInput{DataType::kI64, {rank}, std::move(dims)};
  };
  return {
      {"both ways", {{.shape = {3, 1, 5}}, shape({2, 1, 4, 1})}, {}, {{2, 3, 4, 5}}, Known::kAll},
      {"scalar", {{DataType::kU8, {}, {7}}, shape({3, 2})}, {}, {{3, 2}}, Known::kAll},
      {"unchanged", {{.shape = {2, 3}}, shape({1})}, {}, {{2, 3}}, Known::kAll},
      {"f16", {{DataType::kF16, {2, 1}}, shape({2, 33})}, {}, {{2, 33}}, Known::kAll},
      {"empty", {{.shape = {1}}, shape({0})}, {}, {{0}}, Known::kAll}};
}

constexpr OnnxRule kOnnx[] = {{"Expand"}, {"ConstantOfShape", constant_of_shape}};
constexpr TfliteRule kTflite[] = {{"BROADCAST_TO"}, {"FILL", fill}};

}  // namespace

extern const OpDef def = {
    .name = "Expand",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = Copy::reference,
    .choose = Copy::choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::expand
