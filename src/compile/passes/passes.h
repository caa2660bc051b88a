// The passes, each in the file of its name.
#pragma once

#include "graph/graph.h"

namespace polder::compile {

Status fold(Graph& graph);
Status simplify(Graph& graph);
Status cancel_transposes(Graph& graph);
Status fuse_normalisation(Graph& graph);
Status fuse_activations(Graph& graph);
Status fuse_residuals(Graph& graph);

}  // namespace polder::compile
