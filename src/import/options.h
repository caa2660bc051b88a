// What an import may be told about a model: extents, bounds, and inputs whose values are fixed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "graph/owned_tensor.h"

namespace polder {

struct ImportOptions {
  // Input name -> its extents; -1 keeps what the model says. A dimension that the model names (the
  // "batch" of [batch,3,224,224]) gets its value wherever the name appears.
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;
  // The largest extent of a free dimension: by the name the model gives it ("batch"), or by input
  // and axis ("image[2]"), or by the input alone where that has one axis and no dimension its name.
  std::vector<std::pair<std::string, std::int64_t>> bounds;
  // Inputs that become constants. The type may differ from the input's: integers must stay what
  // they are (2^24 + 1 does not fit f32, nor 0.5 an integer), reals are rounded to the nearest but
  // must stay in range; infinities and NaN are kept. A single element fits a scalar.
  std::vector<std::pair<std::string, OwnedTensor>> bindings;
};

}  // namespace polder
