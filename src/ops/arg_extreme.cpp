// ArgMax and ArgMin: see arg_extreme.h.
#include "ops/arg_extreme.h"

#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops {

void parse_arg(AttrReader& attrs, ArgParams& p) {
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.keep_dims = attrs.flag("keepdims", true);
  p.last = attrs.flag("select_last_index", false);
}

Status infer_arg(InferContext& context) {
  const ArgParams& p = context.params<ArgParams>();
  TRY(context.expect_type(0, kNumeric));
  TRY(context.expect_rank(0, 1, kMaxRank));
  const Dims& in = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(p.axis, in.rank()));
  if (in[axis].is(0)) return fail(Code::kInvalid, "axis {} has no elements", axis);
  Dims out;
  for (int i = 0; i < in.rank(); ++i) {
    if (i != axis) out.push_back(in[i]);
    else if (p.keep_dims) out.push_back(1);
  }
  context.output(0, DataType::kI64, out);
  return {};
}

Status run_arg(const RunContext& run, bool largest) {
  const ArgParams& p = run.as<ArgParams>();
  const TensorView& in = run.in(0);
  const AxisSplit split = split_at(in.shape, *normal_axis(p.axis, in.shape.rank()));
  dispatch(in.type, [&]<class T>() {
    for (std::int64_t row = 0; row < split.outer * split.inner; ++row) {
      const std::int64_t o = row / split.inner, i = row % split.inner;
      const T* from = in.as<T>() + o * split.n * split.inner + i;
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < split.n; ++j) {
        const T x = from[j * split.inner], y = from[best * split.inner];
        if ((largest ? x > y : x < y) || (p.last && x == y)) best = j;
      }
      run.out(0).as<std::int64_t>()[row] = best;
    }
  });
  return {};
}

Status arg_from_tflite(ImportContext& node, std::string_view op) {
  TRY_VALUE(const std::int64_t axis, constant_int(node, 1));
  const bool wide = node.attrs.text("output_type", "INT32") == "INT64";
  TRY_VALUE(const ValueId at,
            node.emit(op, {node.in(0)}, {{"axis", axis}, {"keepdims", std::int64_t(0)}}));
  return finish_cast(node, at, wide ? DataType::kI64 : DataType::kI32);
}

std::vector<Sample> arg_samples() {
  const SampleInput ties = {DataType::kI32, {3, 4}, {1, 2, 2, 0, 3, 3, 3, 3, 0, 5, 0, 5}};
  return {{"first axis", {{.shape = {5, 3, 4}}}, {}, {{1, 3, 4}}},
          {"no keep",
           {{.shape = {2, 7}}},
           {{"axis", std::int64_t(-1)}, {"keepdims", std::int64_t(0)}},
           {{2}}},
          {"ties", {ties}, {{"axis", std::int64_t(1)}}, {{3, 1}}},
          {"last of ties",
           {ties},
           {{"axis", std::int64_t(1)}, {"select_last_index", std::int64_t(1)}},
           {{3, 1}}}};
}

}  // namespace polder::ops
