// Gather: entries of the data at the positions that input 1 holds along attribute "axis"; the first
// "batch_dims" dimensions of both run in step. Negative positions count from the back.
#include <cstring>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::gather {
namespace {

struct Params {
  std::int64_t axis;
  int batch_dims;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.batch_dims = int(attrs.integer("batch_dims", 0, 0, kMaxRank - 1));
}

// Positions of shape-like values.
void pick_ints(InferContext& context) {
  IntList data, at, picked;
  if (context.rank(0) != 1 || !context.ints(0, data) || !context.ints(1, at)) return;
  for (int i = 0; i < at.size(); ++i) {
    const std::int64_t k = at[i].bound < 0 ? at[i].bound + data.size() : at[i].bound;
    if (!at[i].known() || k < 0 || k >= data.size()) return;
    picked.push_back(data[int(k)]);
  }
  context.output_ints(0, picked);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const Dims &data = context.dims(0), &at = context.dims(1);
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY_VALUE(const int axis, normal_axis(p.axis, data.rank()));
  if (p.batch_dims > axis || p.batch_dims > at.rank()) {
    return fail(Code::kInvalid, "{} batch dimensions; at most {}", p.batch_dims,
                std::min(axis, at.rank()));
  }
  for (int i = 0; i < p.batch_dims; ++i) {
    if (data[i].known() && at[i].known() && !(data[i] == at[i])) {
      return fail(Code::kInvalid, "batch dimension {} is {} and {}", i, data[i].bound, at[i].bound);
    }
  }
  if (data.rank() - 1 + at.rank() - p.batch_dims > kMaxRank) {
    return fail(Code::kUnsupported, "the output would have more than {} dimensions", kMaxRank);
  }
  Dims out;
  for (int i = 0; i < axis; ++i) out.push_back(data[i]);
  for (int i = p.batch_dims; i < at.rank(); ++i) out.push_back(at[i]);
  for (int i = axis + 1; i < data.rank(); ++i) out.push_back(data[i]);
  context.output(0, context.type(0), out);
  if (out.rank() <= 1) pick_ints(context);
  return {};
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &data = run.in(0), &at = run.in(1), &out = run.out(0);
  const int axis = *normal_axis(p.axis, data.shape.rank());
  const AxisSplit split = split_at(data.shape, axis);
  std::int64_t batches = 1;
  for (int i = 0; i < p.batch_dims; ++i) batches *= data.shape[i];
  if (out.shape.elements() == 0) return {};
  const std::int64_t rows = split.outer / batches;           // per batch
  const std::int64_t count = at.shape.elements() / batches;  // positions per batch
  const std::size_t bytes = std::size_t(split.inner) * size_of(data.type);
  std::byte* to = out.as<std::byte>();
  for (std::int64_t outer = 0; outer < split.outer; ++outer) {
    const std::byte* from = element(data, outer * split.n * split.inner);
    for (std::int64_t i = 0; i < count; ++i, to += bytes) {
      const std::int64_t position = int_at(at, outer / rows * count + i);
      const std::int64_t k = position < 0 ? position + split.n : position;
      if (k < 0 || k >= split.n) {
        return fail(Code::kInvalid, "Gather: index {} at {} is outside {}..{} of axis {}", position,
                    i, -split.n, split.n - 1, axis);
      }
      std::memcpy(to, from + std::size_t(k) * bytes, bytes);
    }
  }
  return {};
}

std::vector<Sample> samples() {
  const auto at = [](Shape shape, std::vector<double> v) {
    return SampleInput{DataType::kI64, shape, std::move(v)};
  };
  return {{"rows", {{.shape = {5, 3}}, at({2, 2}, {0, -1, 4, 2})}, {}, {{2, 2, 3}}},
          {"scalar", {{.shape = {4, 6}}, at({}, {-2})}, {{"axis", std::int64_t(1)}}, {{4}}},
          {"columns",
           {{.shape = {2, 3, 5}}, {DataType::kI32, {3}, {4, 0, 1}}},
           {{"axis", std::int64_t(-1)}},
           {{2, 3, 3}}},
          {"batch",
           {{.shape = {2, 3, 5}}, at({2, 2}, {0, 2, 1, 1})},
           {{"axis", std::int64_t(1)}, {"batch_dims", std::int64_t(1)}},
           {{2, 2, 5}}},
          {"ints", {{DataType::kI64, {4}, {7, 8, 9, 10}, true}, at({2}, {3, 0})}, {}, {{2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Gather"}};
constexpr TfliteRule kTflite[] = {{"GATHER"}};

}  // namespace

extern const OpDef def = {
    .name = "Gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::gather
