#include "ops/pool.h"

#include <algorithm>

#include "kernel/table.h"

namespace polder::ops {

void parse_pool(AttrReader& attrs, PoolParams& p) {
  parse_window(attrs, p.window);
  p.kernel_count = attrs.integers("kernel_shape", p.kernel, 0, 1, 1 << 24);
  p.window.ceil_mode = attrs.flag("ceil_mode", false);
}

Status infer_pool(InferContext& context, std::initializer_list<DataType> types, Dims& out) {
  const PoolParams& p = context.params<PoolParams>();
  TRY(context.expect_type(0, types));
  TRY(context.expect_rank(0, 3, 2 + kMaxSpatial));
  const Dims& in = context.dims(0);
  if (p.kernel_count != in.rank() - 2) {
    return fail(Code::kInvalid, "kernel_shape has {} extents for input {}; {} expected",
                p.kernel_count, in.text(), in.rank() - 2);
  }
  out = {in[0]};
  TRY(infer_window(context, p.window, in, p.kernel, out));
  out.push_back(in[in.rank() - 1]);
  return {};
}

bool has_vector_pool(const NodeInfo& node) {
  const PoolParams& p = node.as<PoolParams>();
  return node.in(0).type == DataType::kF32 && node.outputs.size() == 1 &&
         fits_int(p.window, node.in(0).dims, node.outputs[0].dims, p.kernel);
}

Status vector_pool(const RunContext& run, kernel::PoolArgs::Mode mode) {
  const Shape& in = run.in(0).shape;
  if (run.out(0).shape.elements() == 0) return {};
  const Window win = window_of(run);
  kernel::PoolArgs args;
  args.mode = mode;
  args.in = run.in(0).as<float>();
  args.out = run.out(0).as<float>();
  args.batch = int(in[0]);
  args.channels = int(in[in.rank() - 1]);
  args.in_stride = args.out_stride = args.channels;
  const auto narrow = [](const std::int64_t(&from)[3], int(&to)[3]) {
    std::ranges::transform(from, to, [](std::int64_t x) { return int(x); });
  };
  narrow(win.in, args.in_dims);
  narrow(win.out, args.out_dims);
  narrow(win.kernel, args.kernel);
  narrow(win.stride, args.stride);
  narrow(win.dilation, args.dilation);
  narrow(win.pad_begin, args.pad_begin);
  narrow(win.pad_end, args.pad_end);
  kernel::run(run.parallel, run.kernels.pool, args);
  return {};
}

Result<Attrs> pool_from_onnx(const ImportContext& node) {
  TRY_VALUE(Attrs attrs, window_from_onnx(node));
  for (const std::string_view name : {"kernel_shape", "ceil_mode"}) {
    if (const AttrValue* value = node.attrs.find(name)) attrs.set(name, *value);
  }
  return attrs;
}

Result<Attrs> pool_from_tflite(const ImportContext& node) {
  TRY_VALUE(Attrs attrs, window_from_tflite(node));
  attrs.set("kernel_shape", std::vector<std::int64_t>{node.attrs.integer("filter_height", 1),
                                                      node.attrs.integer("filter_width", 1)});
  return attrs;
}

std::vector<Sample> pool_samples() {
  using Ints = std::vector<std::int64_t>;
  constexpr std::int64_t kOne = 1;
  return {
      {"2x2, stride 2",
       {{.shape = {1, 8, 6, 19}}},
       {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}},
       {{1, 4, 3, 19}}},
      {"3x3, stride 2, pad 1",
       {{.shape = {2, 9, 7, 16}}},
       {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}},
       {{2, 5, 4, 16}}},
      {"same, even kernel",
       {{.shape = {1, 7, 5, 3}}},
       {{"kernel_shape", Ints{2, 4}}, {"auto_pad", "same_lower"}}},
      {"ceil mode",
       {{.shape = {1, 8, 10, 5}}},
       {{"kernel_shape", Ints{3, 3}},
        {"strides", Ints{2, 3}},
        {"pads", Ints{0, 1, 0, 1}},
        {"ceil_mode", kOne}},
       {{1, 4, 4, 5}}},
      {"dilation 2",
       {{.shape = {1, 9, 9, 4}}},
       {{"kernel_shape", Ints{3, 2}}, {"dilations", Ints{2, 3}}},
       {{1, 5, 6, 4}}},
      {"1-D",
       {{.shape = {2, 30, 7}}},
       {{"kernel_shape", Ints{5}}, {"pads", Ints{2, 1}}},
       {{2, 29, 7}}},
      {"3-D",
       {{.shape = {1, 5, 6, 7, 3}}},
       {{"kernel_shape", Ints{2, 3, 2}}, {"strides", Ints{2, 1, 1}}},
       {{1, 2, 4, 6, 3}}},
      {"whole image", {{.shape = {1, 7, 7, 33}}}, {{"kernel_shape", Ints{7, 7}}}, {{1, 1, 1, 33}}}};
}

}  // namespace polder::ops
