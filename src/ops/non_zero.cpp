// NonZero: the positions of all elements that are not 0 (or false), one row for each axis.
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::non_zero {
namespace {

Status infer(InferContext& context) {
  if (context.type(0) == DataType::kF16 || context.type(0) == DataType::kBF16) {
    return fail(Code::kUnsupported, "input 0 is {}", type_name(context.type(0)));
  }
  const Dims& in = context.dims(0);
  const std::int64_t most = std::min(in.max_elements(), kUnbounded);
  // A scalar counts as a vector of one.
  context.output(0, DataType::kI64, {std::max(in.rank(), 1), context.new_dim(most)});
  return {};
}

template <class T>
std::int64_t count_of(const TensorView& in) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < in.shape.elements(); ++i) count += in.as<T>()[i] != T(0);
  return count;
}

Status reference(const RunContext& run) {
  const TensorView& in = run.in(0);
  TensorView& out = run.out(0);
  dispatch(in.type, [&]<class T>() {
    const std::int64_t count = count_of<T>(in);
    out.shape = {out.shape[0], count};
    std::int64_t position[kMaxRank] = {}, found = 0;
    for (std::int64_t i = 0; i < in.shape.elements(); ++i) {
      if (in.as<T>()[i] != T(0)) {
        for (std::int64_t axis = 0; axis < out.shape[0]; ++axis) {
          out.as<std::int64_t>()[axis * count + found] = position[axis];
        }
        ++found;
      }
      int axis = in.shape.rank() - 1;
      for (; axis >= 0 && ++position[axis] == in.shape[axis]; --axis) position[axis] = 0;
    }
  });
  return {};
}

// WHERE: one row for each position.
Status from_tflite(ImportContext& node) {
  TRY_VALUE(const ValueId positions, node.emit("NonZero", {node.in(0)}));
  return node.finish("Transpose", {positions}, {{"perm", std::vector<std::int64_t>{1, 0}}});
}

std::vector<Sample> samples() {
  return {
      {"i32", {{DataType::kI32, {3, 4}, {0, 1, 0, -1, 0, 0, 0, 2, 3, 0, 0, -4}}}, {}, {{2, 5}}},
      {"bool", {{DataType::kBool, {2, 2, 3}, {1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0}}}, {}, {{3, 4}}},
      {"none", {{.shape = {2, 2}, .values = {0, 0, 0, 0}}}, {}, {{2, 0}}},
      {"scalar", {{.shape = {}, .values = {3}}}, {}, {{1, 1}}}};
}

constexpr OnnxRule kOnnx[] = {{"NonZero"}};
constexpr TfliteRule kTflite[] = {{"WHERE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "NonZero",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
    .finds_extents = true,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::non_zero
