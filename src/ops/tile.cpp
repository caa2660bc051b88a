// Tile: the data repeated along each axis as often as input 1 says.
#include <cstring>

#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::tile {
namespace {

Status infer(InferContext& context) {
  TRY(context.expect_type(1, kIndexTypes));
  IntList repeats;
  TRY(need_ints(context, 1, repeats));
  Dims out = context.dims(0);
  if (repeats.size() != out.rank()) {
    return fail(Code::kInvalid, "{} repeats for {} axes", repeats.size(), out.rank());
  }
  for (int axis = 0; axis < out.rank(); ++axis) {
    const Dim& times = repeats[axis];
    if (times.bound < 0) return fail(Code::kInvalid, "{} repeats", times.bound);
    if (times.is(1)) continue;
    std::int64_t bound = 0;
    if (__builtin_mul_overflow(out[axis].bound, times.bound, &bound)) bound = kUnbounded;
    out[axis] = out[axis].known() && times.known() ? Dim(bound) : context.new_dim(bound);
  }
  context.output(0, context.type(0), out);
  return {};
}

// Row by row: a row of the output is the input's, copied and repeated.
Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &out = run.out(0);
  if (out.shape.elements() == 0) return {};
  const int last = in.shape.rank() - 1;
  if (last < 0) return copy_whole(run);
  const auto strides = dense_strides(in.shape);
  const std::int64_t row = in.shape[last], out_row = out.shape[last];
  const std::size_t bytes = std::size_t(row) * size_of(in.type);
  std::int64_t position[kMaxRank] = {};
  for (std::int64_t r = 0; r < out.shape.elements() / out_row; ++r) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < last; ++axis) {
      offset += position[axis] % in.shape[axis] * strides[std::size_t(axis)];
    }
    std::byte* to = mutable_element(out, r * out_row);
    for (std::int64_t k = 0; k < out_row; k += row, to += bytes) {
      std::memcpy(to, element(in, offset), bytes);
    }
    for (int axis = last - 1; axis >= 0 && ++position[axis] == out.shape[axis]; --axis) {
      position[axis] = 0;
    }
  }
  return {};
}

std::vector<Sample> samples() {
  const auto repeats = [](std::vector<double> v) {
    const std::int64_t count = std::int64_t(v.size());
    return SampleInput{DataType::kI64, {count}, std::move(v)};
  };
  return {{"f32", {{.shape = {2, 3, 5}}, repeats({2, 1, 3})}, {}, {{4, 3, 15}}, Known::kAll},
          {"u8", {{DataType::kU8, {4}, {}, false, 0, 255}, repeats({5})}, {}, {{20}}, Known::kAll},
          {"none", {{.shape = {2, 3}}, repeats({1, 0})}, {}, {{2, 0}}, Known::kAll}};
}

constexpr OnnxRule kOnnx[] = {{"Tile"}};
constexpr TfliteRule kTflite[] = {{"TILE"}};

}  // namespace

extern const OpDef def = {
    .name = "Tile",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::tile
