// Unsqueeze: inserts dimensions of extent 1 at the places of attribute "axes" in the output.
#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::unsqueeze {
namespace {

struct Params {
  std::int64_t axes[kMaxRank];
  int count;
};

void parse(AttrReader& attrs, Params& p) {
  p.count = attrs.integers("axes", p.axes, 0, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const Dims& in = context.dims(0);
  const int rank = in.rank() + p.count;
  if (rank > kMaxRank) return fail(Code::kUnsupported, "rank {}; at most {}", rank, kMaxRank);
  TRY_VALUE(const unsigned added, axis_set({p.axes, std::size_t(p.count)}, rank));
  Dims out;
  for (int axis = 0, from = 0; axis < rank; ++axis) {
    out.push_back(added >> axis & 1 ? Dim(1) : in[from++]);
  }
  context.output(0, context.type(0), out);
  IntList ints;
  if (rank <= 1 && context.ints(0, ints)) context.output_ints(0, ints);
  return {};
}

Status from_onnx(ImportContext& node) {
  TRY(axes_from_input(node, 1));
  return node.finish("Unsqueeze", {node.in(0)}, node.attrs);
}

Status from_tflite(ImportContext& node) {
  TRY_VALUE(const std::vector<std::int64_t> axes, node.constant_ints(1));
  return node.finish("Unsqueeze", {node.in(0)}, {{"axes", axes}});
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  return {{"two", {{.shape = {3, 5}}}, {{"axes", Ints{-1, 0}}}, {{1, 3, 5, 1}}},
          {"scalar", {{DataType::kI64, {}, {7}}}, {{"axes", Ints{0}}}, {{1}}}};
}

constexpr OnnxRule kOnnx[] = {{"Unsqueeze", from_onnx}};
constexpr TfliteRule kTflite[] = {{"EXPAND_DIMS", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Unsqueeze",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = copy_whole,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::unsqueeze
