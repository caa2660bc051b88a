// Shape: the extents of dimensions "start" to "end" (exclusive) of its input, as i64.
#include <algorithm>

#include "ops/axes.h"
#include "ops/rules.h"

namespace polder::ops::shape {
namespace {

struct Params {
  std::int64_t start, end;
};

void parse(AttrReader& attrs, Params& p) {
  p.start = attrs.integer("start", 0);
  p.end = attrs.integer("end", AttrReader::kMax);
}

struct Range {
  int first, last;
};
Range range_of(const Params& p, int rank) {
  const auto held = [&](std::int64_t axis) {
    return int(std::clamp<std::int64_t>(axis < 0 ? axis + rank : axis, 0, rank));
  };
  return {held(p.start), held(p.end)};
}

Status infer(InferContext& context) {
  const Dims& in = context.dims(0);
  const Range range = range_of(context.params<Params>(), in.rank());
  IntList list;
  for (int axis = range.first; axis < range.last; ++axis) list.push_back(in[axis]);
  context.output(0, DataType::kI64, {list.size()});
  context.output_ints(0, list);
  return {};
}

Status reference(const RunContext& run) {
  const Shape& in = run.in(0).shape;
  const Range range = range_of(run.as<Params>(), in.rank());
  for (int axis = range.first; axis < range.last; ++axis) {
    run.out(0).as<std::int64_t>()[axis - range.first] = in[axis];
  }
  return {};
}

Status from_tflite(ImportContext& node) {
  TRY_VALUE(const DataType type, tflite_type(node.attrs.text("out_type", "INT32")));
  TRY_VALUE(const ValueId shape, node.emit("Shape", {node.in(0)}));
  return finish_cast(node, shape, type);
}

std::vector<Sample> samples() {
  return {
      {"all", {{.shape = {2, 3, 5}}}, {}, {{3}}},
      {"part",
       {{.shape = {2, 3, 5}}},
       {{"start", std::int64_t(-2)}, {"end", std::int64_t(9)}},
       {{2}}},
      {"none", {{.shape = {2, 3}}}, {{"start", std::int64_t(2)}, {"end", std::int64_t(1)}}, {{0}}}};
}

constexpr OnnxRule kOnnx[] = {{"Shape"}};
constexpr TfliteRule kTflite[] = {{"SHAPE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Shape",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::shape
