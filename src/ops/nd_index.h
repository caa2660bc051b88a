// Positions along several axes at once: the rows of GatherND's and ScatterND's indices.
#pragma once

#include "ops/axes.h"

namespace polder::ops {

// Each row of indices [..., depth] names a block of the data: its first elements' offset.
struct NdIndex {
  std::int64_t depth = 0;  // axes that a row names
  std::int64_t block = 1;  // elements behind them
  std::int64_t extents[kMaxRank] = {};
  std::int64_t strides[kMaxRank] = {};

  // `shape` is that of the data behind its batch dimensions.
  NdIndex(std::span<const std::int64_t> shape, std::int64_t named) : depth(named) {
    std::int64_t stride = 1;
    for (std::int64_t axis = std::int64_t(shape.size()) - 1; axis >= 0; --axis) {
      if (axis < depth) extents[axis] = shape[std::size_t(axis)], strides[axis] = stride;
      else block *= shape[std::size_t(axis)];
      stride *= shape[std::size_t(axis)];
    }
  }

  // Adds the offset of row `row` of `at`; an error that names the index outside.
  Status offset(const TensorView& at, std::int64_t row, std::string_view op,
                std::int64_t& out) const {
    out = 0;
    for (std::int64_t axis = 0; axis < depth; ++axis) {
      const std::int64_t position = int_at(at, row * depth + axis);
      const std::int64_t k = position < 0 ? position + extents[axis] : position;
      if (k < 0 || k >= extents[axis]) {
        return fail(Code::kInvalid, "{}: index {} in row {} is outside {}..{} of axis {}", op,
                    position, row, -extents[axis], extents[axis] - 1, axis);
      }
      out += k * strides[axis];
    }
    return {};
  }
};

}  // namespace polder::ops
