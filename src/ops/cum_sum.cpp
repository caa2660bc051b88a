// CumSum: sums of all elements up to each along attribute "axis"; "exclusive" leaves out the
// element itself, "reverse" starts at the end.
#include <cmath>

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"

namespace polder::ops::cum_sum {
namespace {

struct Params {
  std::int64_t axis;
  bool exclusive, reverse;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.exclusive = attrs.flag("exclusive", false);
  p.reverse = attrs.flag("reverse", false);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kNumeric));
  TRY_VALUE([[maybe_unused]] const int axis,
            normal_axis(context.params<Params>().axis, context.rank(0)));
  context.output(0, context.type(0), context.dims(0));
  return {};
}

template <class T>
void sum_up(const Params& p, const T* in, T* out, std::int64_t n, std::int64_t step) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
  Sum sum = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    const std::int64_t at = (p.reverse ? n - 1 - j : j) * step;
    const Sum before = sum;
    sum += Sum(in[at]);
    out[at] = T(p.exclusive ? before : sum);
  }
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const Shape& shape = run.in(0).shape;
  const AxisSplit split = split_at(shape, *normal_axis(p.axis, shape.rank()));
  dispatch(run.in(0).type, [&]<class T>() {
    for_each_line(split, [&](std::int64_t at) {
      sum_up(p, run.in(0).as<T>() + at, run.out(0).as<T>() + at, split.n, split.inner);
    });
  });
  return {};
}

// Both formats give the axis as input 1.
Status import(ImportContext& node) {
  TRY_VALUE(const std::int64_t axis, constant_int(node, 1));
  node.attrs.set("axis", axis);
  return node.finish("CumSum", {node.in(0)}, node.attrs);
}

std::vector<Sample> samples() {
  return {
      {"rows", {{.shape = {3, 4, 5}}}, {{"axis", std::int64_t(1)}}},
      {"exclusive", {{.shape = {7}}}, {{"exclusive", std::int64_t(1)}}},
      {"both",
       {{DataType::kI32, {3, 4}, {}, false, -9, 9}},
       {{"axis", std::int64_t(-1)}, {"exclusive", std::int64_t(1)}, {"reverse", std::int64_t(1)}}}};
}

constexpr OnnxRule kOnnx[] = {{"CumSum", import}};
constexpr TfliteRule kTflite[] = {{"CUMSUM", import}};

}  // namespace

extern const OpDef def = {
    .name = "CumSum",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxis};

}  // namespace polder::ops::cum_sum
