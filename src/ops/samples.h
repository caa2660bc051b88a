// Samples of operators that take the same inputs.
#pragma once

#include <vector>

#include "ops/tools.h"

namespace polder::ops {

// Two inputs of one type, broadcast: arithmetic.
std::vector<Sample> arithmetic_samples();
// The same, with elements that are often equal.
std::vector<Sample> comparison_samples();

}  // namespace polder::ops
