// Hardmax: 1 at the first largest element along attribute "axis", 0 elsewhere.
#include "ops/axes.h"
#include "ops/softmax.h"
#include "ops/types.h"

namespace polder::ops::hardmax {
namespace {

Status reference(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(run.as<SoftmaxParams>().axis, shape.rank()));
  dispatch(run.in(0).type, [&]<class T>() {
    for (std::int64_t row = 0; row < split.outer * split.inner; ++row) {
      const std::int64_t at = row / split.inner * split.n * split.inner + row % split.inner;
      const T* in = run.in(0).as<T>() + at;
      T* out = run.out(0).as<T>() + at;
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < split.n; ++j) {
        if (in[j * split.inner] > in[best * split.inner]) best = j;
      }
      for (std::int64_t j = 0; j < split.n; ++j) out[j * split.inner] = T(j == best);
    }
  });
  return {};
}

Status from_onnx(ImportContext& node) { return softmax_from_onnx(node, "Hardmax"); }

std::vector<Sample> samples() {
  return {{"last", {{.shape = {3, 7}}}},
          {"ties", {{.shape = {4}, .values = {1, 3, 3, 2}}}},
          {"middle", {{.shape = {2, 5, 3}}}, {{"axis", std::int64_t(1)}}}};
}

constexpr OnnxRule kOnnx[] = {{"Hardmax", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "Hardmax",
    .parse = parser<SoftmaxParams, parse_softmax>,
    .params_bytes = sizeof(SoftmaxParams),
    .infer = infer_softmax,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::hardmax
