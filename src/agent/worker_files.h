// Which files a worker may read once it knows what it is to do. Inside this room.
#pragma once

#include <string>
#include <vector>

#include "pipeline/graph.h"
#include "proto/worker.h"

namespace polder::agent {

// The slot, the shadows' models, what the sources read, and what plug-ins need to be loaded.
std::vector<std::string> files_of(const proto::Start& start, const pipeline::Graph& graph);
// The model and its goldens.
std::vector<std::string> files_of(const proto::Probe& probe);

}  // namespace polder::agent
