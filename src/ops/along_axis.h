// Positions along one axis, one for each element: what GatherElements and ScatterElements share.
#pragma once

#include "ops/axes.h"
#include "ops/broadcast.h"

namespace polder::ops {

// Calls f(i, offset) for each element i of `at`: the offset in data of `shape` of the same place,
// but at the position along `axis` that the element holds; negative ones count from the back.
// Positions outside are left out and are an error in the end.
template <class F>
Status for_each_along_axis(std::string_view op, const TensorView& at, const Shape& shape, int axis,
                           F&& f) {
  std::array<std::array<std::int64_t, kMaxRank>, 1> strides = {dense_strides(shape)};
  const std::int64_t step = strides[0][std::size_t(axis)], n = shape[axis];
  strides[0][std::size_t(axis)] = 0;
  std::int64_t bad = 0;
  bool outside = false;
  for_each_broadcast(at.shape, strides,
                     [&](std::int64_t i, const std::array<std::int64_t, 1>& base) {
                       const std::int64_t position = int_at(at, i);
                       const std::int64_t k = position < 0 ? position + n : position;
                       if (k < 0 || k >= n) bad = position, outside = true;
                       else f(i, base[0] + k * step);
                     });
  if (!outside) return {};
  return fail(Code::kInvalid, "{}: index {} is outside {}..{} of axis {}", op, bad, -n, n - 1,
              axis);
}

}  // namespace polder::ops
