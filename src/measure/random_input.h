// Inputs for measurements: random, and the same in every process and runtime.
#pragma once

#include <polder/tensor.h>

#include <cstdint>

namespace polder {

// Fills `tensor` from `seed`: floats evenly from -1 to 1, bools 0 or 1, integers 0 or 1 as well
// (they are mostly indices and switches, and those are in range for every model).
void fill_random(const TensorView& tensor, std::uint64_t seed);

}  // namespace polder
