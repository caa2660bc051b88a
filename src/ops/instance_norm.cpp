// InstanceNorm: (x - mean) / sqrt(variance + epsilon) * scale + bias, with statistics of each
// channel of each batch entry of x [batch, channels, ...].
#include <algorithm>
#include <cmath>

#include "kernel/table.h"
#include "ops/axes.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::instance_norm {
namespace {

struct Params {
  double epsilon;
};

void parse(AttrReader& attrs, Params& p) { p.epsilon = attrs.real("epsilon", 1e-5, 0); }

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY(context.expect_rank(0, 2, kMaxRank));
  const Dims& x = context.dims(0);
  for (int i = 1; i < 3; ++i) {
    TRY(context.expect_type(i, {context.type(0)}));
    TRY(context.expect_rank(i, 1, 1));
    const Dim& dim = context.dims(i)[0];
    if (dim.known() && x[1].known() && !(dim == x[1])) {
      return fail(Code::kInvalid, "input {} has {} elements; {} channels expected", i, dim.bound,
                  x[1].bound);
    }
  }
  context.output(0, context.type(0), x);
  return {};
}

template <class T>
void normalise(const RunContext& run, const AxisSplit& split) {
  const double epsilon = run.as<Params>().epsilon, n = double(split.inner);
  for (std::int64_t row = 0; row < split.outer * split.n; ++row) {
    const T* x = run.in(0).as<T>() + row * split.inner;
    T* y = run.out(0).as<T>() + row * split.inner;
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < split.inner; ++i) mean += double(x[i]) / n;
    for (std::int64_t i = 0; i < split.inner; ++i) {
      variance += (double(x[i]) - mean) * (double(x[i]) - mean) / n;
    }
    const double factor = double(run.in(1).as<T>()[row % split.n]) / std::sqrt(variance + epsilon);
    const double shift = double(run.in(2).as<T>()[row % split.n]) - mean * factor;
    for (std::int64_t i = 0; i < split.inner; ++i) y[i] = T(double(x[i]) * factor + shift);
  }
}

Status reference(const RunContext& run) {
  const AxisSplit split = split_at(run.in(0).shape, 1);
  if (run.in(0).type == DataType::kF32) normalise<float>(run, split);
  else normalise<double>(run, split);
  return {};
}

std::vector<Sample> samples() {
  return {
      {"image", {{.shape = {2, 3, 4, 5}}, {.shape = {3}}, {.shape = {3}}}},
      {"sequence", {{.shape = {1, 2, 33}}, {.shape = {2}}, {.shape = {2}}}, {{"epsilon", 0.01}}}};
}

constexpr OnnxRule kOnnx[] = {{"InstanceNormalization"}};

}  // namespace

extern const OpDef def = {
    .name = "InstanceNorm",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::instance_norm
