// A tensor with its elements, outside of a graph: what files hold, what inputs are bound to.
#pragma once

#include "graph/graph.h"

namespace polder {

// A tensor that owns its elements.
struct OwnedTensor {
  DataType type = DataType::kNone;
  Shape shape;
  Bytes data;
  Layout layout = Layout::kPlain;  // kUnaligned: weights left in a model file
};

}  // namespace polder
