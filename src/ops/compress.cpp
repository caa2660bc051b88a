// Compress: the entries along attribute "axis" (of the flat data without it) whose condition in
// input 1 is true; those beyond the conditions are dropped.
#include <cstring>

#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::compress {
namespace {

struct Params {
  std::int64_t axis;
  bool flat;
};

void parse(AttrReader& attrs, Params& p) {
  p.flat = !attrs.has("axis");
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(1, {DataType::kBool}));
  TRY(context.expect_rank(1, 1, 1));
  Dims dims = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(p.axis, dims.rank()));
  if (p.flat || dims.rank() == 0) dims = {product_dim(context, dims, 0, dims.rank())};
  const int along = p.flat ? 0 : axis;
  dims[along] = context.new_dim(std::min(dims[along].bound, context.dims(1)[0].bound));
  context.output(0, context.type(0), dims);
  return {};
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &in = run.in(0), &conditions = run.in(1);
  TensorView& out = run.out(0);
  const int axis = p.flat ? 0 : *normal_axis(p.axis, in.shape.rank());
  const AxisSplit split = p.flat ? AxisSplit{1, in.shape.elements(), 1} : split_at(in.shape, axis);
  const std::int64_t n = std::min(split.n, conditions.shape[0]);
  const std::size_t bytes = std::size_t(split.inner) * size_of(in.type);
  std::byte* to = out.as<std::byte>();
  std::int64_t kept = 0;
  for (std::int64_t j = 0; j < n; ++j) kept += conditions.as<std::uint8_t>()[j] != 0;
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t j = 0; j < n; ++j) {
      if (!conditions.as<std::uint8_t>()[j]) continue;
      std::memcpy(to, element(in, (o * split.n + j) * split.inner), bytes);
      to += bytes;
    }
  }
  out.shape[axis] = kept;
  return {};
}

std::vector<Sample> samples() {
  const SampleInput conditions = {DataType::kBool, {3}, {0, 1, 1}};
  return {{"rows", {{.shape = {4, 2}}, conditions}, {{"axis", std::int64_t(0)}}, {{2, 2}}},
          {"columns", {{.shape = {2, 3}}, conditions}, {{"axis", std::int64_t(-1)}}, {{2, 2}}},
          {"flat", {{DataType::kI64, {2, 3}, {}, false, 0, 9}, conditions}, {}, {{2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Compress"}};

}  // namespace

extern const OpDef def = {
    .name = "Compress",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .finds_extents = true,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::compress
