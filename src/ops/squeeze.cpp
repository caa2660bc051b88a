// Squeeze: drops the dimensions of extent 1 that attribute "axes" names, all of them without it.
#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::squeeze {
namespace {

struct Params {
  std::int64_t axes[kMaxRank];
  int count;
};

void parse(AttrReader& attrs, Params& p) {
  p.count = attrs.integers("axes", p.axes, -1, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const Dims& in = context.dims(0);
  unsigned drop = 0;
  if (p.count >= 0) {
    TRY_VALUE(drop, axis_set({p.axes, std::size_t(p.count)}, in.rank()));
  }
  Dims out;
  for (int axis = 0; axis < in.rank(); ++axis) {
    if (p.count < 0 && !in[axis].known()) {
      return fail(Code::kUnsupported,
                  "which dimensions of {} are 1 is not known before the run; name the axes, or fix "
                  "the shape when compiling",
                  in.text());
    }
    if (p.count < 0 && in[axis].is(1)) continue;
    if (!(drop >> axis & 1)) {
      out.push_back(in[axis]);
    } else if (in[axis].known() && !in[axis].is(1)) {
      return fail(Code::kInvalid, "axis {} has extent {}; only 1 can be dropped", axis,
                  in[axis].bound);
    }
  }
  context.output(0, context.type(0), out);
  IntList ints;
  if (context.ints(0, ints)) context.output_ints(0, ints);
  return {};
}

Status from_onnx(ImportContext& node) {
  TRY(axes_from_input(node, 1));
  return node.finish("Squeeze", {node.in(0)}, node.attrs);
}

Status from_tflite(ImportContext& node) {
  const std::vector<std::int64_t> axes = node.attrs.integers("squeeze_dims");
  if (axes.empty()) return node.finish("Squeeze", {node.in(0)});
  return node.finish("Squeeze", {node.in(0)}, {{"axes", axes}});
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  return {{"all", {{.shape = {1, 3, 1, 5}}}, {}, {{3, 5}}, Known::kShapes},
          {"named", {{.shape = {1, 3, 1, 5}}}, {{"axes", Ints{-2}}}, {{1, 3, 5}}},
          {"i64", {{DataType::kI64, {1}, {7}}}, {{"axes", Ints{0}}}, {Shape{}}}};
}

constexpr OnnxRule kOnnx[] = {{"Squeeze", from_onnx}};
constexpr TfliteRule kTflite[] = {{"SQUEEZE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Squeeze",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = copy_whole,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::squeeze
