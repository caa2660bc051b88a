// MaxPool: the largest element of each window of [N, spatial..., C], NaN where one is. Its optional
// second output tells where each was found: the index into the flat input as ONNX lays it out, [N,
// C, spatial...], or with "column_major" with the first spatial axis counted fastest.
#include <limits>

#include "ops/nan.h"
#include "ops/pool.h"
#include "ops/types.h"

namespace polder::ops::max_pool {
namespace {

void parse(AttrReader& attrs, PoolParams& p) {
  parse_pool(attrs, p);
  p.column_major = attrs.flag("column_major", false);
}

Status infer(InferContext& context) {
  Dims out;
  TRY(infer_pool(context,
                 {DataType::kF32, DataType::kF64, DataType::kI8, DataType::kU8, DataType::kI16,
                  DataType::kI32, DataType::kI64},
                 out));
  context.output(0, context.type(0), out);
  context.output(1, DataType::kI64, out);
  return {};
}

template <class T>
void reference_of(const RunContext& run) {
  const Window win = window_of(run);
  const Shape& shape = run.in(0).shape;
  const std::int64_t channels = shape[shape.rank() - 1];
  const bool indexed = run.outputs.size() > 1 && run.out(1).data;
  const bool column_major = run.as<PoolParams>().column_major;
  for_each_window<T>(
      run, win, [&](std::int64_t i, std::int64_t image, const T* in, const auto& at) {
        T best = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                      : std::numeric_limits<T>::lowest();
        std::int64_t found = -1;
        for_each_inside(win, at, [&](std::int64_t z, std::int64_t y, std::int64_t x) {
          const T value = in[((z * win.in[1] + y) * win.in[2] + x) * channels];
          if (found >= 0 && (not_a_number(best) || !(value > best || not_a_number(value)))) return;
          best = value;
          found = column_major ? z + win.in[0] * (y + win.in[1] * x)
                               : (z * win.in[1] + y) * win.in[2] + x;
        });
        run.out(0).as<T>()[i] = best;
        if (!indexed) return;
        const std::int64_t plane = image * channels + i % channels;
        run.out(1).as<std::int64_t>()[i] = found < 0 ? -1 : plane * win.in_pixels() + found;
      });
}

Status reference(const RunContext& run) {
  dispatch(run.in(0).type, [&]<class T>() { reference_of<T>(run); });
  return {};
}

Status vector(const RunContext& run) { return vector_pool(run, kernel::PoolArgs::Mode::kMax); }

Choice choose(const NodeInfo& node) {
  if (!has_vector_pool(node)) return {};
  return {.kernel = vector, .name = "pool"};
}

Status from_onnx(ImportContext& node) {
  TRY_VALUE(Attrs attrs, pool_from_onnx(node));
  if (node.attrs.integer("storage_order", 0)) attrs.set("column_major", std::int64_t(1));
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  if (node.outputs.size() < 2 || node.outputs[1] == kNoValue) {
    TRY_VALUE(const ValueId y, node.emit("MaxPool", {x}, std::move(attrs)));
    return node.finish_channels_first(y);
  }
  const ValueId y = node.graph.add_value(node.node_name + "/values");
  const ValueId indices = node.graph.add_value(node.node_name + "/indices");
  TRY(node.finish("MaxPool", {x}, std::move(attrs), {y, indices}));
  const ValueId second = node.outputs[1];
  if (node.outputs[0] != kNoValue) TRY(node.finish_channels_first(y));
  node.outputs = {second};
  return node.finish_channels_first(indices);
}

Status from_tflite(ImportContext& node) {
  TRY_VALUE(Attrs attrs, pool_from_tflite(node));
  return node.finish_tflite_fused("MaxPool", {node.in(0)}, std::move(attrs));
}

// Global pools reduce all spatial axes.
Status from_onnx_global(ImportContext& node) {
  std::vector<std::int64_t> axes;
  for (int axis = 2; axis < node.rank(0); ++axis) axes.push_back(axis);
  return node.finish("ReduceMax", {node.in(0)}, {{"axes", axes}, {"keepdims", std::int64_t(1)}});
}

std::vector<Sample> samples() {
  std::vector<Sample> all = pool_samples();
  using Ints = std::vector<std::int64_t>;
  const Attrs attrs = {{"kernel_shape", Ints{3, 2}}, {"pads", Ints{1, 0, 1, 1}}};
  all.push_back({"indices", {{.shape = {2, 5, 6, 3}}}, attrs, {{2, 5, 6, 3}, {2, 5, 6, 3}}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  all.push_back({"nan", {{.shape = {1, 5, 6, 3}, .values = {nan, 1, 2, 3, nan}}}, attrs});
  all.push_back({"u8", {{DataType::kU8, {1, 6, 5, 3}, {}, false, 0, 255}}, attrs});
  return all;
}

constexpr OnnxRule kOnnx[] = {{"MaxPool", from_onnx}, {"GlobalMaxPool", from_onnx_global}};
constexpr TfliteRule kTflite[] = {{"MAX_POOL_2D", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "MaxPool",
    .max_outputs = 2,
    .parse = parser<PoolParams, parse>,
    .params_bytes = sizeof(PoolParams),
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .optional_outputs = 0b10,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::max_pool
