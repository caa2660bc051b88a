// ScatterElements: the data with each element of input 2 written to its own place, but at the
// position along attribute "axis" that input 1 holds; "reduction" joins it with what is there.
#include "ops/along_axis.h"
#include "ops/combine.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::scatter_elements {
namespace {

struct Params {
  std::int64_t axis;
  Combine reduction;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.reduction = read_combine(attrs);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_type(2, {context.type(0)}));
  TRY(expect_combinable(context, p.reduction));
  TRY(context.expect_rank(0, 1, kMaxRank));
  const Dims &data = context.dims(0), &at = context.dims(1), &updates = context.dims(2);
  TRY(context.expect_rank(1, data.rank(), data.rank()));
  TRY(context.expect_rank(2, data.rank(), data.rank()));
  TRY_VALUE(const int axis, normal_axis(p.axis, data.rank()));
  for (int i = 0; i < data.rank(); ++i) {
    const bool known = data[i].known() && at[i].known() && updates[i].known();
    if (known && (!(at[i] == updates[i]) || (i != axis && at[i].bound > data[i].bound))) {
      return fail(Code::kInvalid, "indices {} and updates {} for data {}", at.text(),
                  updates.text(), data.text());
    }
  }
  context.output(0, context.type(0), data);
  return {};
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &at = run.in(1), &updates = run.in(2), &out = run.out(0);
  TRY(copy_whole(run));
  const int axis = *normal_axis(p.axis, out.shape.rank());
  Status status;
  dispatch_combine(p.reduction, out.type, [&]<class T>() {
    status = for_each_along_axis("ScatterElements", at, out.shape, axis,
                                 [&](std::int64_t i, std::int64_t offset) {
                                   T& to = out.as<T>()[offset];
                                   to = combine(p.reduction, to, updates.as<T>()[i]);
                                 });
  });
  return status;
}

std::vector<Sample> samples() {
  const SampleInput at = {DataType::kI64, {2, 3}, {1, 0, 2, 0, -1, 1}};
  return {
      {"replace", {{.shape = {3, 3}}, at, {.shape = {2, 3}}}},
      {"add",
       {{.shape = {1, 5}}, {DataType::kI64, {1, 2}, {1, 1}}, {.shape = {1, 2}}},
       {{"axis", std::int64_t(1)}, {"reduction", "add"}}},
      {"max",
       {{DataType::kI32, {3, 3}, {}, false, -9, 9}, at, {DataType::kI32, {2, 3}, {}, false, -9, 9}},
       {{"reduction", "max"}}}};
}

constexpr OnnxRule kOnnx[] = {{"ScatterElements"}, {"Scatter"}};

}  // namespace

extern const OpDef def = {
    .name = "ScatterElements",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::scatter_elements
