// Which files a worker may open once it knows what it is to do. Inside this room.
#pragma once

#include "pipeline/graph.h"
#include "platform/confine_files.h"
#include "proto/worker.h"

namespace polder::agent {

// The slot, the shadows' models, what the sources read, the output folder, and what plug-ins need
// to be loaded.
FileAccess files_of(const proto::Start& start, const pipeline::Graph& graph);
// The model and its goldens.
FileAccess files_of(const proto::Probe& probe);

}  // namespace polder::agent
