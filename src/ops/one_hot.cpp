// OneHot: for each index of input 0 a row along attribute "axis" of input 1's length that holds the
// second number of input 2 at the index and the first elsewhere. Negative indices count from the
// back; those outside leave a row without the second number.
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops::one_hot {
namespace {

struct Params {
  std::int64_t axis;
};

void parse(AttrReader& attrs, Params& p) {
  p.axis = attrs.integer("axis", -1, -kMaxRank, kMaxRank - 1);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kNumeric));
  TRY(context.expect_type(1, kNumeric));
  const Dims& at = context.dims(0);
  if (at.rank() >= kMaxRank) return fail(Code::kUnsupported, "indices of rank {}", at.rank());
  TRY_VALUE(const int axis, normal_axis(context.params<Params>().axis, at.rank() + 1));
  if (context.dims(2).known() && context.dims(2).max_elements() != 2) {
    return fail(Code::kInvalid, "input 2 is {}; two numbers expected", context.dims(2).text());
  }
  double depth = 0;
  Dim extent;
  if (context.scalar(1, depth)) {
    if (!(depth >= 1 && depth < double(kMaxElements))) {
      return fail(Code::kInvalid, "a depth of {}", depth);
    }
    extent = std::int64_t(depth);
  } else {
    IntList list;
    TRY(need_ints(context, 1, list));
    if (list.size() != 1 || list[0].bound < 1) return fail(Code::kInvalid, "depth is no number");
    extent = list[0];
  }
  Dims out;
  for (int i = 0; i < axis; ++i) out.push_back(at[i]);
  out.push_back(extent);
  for (int i = axis; i < at.rank(); ++i) out.push_back(at[i]);
  context.output(0, context.type(2), out);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &at = run.in(0), &out = run.out(0);
  const AxisSplit split =
      split_at(out.shape, *normal_axis(run.as<Params>().axis, out.shape.rank()));
  dispatch_size(out.type, [&]<class V>() {
    const V off = run.in(2).as<V>()[0], on = run.in(2).as<V>()[1];
    std::fill_n(out.as<V>(), out.shape.elements(), off);
    dispatch(at.type, [&]<class T>() {
      for (std::int64_t k = 0; k < at.shape.elements(); ++k) {
        const double index = double(at.as<T>()[k]);
        const double hot = index < 0 ? index + double(split.n) : index;
        if (!(hot >= 0 && hot < double(split.n))) continue;
        const std::int64_t row = k / split.inner * split.n + std::int64_t(hot);
        out.as<V>()[row * split.inner + k % split.inner] = on;
      }
    });
  });
  return {};
}

// ONE_HOT(indices, depth, on, off)
Status from_tflite(ImportContext& node) {
  if (!node.has(2) || !node.has(3) || node.rank(2) != 0 || node.rank(3) != 0) {
    return fail(Code::kInvalid, "on and off values; scalars expected");
  }
  std::vector<ValueId> values;
  for (const int i : {3, 2}) {
    TRY_VALUE(const ValueId value,
              node.emit("Unsqueeze", {node.in(i)}, {{"axes", std::vector<std::int64_t>{0}}}));
    values.push_back(value);
  }
  TRY_VALUE(const ValueId pair, node.emit("Concat", values, {{"axis", std::int64_t(0)}}));
  return node.finish("OneHot", {node.in(0), node.in(1), pair},
                     {{"axis", node.attrs.integer("axis", -1)}});
}

std::vector<Sample> samples() {
  const SampleInput at = {DataType::kI64, {2, 3}, {0, 3, -1, 9, 2, -9}};
  const SampleInput depth = {DataType::kI64, {}, {4}, true};
  return {{"last", {at, depth, {.shape = {2}, .values = {-1, 5}}}, {}, {{2, 3, 4}}},
          {"first",
           {at, depth, {DataType::kI32, {2}, {0, 1}}},
           {{"axis", std::int64_t(0)}},
           {{4, 2, 3}}},
          {"float indices",
           {{.shape = {2}, .values = {1, 2}},
            {.shape = {1}, .values = {3}, .constant = true},
            {DataType::kU8, {2}, {0, 255}}},
           {{"axis", std::int64_t(1)}},
           {{2, 3}}}};
}

constexpr OnnxRule kOnnx[] = {{"OneHot"}};
constexpr TfliteRule kTflite[] = {{"ONE_HOT", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "OneHot",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::one_hot
