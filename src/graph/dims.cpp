// Printing and comparing dimensions.
#include "graph/dims.h"

#include <algorithm>

namespace polder {

bool Dims::known() const { return std::ranges::all_of(all(), &Dim::known); }

Shape Dims::bounds() const {
  Shape shape;
  for (const Dim& dim : all()) shape.push_back(dim.bound);
  return shape;
}

bool Dims::operator==(const Dims& other) const { return std::ranges::equal(all(), other.all()); }

std::string Dims::text() const {
  std::string text = "[";
  for (const Dim& dim : all()) {
    if (text.size() > 1) text += ',';
    if (dim.known()) text += std::to_string(dim.bound);
    else if (dim.bound >= kUnbounded) text += '?';
    else text += "?<=" + std::to_string(dim.bound);
  }
  return text + "]";
}

}  // namespace polder
