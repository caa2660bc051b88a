// One input or output of a model.
#pragma once

#include <polder/tensor.h>

#include <string>

namespace polder {

// A dimension that is free holds -1 in `shape`; `bounds` holds the largest extent that there is
// memory for (equal to `shape` where that is fixed).
struct Port {
  std::string name;
  DataType type = DataType::kNone;
  Shape shape;
  Shape bounds;

  // The extents, and of free ones the bound: "[1,3,?<=640,?<=640]".
  std::string extents_text() const;
};

}  // namespace polder
