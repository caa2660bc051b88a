// LRN: local response normalisation along one axis: x / (bias + alpha / size * sum of squares)^beta
// over the `size` elements around each.
#include <algorithm>
#include <cmath>

#include "ops/axes.h"
#include "ops/tools.h"

namespace polder::ops::lrn {
namespace {

struct Params {
  std::int64_t axis, size;
  double alpha, beta, bias;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 1, -kMaxRank, kMaxRank - 1);
  p.size = attrs.integer("size", 1, 1, kMaxElements);
  p.alpha = attrs.real("alpha", 1e-4);
  p.beta = attrs.real("beta", 0.75);
  p.bias = attrs.real("bias", 1);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, {DataType::kF32, DataType::kF64}));
  TRY(normal_axis(context.params<Params>().axis, context.rank(0)));
  context.output(0, context.type(0), context.dims(0));
  return {};
}

// One slice [n, inner] around the axis: the elements of an inner position, one after the other.
template <class T>
void normalise(const Params& p, const AxisSplit& split, const T* in, T* out) {
  const std::int64_t before = (p.size - 1) / 2, after = p.size / 2;
  for (std::int64_t i = 0; i < split.inner; ++i) {
    for (std::int64_t j = 0; j < split.n; ++j) {
      const std::int64_t first = j > before ? j - before : 0;
      const std::int64_t last = std::min(split.n - 1, after < split.n ? j + after : split.n);
      double sum = 0;
      for (std::int64_t k = first; k <= last; ++k) {
        const double x = double(in[k * split.inner + i]);
        sum += x * x;
      }
      const double scale = std::pow(p.bias + p.alpha / double(p.size) * sum, p.beta);
      out[j * split.inner + i] = T(double(in[j * split.inner + i]) / scale);
    }
  }
}

template <class T>
void reference_of(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(p.axis, shape.rank()));
  for (std::int64_t o = 0; o < split.outer; ++o) {
    const std::int64_t offset = o * split.n * split.inner;
    normalise(p, split, run.in(0).as<T>() + offset, run.out(0).as<T>() + offset);
  }
}

Status reference(const RunContext& run) {
  if (run.in(0).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

// TFLite has a radius, and does not divide alpha by the size.
Status from_tflite(ImportContext& node) {
  const std::int64_t radius = node.attrs.integer("radius", 5);
  if (radius < 0 || radius > kMaxElements / 4) return fail(Code::kInvalid, "radius {}", radius);
  const std::int64_t size = 2 * radius + 1;
  return node.finish("LRN", {node.in(0)},
                     {{"axis", std::int64_t(-1)},
                      {"size", size},
                      {"alpha", node.attrs.real("alpha", 1) * double(size)},
                      {"beta", node.attrs.real("beta", 0.5)},
                      {"bias", node.attrs.real("bias", 1)}});
}

// Of the sums alone.
double macs(const NodeInfo& node) {
  const Params& p = node.as<Params>();
  const Shape shape = node.in(0).dims.bounds();
  const AxisSplit split = split_at(shape, *normal_axis(p.axis, shape.rank()));
  return double(shape.elements()) * double(std::min(p.size, split.n));
}

std::vector<Sample> samples() {
  return {{"channel-first",
           {{.shape = {2, 7, 3, 4}}},
           {{"size", std::int64_t(3)}, {"alpha", 0.5}, {"beta", 0.5}, {"bias", 2.0}}},
          {"channel-last, even size, wider than the axis",
           {{.shape = {2, 5, 6}}},
           {{"axis", std::int64_t(-1)}, {"size", std::int64_t(20)}}}};
}

constexpr OnnxRule kOnnx[] = {{"LRN"}};
constexpr TfliteRule kTflite[] = {{"LOCAL_RESPONSE_NORMALIZATION", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "LRN",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis, .macs = macs};

}  // namespace polder::ops::lrn
