// Trilu: the upper (attribute "upper") or lower triangle of each matrix, from the diagonal that
// input 1 moves (positive: to the right); zeros elsewhere.
#include <cstring>

#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::trilu {
namespace {

struct Params {
  bool upper;
};

void parse(AttrReader& attrs, Params& p) { p.upper = attrs.flag("upper", true); }

Status infer(InferContext& context) {
  TRY(context.expect_rank(0, 2, kMaxRank));
  if (context.has(1)) {
    TRY(context.expect_type(1, {DataType::kI64}));
    if (context.dims(1).known() && context.dims(1).max_elements() != 1) {
      return fail(Code::kInvalid, "input 1 is {}; one number expected", context.dims(1).text());
    }
  }
  context.output(0, context.type(0), context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &in = run.in(0), &out = run.out(0);
  const Shape& shape = in.shape;
  const std::int64_t width = shape[shape.rank() - 1], height = shape[shape.rank() - 2];
  if (shape.elements() == 0) return {};
  const std::int64_t shift = run.has(1) ? int_at(run.in(1), 0) : 0;
  const std::int64_t diagonal = std::clamp(shift, -height - 1, width + 1);
  const std::size_t size = size_of(in.type);
  for (std::int64_t row = 0; row < shape.elements() / width; ++row) {
    const std::int64_t edge =
        std::clamp<std::int64_t>(row % height + diagonal + !run.as<Params>().upper, 0, width);
    const std::int64_t first = run.as<Params>().upper ? edge : 0;
    const std::int64_t last = run.as<Params>().upper ? width : edge;
    std::byte* to = mutable_element(out, row * width);
    std::memset(to, 0, std::size_t(first) * size);
    std::memmove(to + std::size_t(first) * size, element(in, row * width + first),
                 std::size_t(last - first) * size);
    std::memset(to + std::size_t(last) * size, 0, std::size_t(width - last) * size);
  }
  return {};
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {2, 4, 5}};
  const SampleInput k = {DataType::kI64, {}, {1}};
  return {{"upper", {x, k}},
          {"lower", {x, {DataType::kI64, {}, {-2}}}, {{"upper", std::int64_t(0)}}},
          {"far", {x, {DataType::kI64, {}, {99}}}, {{"upper", std::int64_t(0)}}},
          {"i64", {{DataType::kI64, {3, 3}, {}, false, 1, 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"Trilu"}};

}  // namespace

extern const OpDef def = {
    .name = "Trilu",
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::trilu
