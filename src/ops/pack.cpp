// Packing constants into the layouts that kernels read.
#include "ops/pack.h"

#include <algorithm>

#include "kernel/pack.h"

namespace polder::ops {

namespace {
struct Extents {
  std::int64_t outputs;  // of one group
  std::int64_t depth;
};
Extents extents_of(const Packing& packing, const Shape& shape) {
  const std::int64_t outputs = shape.rank() ? shape[0] : 1;
  const std::int64_t depth = outputs ? shape.elements() / outputs : 0;
  return {outputs / std::max(packing.groups, 1), depth};
}
}  // namespace

std::size_t packed_bytes(const Packing& packing, const Shape& shape) {
  if (packing.layout != Layout::kPanels) return std::size_t(shape.elements()) * sizeof(float);
  const auto [outputs, depth] = extents_of(packing, shape);
  return std::size_t(packing.groups * kernel::panel_elements(outputs, depth)) * sizeof(float);
}

void pack(const Packing& packing, const Shape& shape, const float* elements, float* out) {
  const auto [outputs, depth] = extents_of(packing, shape);
  switch (packing.layout) {
    case Layout::kPlain: std::copy_n(elements, shape.elements(), out); break;
    case Layout::kPanels:
      for (std::int32_t group = 0; group < packing.groups; ++group) {
        kernel::pack_panels(elements + group * outputs * depth, depth, 1, outputs, depth,
                            out + group * kernel::panel_elements(outputs, depth));
      }
      break;
    case Layout::kTaps: kernel::pack_taps(elements, depth, 1, outputs, depth, out); break;
  }
}

}  // namespace polder::ops
