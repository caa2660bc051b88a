// The worker's half of a probe. Inside this room.
#pragma once

#include "proto/worker.h"

namespace polder::agent {

// Opens the model, runs its goldens, measures it: the p99 over `probe.runs` runs of the first
// golden (0 ms without a golden), and the anonymous memory of this process after them. The content
// key is wiped once the model is open.
proto::ProbeResult run_probe(proto::Probe& probe);

}  // namespace polder::agent
