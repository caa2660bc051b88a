// Packing constants into the layouts that kernels read (kernel/pack.h).
#pragma once

#include "ops/op.h"

namespace polder::ops {

// Bytes of an f32 constant of this shape when packed. Panels: the first axis counts outputs, the
// product of the others is the depth. Taps: the same number of elements.
std::size_t packed_bytes(const Packing& packing, const Shape& shape);

// Packs the plain f32 `elements` of `shape` into `out`, which holds packed_bytes() of zeros.
void pack(const Packing& packing, const Shape& shape, const float* elements, float* out);

}  // namespace polder::ops
