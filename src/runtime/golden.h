// Whether a model still computes what it did: results against expected ones, element by element.
#pragma once

#include <polder/error.h>
#include <polder/tensor.h>

namespace polder {

// |found - expected| <= absolute + relative * |expected|, for each element; NaN only where NaN is
// expected, an infinity only where that very infinity is. Sets `largest` to the largest difference
// of finite elements. Errors: kInvalid for another type or shape; kCorrupt for the element that is
// furthest beyond its tolerance, with both numbers and how many are.
Status check_close(const TensorView& found, const TensorView& expected, double absolute,
                   double relative, double& largest);

}  // namespace polder
