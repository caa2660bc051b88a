// GatherElements: for each position of input 1 the element of the data at the same place, but at
// that position along attribute "axis". Negative positions count from the back.
#include "ops/along_axis.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::gather_elements {
namespace {

struct Params {
  std::int64_t axis;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_rank(0, 1, kMaxRank));
  const Dims &data = context.dims(0), &at = context.dims(1);
  TRY(context.expect_rank(1, data.rank(), data.rank()));
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, data.rank()));
  for (int i = 0; i < data.rank(); ++i) {
    if (i != axis && data[i].known() && at[i].known() && at[i].bound > data[i].bound) {
      return fail(Code::kInvalid, "indices {} reach outside the data {}", at.text(), data.text());
    }
  }
  context.output(0, context.type(0), at);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &data = run.in(0), &at = run.in(1), &out = run.out(0);
  const int axis = *normal_axis(run.as<Params>().axis, data.shape.rank());
  Status status;
  dispatch_size(data.type, [&]<class T>() {
    status = for_each_along_axis(
        "GatherElements", at, data.shape, axis,
        [&](std::int64_t i, std::int64_t from) { out.as<T>()[i] = data.as<T>()[from]; });
  });
  return status;
}

std::vector<Sample> samples() {
  return {
      {"rows", {{.shape = {3, 3}}, {DataType::kI64, {2, 3}, {1, 2, 0, 2, 0, -1}}}, {}, {{2, 3}}},
      {"columns",
       {{DataType::kF16, {2, 3}}, {DataType::kI32, {2, 2}, {0, -1, 2, 1}}},
       {{"axis", std::int64_t(1)}},
       {{2, 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"GatherElements"}};

}  // namespace

extern const OpDef def = {
    .name = "GatherElements",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::gather_elements
