// DepthToSpace on [batch, height, width, channels]: channels become blocks of pixels. In mode DCR
// the block's rows and columns are the channel's leading digits, in CRD its trailing ones.
#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::depth_to_space {
namespace {

struct Params {
  std::int64_t block;
  bool crd;
};

void parse(AttrReader& attrs, Params& p) {
  static constexpr std::string_view kModes[] = {"DCR", "CRD"};
  p.block = attrs.integer("blocksize", 1, 1, 1 << 16);
  p.crd = attrs.choice("mode", kModes, 0) == 1;
}

Status infer(InferContext& context) {
  TRY(context.expect_rank(0, 4, 4));
  const std::int64_t block = context.params<Params>().block;
  Dims dims = context.dims(0);
  if (!dims[3].known() || dims[3].bound % (block * block) != 0) {
    return fail(Code::kInvalid, "{} channels do not divide into blocks of {} x {}", dims[3].bound,
                block, block);
  }
  dims[3] = dims[3].bound / (block * block);
  for (const int axis : {1, 2}) {
    if (block == 1) break;
    const std::int64_t extent = std::min(kUnbounded, dims[axis].bound) * block;
    dims[axis] = dims[axis].known() ? Dim(extent) : context.new_dim(extent);
  }
  context.output(0, context.type(0), dims);
  return {};
}

// out[n, h, i, w, j, c] = in[n, h, w, channel of (i, j, c)]
StridedCopy plan_copy(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &in = run.in(0), &out = run.out(0);
  const std::int64_t block = p.block, channels = out.shape[3];
  const auto from = dense_strides(in.shape);
  StridedCopy copy{.in = in.data, .out = out.data, .type = in.type};
  copy.dims = {in.shape[0], in.shape[1], block, in.shape[2], block, channels};
  copy.strides = {from[0],
                  from[1],
                  p.crd ? block : block * channels,
                  from[2],
                  p.crd ? 1 : channels,
                  p.crd ? block * block : 1};
  return copy;
}

using Copy = StridedKernels<plan_copy>;

Status from_onnx(ImportContext& node) {
  TRY_VALUE(const ValueId x, node.to_channels_last(node.in(0)));
  TRY_VALUE(const ValueId y, node.emit("DepthToSpace", {x}, node.attrs));
  return node.finish_channels_first(y);
}

Status from_tflite(ImportContext& node) {
  return node.finish("DepthToSpace", node.inputs,
                     {{"blocksize", node.attrs.integer("block_size", 1)}});
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {2, 3, 5, 12}};
  return {{"dcr", {x}, {{"blocksize", std::int64_t(2)}}, {{2, 6, 10, 3}}, Known::kShapes},
          {"crd",
           {x},
           {{"blocksize", std::int64_t(2)}, {"mode", "CRD"}},
           {{2, 6, 10, 3}},
           Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"DepthToSpace", from_onnx}};
constexpr TfliteRule kTflite[] = {{"DEPTH_TO_SPACE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "DepthToSpace",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = Copy::reference,
    .choose = Copy::choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::depth_to_space
