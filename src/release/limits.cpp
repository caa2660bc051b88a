#include "release/limits.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "measure/latency.h"
#include "measure/memory.h"
#include "platform/clock.h"
#include "platform/host.h"

namespace polder::release {

namespace {

using trust::Artifact;
using trust::Limits;
using trust::ReleaseFolder;

// As agent/probe.h has them, so that a limit means the same here and there.
constexpr std::size_t kRuns = 50;
constexpr int kTries = 3;
constexpr std::int64_t kMeasureNs = 20'000'000'000;

Result<double> p99_ms_of(Session& session, const std::vector<OwnedTensor>& inputs) {
  std::vector<std::int64_t> took_ns;
  const std::int64_t begin_ns = monotonic_ns();
  while (took_ns.empty() || (took_ns.size() < kRuns && monotonic_ns() - begin_ns < kMeasureNs)) {
    const std::int64_t before_ns = monotonic_ns();
    TRY(run_once(session, inputs));
    took_ns.push_back(monotonic_ns() - before_ns);
  }
  std::ranges::sort(took_ns);
  return double(percentile_ns(took_ns, 99)) * 1e-6;
}

// What is missed; empty: nothing.
std::string missed(const LimitsResult& result) {
  const Limits& limits = result.limits;
  if (limits.memory_bytes && result.memory_bytes > *limits.memory_bytes) {
    return fmt::format("takes {} of memory here, above memory_bytes = {}",
                       bytes_text(std::uint64_t(result.memory_bytes)), *limits.memory_bytes);
  }
  if (!limits.latency_ms) return "";
  if (result.p99_ms <= 0)
    return "latency_ms is set, and there is no golden that it could be measured with";
  if (result.p99_ms <= *limits.latency_ms) return "";
  return fmt::format("p99 is {:.3f} ms here, above latency_ms = {:g}", result.p99_ms,
                     *limits.latency_ms);
}

Status try_on(const ReleaseFolder& release, const Artifact& artifact, const std::string& path,
              LimitsResult& result) {
  release_idle_memory();  // else the model is given pages that count already
  TRY_VALUE(const ProcessMemory before, process_memory());
  TRY_VALUE(const auto session, open_to_try(artifact, path, result.reason));
  if (!session) return {};
  result.was_tried = true;
  const auto golden =
      std::ranges::find(release.manifest.goldens, artifact.name, &trust::Golden::artifact);
  std::vector<OwnedTensor> inputs;
  if (golden != release.manifest.goldens.end()) {
    TRY_VALUE(inputs, read_tensors(release, golden->inputs));
    // Pages are taken as they are first written.
    TRY(run_once(*session, inputs));
  }
  TRY_VALUE(const ProcessMemory after, process_memory());
  result.memory_bytes = std::max<std::int64_t>(after.anon_bytes - before.anon_bytes, 0);
  for (int tries = 0; tries < kTries; ++tries) {
    if (golden != release.manifest.goldens.end()) {
      TRY_VALUE(result.p99_ms, p99_ms_of(*session, inputs));
    }
    result.reason = missed(result);
    if (result.reason.empty()) break;
  }
  return {};
}

}  // namespace

Result<std::vector<LimitsResult>> try_limits(const ReleaseFolder& release, const OpenFiles& open) {
  std::vector<LimitsResult> results;
  for (const Artifact& artifact : release.manifest.artifacts) {
    const Limits limits = release.manifest.limits_of(artifact);
    if (artifact.kind == trust::ArtifactKind::kRuntime || limits == Limits()) continue;
    LimitsResult result{artifact.name, artifact.target, limits};
    TRY(try_on(release, artifact, path_to_open(release, artifact, open), result));
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace polder::release
