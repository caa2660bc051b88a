// TFLite models of one or a few operators each, for the fuzz target.
#pragma once

#include <string>

namespace polder::fuzz {

// Returns how many were written to `folder`.
int write_tflite_seeds(const std::string& folder);

}  // namespace polder::fuzz
