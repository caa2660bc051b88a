// Scales and zero points, one of each or one for each place along an axis: what Quantize and
// Dequantize share. Inputs: x, the scale, the zero point (absent: 0).
#pragma once

#include "ops/axes.h"

namespace polder::ops {

struct QuantizationParams {
  std::int64_t axis;
};

inline void parse_quantization(AttrReader& attrs, QuantizationParams& p) {
  p.axis = attrs.integer("axis", 1, -kMaxRank, kMaxRank - 1);
}

// As many zero points as scales, and as many scales as the axis is long.
inline Status check_scales(const InferContext& context) {
  TRY(context.expect_type(1, {DataType::kF32}));
  TRY(context.expect_rank(1, 0, 1));
  if (context.has(2)) TRY(context.expect_rank(2, 0, 1));
  const Dims &x = context.dims(0), &scale = context.dims(1);
  const Dims& zero = context.has(2) ? context.dims(2) : scale;
  if (!scale.known() || zero.max_elements() != scale.max_elements()) {
    return fail(Code::kInvalid, "scale {} and zero point {} differ", scale.text(), zero.text());
  }
  if (scale.max_elements() == 1) return {};
  TRY_VALUE(const int axis, normal_axis(context.params<QuantizationParams>().axis, x.rank()));
  if (x.rank() == 0 || (x[axis].known() && !(x[axis] == scale[0]))) {
    return fail(Code::kInvalid, "{} scales along axis {} of {}", scale[0].bound, axis, x.text());
  }
  return {};
}

// The input around the axis; with one scale everything is `inner`.
inline AxisSplit split_by_scale(const RunContext& run) {
  const Shape& shape = run.in(0).shape;
  if (run.in(1).shape.elements() == 1) return split_at(shape, -1);
  return split_at(shape, *normal_axis(run.as<QuantizationParams>().axis, shape.rank()));
}

}  // namespace polder::ops
