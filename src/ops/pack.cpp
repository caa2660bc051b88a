// Packing constants into the layouts that kernels read.
#include "ops/pack.h"

#include <algorithm>

#include "kernel/pack.h"

namespace polder::ops {

namespace {
struct Extents {
  std::int64_t groups = 1, outputs = 0, depth = 0;  // outputs of one group
  bool whole = false;                               // the shape is exactly these
};
Extents extents_of(const Packing& packing, const Shape& shape) {
  const std::int64_t elements = shape.elements();
  const std::int64_t first = shape.rank() ? shape[0] : 1;
  Extents e;
  e.groups = std::max(packing.groups, 1);
  e.depth = packing.depth > 0 ? packing.depth : first > 0 ? elements / first : 0;
  if (elements > 0 && elements <= kMaxElements && e.depth > 0) {
    e.outputs = elements / e.depth / e.groups;
    e.whole = e.outputs * e.groups * e.depth == elements;
  }
  return e;
}
}  // namespace

std::size_t packed_bytes(const Packing& packing, const Shape& shape) {
  if (packing.layout == Layout::kPlain) return std::size_t(shape.elements()) * sizeof(float);
  const Extents e = extents_of(packing, shape);
  if (!e.whole) return SIZE_MAX;
  if (packing.layout == Layout::kTaps) {
    return std::size_t(kernel::tap_elements(e.groups * e.outputs, e.depth)) * sizeof(float);
  }
  return std::size_t(e.groups * kernel::panel_elements(e.outputs, e.depth)) * sizeof(float);
}

void pack(const Packing& packing, const Shape& shape, const float* elements, float* out) {
  const Extents e = extents_of(packing, shape);
  switch (packing.layout) {
    case Layout::kPlain: std::copy_n(elements, shape.elements(), out); break;
    case Layout::kPanels:
      for (std::int64_t group = 0; group < e.groups; ++group) {
        kernel::pack_panels(elements + group * e.outputs * e.depth, e.depth, 1, e.outputs, e.depth,
                            out + group * kernel::panel_elements(e.outputs, e.depth));
      }
      break;
    case Layout::kTaps:
      kernel::pack_taps(elements, e.depth, 1, e.groups * e.outputs, e.depth, out);
      break;
  }
}

}  // namespace polder::ops
