// SpaceToDepth on [batch, height, width, channels]: blocks of pixels become channels; the place in
// the block is the channel's leading digits.
#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::space_to_depth {
namespace {

struct Params {
  std::int64_t block;
};

void parse(AttrReader& attrs, Params& p) { p.block = attrs.integer("blocksize", 1, 1, 1 << 16); }

Status infer(InferContext& context) {
  TRY(context.expect_rank(0, 4, 4));
  const std::int64_t block = context.params<Params>().block;
  Dims dims = context.dims(0);
  for (const int axis : {1, 2}) {
    if (block == 1) break;
    if (dims[axis].known() && dims[axis].bound % block != 0) {
      return fail(Code::kInvalid, "{} does not divide into blocks of {} x {}", dims.text(), block,
                  block);
    }
    const std::int64_t extent = dims[axis].bound / block;
    dims[axis] = dims[axis].known() ? Dim(extent) : context.new_dim(extent);
  }
  const std::int64_t channels = std::min(kUnbounded, dims[3].bound) * block;
  if (channels > kMaxElements) return fail(Code::kExhausted, "{} channels", dims[3].bound);
  if (block > 1) {
    dims[3] = dims[3].known() ? Dim(channels * block) : context.new_dim(channels * block);
  }
  context.output(0, context.type(0), dims);
  return {};
}

// out[n, h, w, i, j, c] = in[n, h * block + i, w * block + j, c]
StridedCopy plan_copy(const RunContext& run) {
  const std::int64_t block = run.as<Params>().block;
  const TensorView &in = run.in(0), &out = run.out(0);
  const auto from = dense_strides(in.shape);
  StridedCopy copy{.in = in.data, .out = out.data, .type = in.type};
  copy.dims = {out.shape[0], out.shape[1], out.shape[2], block, block, in.shape[3]};
  copy.strides = {from[0], from[1] * block, from[2] * block, from[1], from[2], 1};
  return copy;
}

using Copy = StridedKernels<plan_copy>;

Status from_onnx(ImportContext& node) {
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId y, node.emit("SpaceToDepth", {x}, node.attrs));
  return node.finish_channels_first(y);
}

Status from_tflite(ImportContext& node) {
  return node.finish("SpaceToDepth", node.inputs,
                     {{"blocksize", node.attrs.integer("block_size", 1)}});
}

std::vector<Sample> samples() {
  return {
      {"two", {{.shape = {2, 4, 6, 3}}}, {{"blocksize", std::int64_t(2)}}, {{2, 2, 3, 12}}},
      {"three", {{DataType::kU8, {1, 3, 6, 1}}}, {{"blocksize", std::int64_t(3)}}, {{1, 1, 2, 9}}}};
}

constexpr OnnxRule kOnnx[] = {{"SpaceToDepth", from_onnx}};
constexpr TfliteRule kTflite[] = {{"SPACE_TO_DEPTH", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "SpaceToDepth",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = Copy::reference,
    .choose = Copy::choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::space_to_depth
