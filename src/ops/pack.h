// Packing constants into the layouts that kernels read (kernel/pack.h).
#pragma once

#include "ops/op.h"

namespace polder::ops {

// Bytes of an f32 constant of this shape when packed; SIZE_MAX, which no constant has, when the
// shape does not divide into the packing's groups and depth.
std::size_t packed_bytes(const Packing& packing, const Shape& shape);

// Packs the plain f32 `elements` of `shape` into `out`, which holds packed_bytes() of zeros.
void pack(const Packing& packing, const Shape& shape, const float* elements, float* out);

}  // namespace polder::ops
