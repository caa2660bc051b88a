// Concat: joins tensors along attribute "axis".
#include <cstring>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::concat {
namespace {

struct Params {
  std::int64_t axis;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
}

// Joins what is known of the elements of shape-like inputs.
void join_ints(InferContext& context) {
  IntList joined;
  for (int i = 0; i < context.input_count(); ++i) {
    IntList part;
    if (!context.ints(i, part)) return;
    for (int k = 0; k < part.size(); ++k) {
      if (!joined.push_back(part[k])) return;
    }
  }
  context.output_ints(0, joined);
}

Status infer(InferContext& context) {
  Dims out = context.dims(0);
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, out.rank()));
  std::int64_t sum = 0;
  bool known = true;
  for (int i = 0; i < context.input_count(); ++i) {
    if (!context.has(i)) return fail(Code::kInvalid, "input {} is absent", i);
    TRY(context.expect_type(i, {context.type(0)}));
    TRY(context.expect_rank(i, out.rank(), out.rank()));
    for (int d = 0; d < out.rank(); ++d) {
      const Dim& dim = context.dims(i)[d];
      if (d == axis) {
        sum = std::min(kUnbounded, sum + dim.bound);
        known = known && dim.known();
      } else if (out[d].known() && dim.known() && !(out[d] == dim)) {
        return fail(Code::kInvalid, "inputs {} and {} differ in dimension {}", out.text(),
                    context.dims(i).text(), d);
      } else if (dim.known()) {
        out[d] = dim;
      }
    }
  }
  if (context.input_count() > 1) out[axis] = known ? Dim(sum) : context.new_dim(sum);
  context.output(0, context.type(0), out);
  if (out.rank() == 1) join_ints(context);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView& out = run.out(0);
  const int axis = *normal_axis(run.as<Params>().axis, out.shape.rank());
  const AxisSplit whole = split_at(out.shape, axis);
  const std::size_t size = size_of(out.type);
  const std::size_t row = std::size_t(whole.n * whole.inner) * size;
  std::byte* column = out.as<std::byte>();
  for (const TensorView& in : run.inputs) {
    const std::size_t part = std::size_t(in.shape[axis] * whole.inner) * size;
    if (part == 0) continue;
    for (std::int64_t o = 0; o < whole.outer; ++o) {
      std::memcpy(column + std::size_t(o) * row, in.as<std::byte>() + std::size_t(o) * part, part);
    }
    column += part;
  }
  return {};
}

Status from_tflite(ImportContext& node) {
  return node.finish_tflite_fused("Concat", node.inputs, {{"axis", node.attrs.integer("axis", 0)}});
}

// PACK: each input gets a new dimension, and these are joined.
Status pack(ImportContext& node) {
  const std::int64_t axis = node.attrs.integer("axis", 0);
  std::vector<ValueId> rows;
  for (const ValueId in : node.inputs) {
    TRY_VALUE(const ValueId row,
              node.emit("Unsqueeze", {in}, {{"axes", std::vector<std::int64_t>{axis}}}));
    rows.push_back(row);
  }
  return node.finish("Concat", rows, {{"axis", axis}});
}

std::vector<Sample> samples() {
  return {{"rows", {{.shape = {2, 5}}, {.shape = {3, 5}}}, {{"axis", std::int64_t(0)}}, {{5, 5}}},
          {"channels",
           {{.shape = {2, 3, 4, 5}}, {.shape = {2, 3, 4, 1}}, {.shape = {2, 3, 4, 16}}},
           {{"axis", std::int64_t(-1)}},
           {{2, 3, 4, 22}}},
          {"empty part", {{.shape = {2, 3}}, {.shape = {2, 0}}}, {{"axis", std::int64_t(1)}}},
          {"i64",
           {{DataType::kI64, {2}, {1, 2}, true}, {DataType::kI64, {1}, {3}, true}},
           {{"axis", std::int64_t(0)}},
           {{3}}},
          {"one", {{DataType::kF16, {4, 2}}}, {{"axis", std::int64_t(1)}}}};
}

constexpr OnnxRule kOnnx[] = {{"Concat"}};
constexpr TfliteRule kTflite[] = {{"CONCATENATION", from_tflite}, {"PACK", pack}};

}  // namespace

extern const OpDef def = {
    .name = "Concat",
    .max_inputs = kMany,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::concat
