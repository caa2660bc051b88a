// Holds the options of an import to what the model has.
#pragma once

#include <set>
#include <string>

#include "base/fail.h"
#include "import/options.h"

namespace polder {

// What options may name.
struct OptionNames {
  std::set<std::string> inputs;
  std::set<std::string> dimensions;  // by the model's own names, and by input and axis: "image[2]"
  // Of rank 1: where no dimension has its name, it stands for its only one.
  std::set<std::string> vectors;
};

// How options name a dimension: "image[2]".
std::string dimension_name(std::string_view input, int axis);

// Bounds that name an input of rank 1 name its dimension from then on. kInvalid when an option
// names what the model does not have, names it twice, or gives a number that no extent can be.
Status resolve_options(ImportOptions& options, const OptionNames& names);

// The bound that the options give for a dimension; kUnbounded when they give none.
std::int64_t bound_of(const ImportOptions& options, std::string_view dimension);

// kInvalid when the options bound a dimension that has a fixed extent below that extent.
Status check_fixed(const ImportOptions& options, std::string_view dimension, std::int64_t extent);

}  // namespace polder
