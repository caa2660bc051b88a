// Flatten: a matrix of the same elements; the dimensions before attribute "axis" make its rows.
#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::flatten {
namespace {

struct Params {
  std::int64_t axis;
};

void parse(AttrReader& attrs, Params& p) { p.axis = attrs.integer("axis", 1, -kMaxRank, kMaxRank); }

Status infer(InferContext& context) {
  const Dims& in = context.dims(0);
  const std::int64_t axis = context.params<Params>().axis;
  const std::int64_t at = axis < 0 ? axis + in.rank() : axis;
  if (at < 0 || at > in.rank()) {
    return fail(Code::kInvalid, "axis {} is outside {}..{}", axis, -in.rank(), in.rank());
  }
  const Dim rows = product_dim(context, in, 0, int(at));
  context.output(0, context.type(0), {rows, product_dim(context, in, int(at), in.rank())});
  return {};
}

std::vector<Sample> samples() {
  return {{"default", {{.shape = {2, 3, 5}}}, {}, {{2, 15}}},
          {"all rows", {{.shape = {2, 3}}}, {{"axis", std::int64_t(2)}}, {{6, 1}}},
          {"negative", {{.shape = {2, 3, 5}}}, {{"axis", std::int64_t(-1)}}, {{6, 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Flatten"}};

}  // namespace

extern const OpDef def = {
    .name = "Flatten",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = copy_whole,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::flatten
