// Where: elements of input 1 where input 0 is true, of input 2 elsewhere; all are broadcast.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::where {
namespace {

// Chains that compute shapes choose between known numbers.
void pick_ints(InferContext& context) {
  IntList condition, x, y, out;
  const ValueInfo& input = context.input(0);
  if (!context.ints(0, condition)) {
    if (!input.constant() || input.dims.rank() > 1 || !input.dims.known()) return;
    for (std::int64_t i = 0; i < input.dims.max_elements(); ++i) {
      if (!condition.push_back(static_cast<const std::uint8_t*>(input.data)[i])) return;
    }
  }
  if (!context.ints(1, x) || !context.ints(2, y)) return;
  const int count = std::max({condition.size(), x.size(), y.size()});
  for (const IntList* list : {&condition, &x, &y}) {
    if (list->size() != count && list->size() != 1) return;
  }
  const auto at = [](const IntList& list, int i) { return list[list.size() == 1 ? 0 : i]; };
  for (int i = 0; i < count; ++i) {
    if (!at(condition, i).known()) return;
    out.push_back(at(condition, i).bound ? at(x, i) : at(y, i));
  }
  context.output_ints(0, out);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kBool}));
  TRY(context.expect_type(2, {context.type(1)}));
  Dims dims;
  TRY(broadcast_dims(context, 0, 3, dims));
  context.output(0, context.type(1), dims);
  if (dims.rank() <= 1) pick_ints(context);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView& out = run.out(0);
  std::array<std::array<std::int64_t, kMaxRank>, 3> strides;
  for (int i = 0; i < 3; ++i) {
    strides[std::size_t(i)] = broadcast_strides(run.in(i).shape, out.shape);
  }
  const std::uint8_t* condition = run.in(0).as<std::uint8_t>();
  dispatch_size(out.type, [&]<class T>() {
    for_each_broadcast(
        out.shape, strides, [&](std::int64_t i, const std::array<std::int64_t, 3>& at) {
          out.as<T>()[i] = condition[at[0]] ? run.in(1).as<T>()[at[1]] : run.in(2).as<T>()[at[2]];
        });
  });
  return {};
}

// SELECT: a vector of conditions chooses whole rows.
Status select(ImportContext& node) {
  if (!node.has(1)) return fail(Code::kInvalid, "input 1 is required");
  if (node.rank(0) != 1 || node.rank(1) <= 1) return node.finish("Where", node.inputs);
  std::vector<std::int64_t> axes;
  for (int axis = 1; axis < node.rank(1); ++axis) axes.push_back(axis);
  TRY_VALUE(const ValueId rows, node.emit("Unsqueeze", {node.in(0)}, {{"axes", axes}}));
  return node.finish("Where", {rows, node.in(1), node.in(2)});
}

Status select_v2(ImportContext& node) { return node.finish("Where", node.inputs); }

std::vector<Sample> samples() {
  return {{"same shape", {{DataType::kBool, {3, 5}}, {.shape = {3, 5}}, {.shape = {3, 5}}}},
          {"broadcast",
           {{DataType::kBool, {4, 1}},
            {DataType::kI64, {3, 1, 5}, {}, false, -9, 9},
            {DataType::kI64, {}, {7}}},
           {},
           {{3, 4, 5}}},
          {"f16", {{DataType::kBool, {6}}, {DataType::kF16, {6}}, {DataType::kF16, {1}}}}};
}

constexpr OnnxRule kOnnx[] = {{"Where"}};
constexpr TfliteRule kTflite[] = {{"SELECT", select}, {"SELECT_V2", select_v2}};

}  // namespace

extern const OpDef def = {
    .name = "Where",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::where
