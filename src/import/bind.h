// Fits a value that the caller binds to the input that it replaces.
#pragma once

#include "base/fail.h"
#include "import/options.h"

namespace polder {

// `given` as an input of this type and these dimensions takes it. Integers never change; numbers
// given for a float input are rounded to it. One element fits a scalar and a vector of one.
Result<OwnedTensor> fit_binding(const OwnedTensor& given, DataType type, const Dims& dims);

}  // namespace polder
