// LpNormalization: x divided by its norm of order "p" (1 or 2) along attribute "axis"; a norm below
// "epsilon" counts as that, and nothing is divided by 0.
#include <algorithm>
#include <cmath>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::lp_normalization {
namespace {

struct Params {
  std::int64_t axis;
  std::int64_t order;
  double epsilon;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", -1, -kMaxRank, kMaxRank - 1);
  p.order = attrs.integer("p", 2, 1, 2);
  p.epsilon = attrs.real("epsilon", 0, 0);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY_VALUE([[maybe_unused]] const int axis,
            normal_axis(context.params<Params>().axis, context.rank(0)));
  context.output(0, context.type(0), context.dims(0));
  return {};
}

template <class T>
void normalise(const Params& p, const T* x, T* y, std::int64_t n, std::int64_t step) {
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const double value = double(x[j * step]);
    sum += p.order == 1 ? std::abs(value) : value * value;
  }
  const double norm = std::max(p.order == 1 ? sum : std::sqrt(sum), p.epsilon);
  for (std::int64_t j = 0; j < n; ++j)
    y[j * step] = norm > 0 ? T(double(x[j * step]) / norm) : T(0);
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(p.axis, shape.rank()));
  dispatch(run.in(0).type, [&]<class T>() {
    for_each_line(split, [&](std::int64_t at) {
      normalise(p, run.in(0).as<T>() + at, run.out(0).as<T>() + at, split.n, split.inner);
    });
  });
  return {};
}

Status from_tflite(ImportContext& node) {
  return node.finish_tflite_fused("LpNormalization", node.inputs, {{"epsilon", 1e-6}});
}

std::vector<Sample> samples() {
  return {{"l2", {{.shape = {3, 7}}}},
          {"l1", {{.shape = {3, 4, 5}}}, {{"axis", std::int64_t(1)}, {"p", std::int64_t(1)}}},
          {"zeros", {{.shape = {3}, .values = {0, 0, 0}}}}};
}

constexpr OnnxRule kOnnx[] = {{"LpNormalization"}};
constexpr TfliteRule kTflite[] = {{"L2_NORMALIZATION", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "LpNormalization",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::lp_normalization
