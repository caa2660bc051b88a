// Packing constants into the layouts that kernels read (kernel/pack.h).
#pragma once

#include "ops/op.h"

namespace polder::ops {

// Bytes of an f32 constant of this shape when packed; SIZE_MAX, which no constant has, when the
// shape does not divide into the packing's groups and depth.
std::size_t packed_bytes(const Packing& packing, const Shape& shape);

// Packs the f32 `elements` of `shape`, which lie as `from` says (kPlain, or as in a model file),
// into `out`, which holds packed_bytes().
void pack(const Packing& packing, const Shape& shape, const void* elements, float* out,
          Layout from = Layout::kPlain);

// A copy of an f32 constant's elements, aligned and row-major, writable through `out` until it is
// shared. Empty (false) when there is no memory.
Bytes plain_copy(const Value& value, std::span<std::byte>* out);
// Gives a constant that lies as a model file has it such a copy; leaves others as they are.
// kExhausted when there is no memory.
Status make_plain(Value& value);

}  // namespace polder::ops
