// Axes as attributes give them: a negative one counts from the back.
#pragma once

#include <array>

#include "base/fail.h"
#include "graph/dims.h"
#include "ops/op.h"

namespace polder::ops {

// The axis in [0, rank). A scalar has one axis, 0, for operators that treat it as one element.
inline Result<int> normal_axis(std::int64_t axis, int rank) {
  const int extent = rank > 0 ? rank : 1;
  if (axis >= -extent && axis < extent) return int(axis < 0 ? axis + extent : axis);
  return fail(Code::kInvalid, "axis {} is outside {}..{} of a tensor of rank {}", axis, -extent,
              extent - 1, rank);
}

// A set of axes as bits; an axis that is named twice is an error.
inline Result<unsigned> axis_set(std::span<const std::int64_t> axes, int rank) {
  unsigned set = 0;
  for (const std::int64_t axis : axes) {
    TRY_VALUE(const int normal, normal_axis(axis, rank));
    if (set >> normal & 1) return fail(Code::kInvalid, "axis {} is named twice", axis);
    set |= 1u << normal;
  }
  return set;
}

// A dense tensor as [outer, n, inner] around one axis.
struct AxisSplit {
  std::int64_t outer = 1, n = 1, inner = 1;
};
inline AxisSplit split_at(const Shape& shape, int axis) {
  AxisSplit split;
  for (int i = 0; i < shape.rank(); ++i) {
    (i < axis ? split.outer : i == axis ? split.n : split.inner) *= shape[i];
  }
  return split;
}

// Calls f(offset) with the first element of each line along the axis; split.inner is its stride.
template <class F>
void for_each_line(const AxisSplit& split, F&& f) {
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t i = 0; i < split.inner; ++i) f(o * split.n * split.inner + i);
  }
}

// Element strides of a dense tensor.
inline std::array<std::int64_t, kMaxRank> dense_strides(const Shape& shape) {
  std::array<std::int64_t, kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[std::size_t(axis)] = stride;
    stride *= shape[axis];
  }
  return strides;
}

// The product of dims [begin, end): keeps a lone symbol, else a new one when anything is free.
inline Dim product_dim(InferContext& context, const Dims& dims, int begin, int end) {
  std::int64_t bound = 1;
  int free_dims = 0;
  Dim last_free;
  for (int i = begin; i < end; ++i) {
    if (__builtin_mul_overflow(bound, dims[i].bound, &bound) || bound > kUnbounded) {
      bound = kUnbounded;
    }
    if (!dims[i].known()) ++free_dims, last_free = dims[i];
  }
  if (free_dims == 0 || bound == 0) return bound;
  if (free_dims == 1 && bound == last_free.bound) return last_free;
  return context.new_dim(bound);
}

// The elements of a small integer input, each known or symbolic; an error that says how to bind the
// value when nothing is known.
inline Status need_ints(const InferContext& context, int input, IntList& out) {
  if (context.ints(input, out)) return {};
  return context.known_ints(input, out);
}

// Element `i` of an i32 or i64 tensor.
inline std::int64_t int_at(const TensorView& view, std::int64_t i) {
  return view.type == DataType::kI32 ? view.as<const std::int32_t>()[i]
                                     : view.as<const std::int64_t>()[i];
}

inline constexpr std::initializer_list<DataType> kIndexTypes = {DataType::kI64, DataType::kI32};

}  // namespace polder::ops
