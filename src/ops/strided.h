// Moving elements: what slicing, padding, broadcasting and the like share.
#pragma once

#include <array>

#include "ops/op.h"

namespace polder::ops {

// out = in read with one stride per axis of `dims`; strides in elements, negative and 0 allowed.
struct StridedCopy {
  const void* in = nullptr;  // the element at position 0
  void* out = nullptr;       // dense, of extents `dims`
  DataType type = DataType::kNone;
  Shape dims;
  std::array<std::int64_t, kMaxRank> strides{};
};

// By plain loops, whole rows at a time where they are contiguous.
void copy_plain(const StridedCopy& copy);
// By the vector kernel, over the threads of the run.
void copy_vector(const RunContext& run, const StridedCopy& copy);

// Both as kernels of an operator that is nothing but the copy that `plan` makes.
template <StridedCopy (*plan)(const RunContext&)>
struct StridedKernels {
  static Status reference(const RunContext& run) {
    copy_plain(plan(run));
    return {};
  }
  static Status vector(const RunContext& run) {
    copy_vector(run, plan(run));
    return {};
  }
  static Choice choose(const NodeInfo&) { return {.kernel = vector, .name = "copy"}; }
};

// Copies output 0 from input 0 unless they are the same memory.
Status copy_whole(const RunContext& run);

// The byte at element `index`.
inline const std::byte* element(const TensorView& view, std::int64_t index) {
  return view.as<const std::byte>() + std::size_t(index) * size_of(view.type);
}
inline std::byte* mutable_element(const TensorView& view, std::int64_t index) {
  return view.as<std::byte>() + std::size_t(index) * size_of(view.type);
}

}  // namespace polder::ops
