// The worker: the process that runs a release's pipeline, or probes a model of it, with no keys and
// no network, and tells its supervisor numbers (proto/worker.h).
//
//   int main() { return polder::agent::run_worker(); }
//
// It confines itself before it reads anything of the release: to the system calls that running it
// takes, so no network, programs, other processes; and once it knows what it is to do, to the files
// of that (agent/worker_files.h).
#pragma once

namespace polder::agent {

// For a process with one thread that a supervisor has started. Returns what the process is to
// return: 0 when the pipeline ended or was stopped, 1 for an error, which it has told.
int run_worker();

}  // namespace polder::agent
