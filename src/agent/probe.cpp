#include "agent/probe.h"

#include <algorithm>

#include "base/fail.h"
#include "proto/worker.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kLookMs = 200;
constexpr std::uint64_t kProbeCpuS = 600;

constexpr int kKill = 9;  // SIGKILL: of the kernel, when memory or processor time has run out

Error crashed(const ChildExit& exit) {
  if (exit.signal == kKill) {
    return fail(Code::kExhausted,
                "its process was killed, after {:.1f} s of processor and with {} KB",
                double(exit.cpu_us) * 1e-6, exit.max_resident_bytes >> 10);
  }
  if (exit.signal != 0)
    return fail(Code::kCorrupt, "its process was ended by signal {}", exit.signal);
  return fail(Code::kCorrupt, "its process ended with status {} and without a word", exit.status);
}

// What the process says at its end.
Result<proto::ProbeResult> result_of(ChildProcess& child, Clock& clock, const Alive& alive) {
  const std::int64_t deadline_us = clock.now_us() + kProbeTimeoutMs * 1000;
  while (clock.now_us() < deadline_us) {
    TRY(alive());
    auto bytes = child.receive(kLookMs);
    if (!bytes.ok()) {
      if (bytes.error().code != Code::kUnavailable) return std::move(bytes).error();
      TRY_VALUE(const auto exit, child.wait(kLookMs));
      if (exit) return crashed(*exit);
      continue;
    }
    if (!*bytes) continue;
    TRY_VALUE(const proto::FromWorker message, proto::decode_from_worker(**bytes));
    if (const auto* result = std::get_if<proto::ProbeResult>(&message)) return *result;
    if (!std::holds_alternative<proto::Heartbeat>(message))
      return fail(Code::kCorrupt, "its process says what no probe says");
  }
  return fail(Code::kTimeout, "not done after {} s", kProbeTimeoutMs / 1000);
}

proto::Probe job_of(const StagedRelease& staged, const StagedModel& model, proto::ModelFile file,
                    const Storage& storage) {
  proto::Probe probe{.model = std::move(file), .runs = kProbeRuns};
  const auto files_of = [&](const std::vector<trust::GoldenTensor>& tensors) {
    std::vector<proto::GoldenFile> files;
    for (const trust::GoldenTensor& tensor : tensors)
      files.push_back({tensor.name, storage.path(staged.golden(tensor.blob))});
    return files;
  };
  for (const trust::Golden& golden : staged.manifest.goldens) {
    if (golden.artifact != model.artifact.name) continue;
    probe.goldens.push_back({golden.name, files_of(golden.inputs), files_of(golden.outputs),
                             golden.absolute, golden.relative});
  }
  return probe;
}

// A latency that is too high may be the machine's, which is busy: kTimeout blames nobody.
Status check_limits(const trust::Limits& limits, const proto::ProbeResult& result) {
  if (limits.memory_bytes && result.memory_bytes > std::uint64_t(*limits.memory_bytes)) {
    return fail(Code::kIncompatible, "takes {} bytes of memory, the release allows {}",
                result.memory_bytes, *limits.memory_bytes);
  }
  if (!limits.latency_ms) return {};
  if (result.p99_ms <= 0) {
    return fail(Code::kIncompatible,
                "a limit of latency, and nothing to measure it with: give the release a golden");
  }
  if (result.p99_ms > *limits.latency_ms) {
    return fail(Code::kTimeout, "p99 is {:.3f} ms here, the release allows {:.3f} ms",
                result.p99_ms, *limits.latency_ms);
  }
  return {};
}

// Of a process that has run out of memory: how much this device and the release let it have.
std::string memory_given(const WorkerPolicy& policy, const trust::Limits& limits) {
  const std::string allowed = limits.memory_bytes
                                  ? fmt::format("allows it {} MB", *limits.memory_bytes >> 20)
                                  : "sets it no limit";
  return fmt::format("its release {}; raise [worker] memory_mb = {} of polderd.toml", allowed,
                     policy.memory_bytes >> 20);
}

// That a device cannot start a process is no fault of a release.
Result<std::unique_ptr<ChildProcess>> start(const ChildOptions& options, Processes& processes) {
  auto child = processes.start(options);
  if (!child.ok()) return Error{Code::kUnavailable, child.error().message};
  return child;
}

Result<proto::ProbeResult> probe_once(const proto::Probe& job, Processes& processes, Clock& clock,
                                      const WorkerPolicy& policy, const trust::Limits& limits,
                                      const Alive& alive) {
  TRY_VALUE(std::string message, proto::encode(proto::ToWorker(job)));
  TRY_VALUE(const auto child, start({.command = policy.command,
                                     .environment = {},
                                     .memory_bytes = policy.memory_bytes,
                                     .cpu_s = kProbeCpuS},
                                    processes));
  Status sent = child->send(message);
  wipe(message);
  // One that has ended already is heard below.
  if (!sent && sent.error().code != Code::kUnavailable) return std::move(sent).error();
  TRY_VALUE(proto::ProbeResult result, result_of(*child, clock, alive));
  if (result.error == Code::kExhausted && policy.memory_bytes > 0)
    return fail(*result.error, "{}; {}", result.message, memory_given(policy, limits));
  if (result.error) return fail(*result.error, "{}", result.message);
  return result;
}

Status probe_model(const StagedRelease& staged, const StagedModel& model, const Storage& storage,
                   Processes& processes, Clock& clock, const WorkerPolicy& policy,
                   const OpenModel& open_model, const Alive& alive) {
  auto file = open_model(model);
  // Who may open it is no fault of the release: that may be mended without a new version.
  if (!file.ok()) return Error{Code::kUnavailable, file.error().message};
  const proto::Probe job = job_of(staged, model, std::move(*file), storage);
  const trust::Limits limits = staged.manifest.limits_of(model.artifact);
  Status status;
  for (int tries = 0; tries < kProbeTries; ++tries) {
    TRY_VALUE(const proto::ProbeResult result,
              probe_once(job, processes, clock, policy, limits, alive));
    status = check_limits(limits, result);
    if (status.ok()) break;
  }
  return status;
}

// A program that cannot even say its version is no polderd for this device.
Status probe_program(const std::string& path, Processes& processes, Clock& clock,
                     const Alive& alive) {
  TRY_VALUE(const auto child,
            start({.command = {path, "--version"}, .environment = {}}, processes));
  const std::int64_t deadline_us = clock.now_us() + kProbeTimeoutMs * 1000;
  while (clock.now_us() < deadline_us) {
    TRY(alive());
    TRY_VALUE(const auto exit, child->wait(kLookMs));
    if (!exit) continue;
    if (exit->status == 0 && exit->signal == 0) return {};
    return crashed(*exit);
  }
  return fail(Code::kTimeout, "'--version' does not end");
}

}  // namespace

Status probe_release(const StagedRelease& staged, const Storage& storage, Processes& processes,
                     Clock& clock, const WorkerPolicy& policy, const OpenModel& open_model,
                     const Alive& alive) {
  for (const StagedModel& model : staged.models) {
    const bool is_program = model.artifact.kind == trust::ArtifactKind::kRuntime;
    Status status = is_program ? probe_program(storage.path(model.name), processes, clock, alive)
                               : probe_model(staged, model, storage, processes, clock, policy,
                                             open_model, alive);
    if (!status) return std::move(status).error().at("'" + model.artifact.name + "'");
  }
  return {};
}

}  // namespace polder::agent
