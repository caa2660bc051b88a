// AveragePool: the mean of each window of [N, spatial..., C], over the elements inside the input,
// or with "count_include_pad" inside the input and its pads (which are zero); or with "sum" their
// sum.
#include "ops/pool.h"
#include "ops/types.h"

namespace polder::ops::average_pool {
namespace {

void parse(AttrReader& attrs, PoolParams& p) {
  parse_pool(attrs, p);
  p.count_include_pad = attrs.flag("count_include_pad", false);
  p.sum = attrs.flag("sum", false);
}

Status infer(InferContext& context) {
  Dims out;
  TRY(infer_pool(context, {DataType::kF32, DataType::kF64}, out));
  context.output(0, context.type(0), out);
  return {};
}

// The places of the window at `at` that lie in the input or its pads.
double places(const Window& win, const std::int64_t (&at)[3]) {
  double count = 1;
  for (int axis = 0; axis < 3; ++axis) {
    const std::int64_t end = win.in[axis] + win.pad_end[axis];
    count *= double(win.taps(axis, at[axis], -win.pad_begin[axis], end).size());
  }
  return count;
}

template <class T>
void reference_of(const RunContext& run) {
  const Window win = window_of(run);
  const Shape& shape = run.in(0).shape;
  const std::int64_t channels = shape[shape.rank() - 1];
  const auto& params = run.as<PoolParams>();
  for_each_window<T>(run, win, [&](std::int64_t i, std::int64_t, const T* in, const auto& at) {
    double sum = 0;
    double count = 0;
    for_each_inside(win, at, [&](std::int64_t z, std::int64_t y, std::int64_t x) {
      sum += double(in[((z * win.in[1] + y) * win.in[2] + x) * channels]);
      ++count;
    });
    if (params.count_include_pad) count = places(win, at);
    if (params.sum) count = 1;
    run.out(0).as<T>()[i] = T(count > 0 ? sum / count : 0);
  });
}

Status reference(const RunContext& run) {
  if (run.in(0).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

Status vector(const RunContext& run) {
  using Mode = kernel::PoolArgs::Mode;
  const auto& params = run.as<PoolParams>();
  if (params.sum) return vector_pool(run, Mode::kSum);
  return vector_pool(run, params.count_include_pad ? Mode::kAverageWithPad : Mode::kAverage);
}

Choice choose(const NodeInfo& node) {
  if (!has_vector_pool(node)) return {};
  return {.kernel = vector, .name = "pool"};
}

Status from_onnx(ImportContext& node) {
  TRY_VALUE(Attrs attrs, pool_from_onnx(node));
  attrs.set("count_include_pad", node.attrs.integer("count_include_pad", 0));
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId y, node.emit("AveragePool", {x}, std::move(attrs)));
  return node.finish_channels_first(y);
}

// LpPool: (sum of |x|^p)^(1/p).
Status from_onnx_lp(ImportContext& node) {
  TRY_VALUE(Attrs attrs, pool_from_onnx(node));
  const double p = double(node.attrs.integer("p", 2));
  attrs.set("sum", std::int64_t(1));
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId size, node.emit("Abs", {x}));
  TRY_VALUE(const ValueId power, node.emit("Pow", {size, node.scalar_f32(float(p))}));
  TRY_VALUE(const ValueId sum, node.emit("AveragePool", {power}, std::move(attrs)));
  TRY_VALUE(const ValueId root, node.emit("Pow", {sum, node.scalar_f32(float(1 / p))}));
  return node.finish_channels_first(root);
}

Status from_tflite(ImportContext& node) {
  TRY_VALUE(Attrs attrs, pool_from_tflite(node));
  return node.finish_tflite_fused("AveragePool", {node.in(0)}, std::move(attrs));
}

Status from_onnx_global(ImportContext& node) {
  std::vector<std::int64_t> axes;
  for (int axis = 2; axis < node.rank(0); ++axis) axes.push_back(axis);
  return node.finish("ReduceMean", {node.in(0)}, {{"axes", axes}, {"keepdims", std::int64_t(1)}});
}

std::vector<Sample> samples() {
  std::vector<Sample> all = pool_samples();
  for (const Sample& sample : pool_samples()) {
    for (const char* what : {"count_include_pad", "sum"}) {
      Sample other = sample;
      other.name += std::string(", ") + what;
      other.attrs.set(what, std::int64_t(1));
      all.push_back(std::move(other));
    }
  }
  return all;
}

constexpr OnnxRule kOnnx[] = {
    {"AveragePool", from_onnx}, {"GlobalAveragePool", from_onnx_global}, {"LpPool", from_onnx_lp}};
constexpr TfliteRule kTflite[] = {{"AVERAGE_POOL_2D", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "AveragePool",
    .parse = parser<PoolParams, parse>,
    .params_bytes = sizeof(PoolParams),
    .infer = infer,
    .reference = reference,
    .choose = choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::average_pool
