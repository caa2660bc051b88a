// Whether a staged release does on this device what its manifest says: each of its models is opened
// in a confined process of its own, runs its goldens and is measured; a new polderd must start.
#pragma once

#include <polder/error.h>

#include <functional>
#include <string>

#include "agent/slots.h"
#include "agent/worker_policy.h"
#include "platform/child.h"
#include "platform/clock.h"
#include "platform/storage.h"
#include "proto/worker.h"

namespace polder::agent {

// Runs that are timed for the p99 of a model, beside its goldens.
inline constexpr std::uint32_t kProbeRuns = 50;
// A busy machine is slow, a slow release stays it: a latency above its limit is measured so often.
inline constexpr int kProbeTries = 3;
inline constexpr std::int64_t kProbeTimeoutMs = 600'000;  // of one process

// `alive` is called a few times a second; its error ends the probe and is returned. Errors of the
// release: kCorrupt for a golden that does not hold, a plan that is damaged and a process that
// crashes; kIncompatible above a limit and for a plan that this program does not run; kUnsupported.
// Not necessarily its own: kExhausted (memory), kTimeout, kIo, kUnavailable. All name the model.
// `open_model` gives what a worker opens a model by.
using OpenModel = std::function<Result<proto::ModelFile>(const StagedModel&)>;
Status probe_release(const StagedRelease& staged, const Storage& storage, Processes& processes,
                     Clock& clock, const WorkerPolicy& policy, const OpenModel& open_model,
                     const Alive& alive);

}  // namespace polder::agent
