// How kernels divide their work into tasks. The division depends on the arguments only, never on
// the number of threads or the instruction set.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernel/conv.h"
#include "kernel/elementwise.h"
#include "kernel/gemm.h"
#include "kernel/layout.h"
#include "kernel/pack.h"
#include "kernel/recurrent.h"
#include "kernel/reduce.h"

namespace polder::kernel {

// [first, last) of `total` items for task `index` of tasks of `block` items.
struct Range {
  std::int64_t first, last;
};
inline Range range_of(std::int64_t index, std::int64_t block, std::int64_t total) {
  return {std::min(index * block, total), std::min((index + 1) * block, total)};
}

// Panels that a matrix-vector product streams together; tasks hold whole groups, as the leftover
// panels sum in another order.
inline constexpr int kGemvGroup = 8;

// A 1x1 convolution whose output pixels are its input pixels: a plain product.
inline bool is_pointwise(const ConvArgs& a) {
  return a.kernel_h == 1 && a.kernel_w == 1 && a.pad_top == 0 && a.pad_left == 0 &&
         a.stride_h == 1 && a.stride_w == 1 && a.in_h == a.out_h && a.in_w == a.out_w;
}
inline std::int64_t output_pixels(const ConvArgs& a) {
  return std::int64_t(a.batch) * a.out_h * a.out_w;
}

// A product of m rows with `panels` panels of weights, cut along both. Tasks are numbered panels
// first, then rows, so that one thread that runs them in order reads each weight from memory once.
struct ProductSplit {
  std::int64_t row_block, row_blocks;
  std::int64_t panel_block, panel_blocks;
  std::int64_t tasks() const { return row_blocks * panel_blocks; }
};
ProductSplit split_product(std::int64_t m, std::int64_t n, std::int64_t k);
ProductSplit split_row(std::int64_t n, std::int64_t k);  // m = 1: whole groups of panels
ProductSplit split(const ConvArgs& args);  // of one group; a convolution has groups * tasks()
ProductSplit split(const GemmArgs& args);
ProductSplit split(const MatMulArgs& args);

// Work of equal units (rows, lines, chunks of rows), several to a task.
struct UnitSplit {
  std::int64_t units, per_task;
  int tasks() const { return units <= 0 ? 0 : int((units + per_task - 1) / per_task); }
  Range task_range(int begin, int end) const {
    return {std::min(begin * per_task, units), std::min(end * per_task, units)};
  }
};

inline constexpr std::int64_t kElementsPerTask = 32768;  // of a function of one number
inline constexpr std::int64_t kRowChunk = 4096;          // longer rows are cut into such chunks
inline std::int64_t row_chunks(std::int64_t length) { return (length + kRowChunk - 1) / kRowChunk; }
inline constexpr std::int64_t kInnerChunk = 64;  // neighbouring columns reduced together
inline constexpr std::int64_t kTransposeBlock = 32;

// What a strided copy is, once its dimensions are merged.
struct CopyPlan {
  enum class Kind { kRuns, kTranspose, kStrided } kind;
  int fast;  // kTranspose: the dimension along which the input is contiguous
};
CopyPlan plan(const CopyArgs& args);

UnitSplit split(const DepthwiseArgs& args);  // lines of output pixels
UnitSplit split(const BinaryArgs& args);     // chunks of rows
UnitSplit split(const PoolArgs& args);       // lines of output pixels
UnitSplit split(const ReduceArgs& args);     // rows; chunks of columns when inner > 1
UnitSplit split(const SoftmaxArgs& args);    // as above
UnitSplit split(const LayerNormArgs& args);  // rows
UnitSplit split(const CopyArgs& args);       // chunks of rows; blocks when transposing
UnitSplit split(const ResizeArgs& args);     // lines of output pixels

}  // namespace polder::kernel
