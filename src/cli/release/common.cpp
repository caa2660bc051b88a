#include "cli/release/common.h"

#include <algorithm>
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {

namespace {

using release::GoldenOutcome;
using release::GoldenResult;
using trust::Json;

std::string_view outcome_name(GoldenOutcome outcome) {
  switch (outcome) {
    case GoldenOutcome::kHeld: return "held";
    case GoldenOutcome::kBroken: return "broken";
    case GoldenOutcome::kNotTried: break;
  }
  return "not_tried";
}

// All that may have to be fetched.
std::int64_t total_bytes(const trust::Manifest& manifest) {
  std::int64_t total = 0;
  for (const auto& [digest, blob] : manifest.blobs) total += blob.bytes;
  return total;
}

void print_artifact(const trust::Manifest& manifest, const trust::Artifact& artifact) {
  const trust::Blob& blob = *manifest.find_blob(artifact.blob);
  fmt::print("  {:<24} {:<8} {:<10} {:>10}{}{}\n", artifact.name, artifact_kind_name(artifact.kind),
             artifact.target, bytes_text(std::uint64_t(blob.bytes)),
             artifact.sealed ? ", sealed" : "", blob.chunks ? ", in chunks" : "");
  if (artifact.sealed)
    fmt::print("  {:<24} file id {}\n", "", trust::hex(artifact.sealed->file_id));
}

}  // namespace

Json::Members release_json(const trust::ReleaseFolder& release) {
  return {{"folder", release.folder},
          {"sha256", trust::hex(release.digest())},
          {"target", release.target()},
          {"bytes", total_bytes(release.manifest)},
          {"manifest", release.manifest.to_json()}};
}

void print_release(const trust::ReleaseFolder& release) {
  const trust::Manifest& manifest = release.manifest;
  fmt::print("{}: {} {}, {}, made {}\n", one_line(release.folder), manifest.model,
             manifest.version.text(), manifest.licence, trust::tuf::time_text(manifest.created_s));
  if (!manifest.card.summary.empty()) fmt::print("  {}\n", one_line(manifest.card.summary));
  for (const trust::Artifact& artifact : manifest.artifacts) print_artifact(manifest, artifact);
  fmt::print("  {} blobs, {} in all; {}, {} golden(s), {} baseline(s)\n", manifest.blobs.size(),
             bytes_text(std::uint64_t(total_bytes(manifest))),
             manifest.pipeline ? "a pipeline" : "no pipeline", manifest.goldens.size(),
             manifest.baselines.size());
  fmt::print("  manifest {}\n", trust::hex(release.digest()));
}

Json goldens_json(std::span<const GoldenResult> goldens) {
  Json::Array list;
  for (const GoldenResult& golden : goldens) {
    Json::Members entry{{"golden", golden.golden},
                        {"artifact", golden.artifact},
                        {"target", golden.target},
                        {"outcome", outcome_name(golden.outcome)}};
    if (golden.outcome == GoldenOutcome::kHeld) entry["largest_difference"] = golden.largest;
    else entry["reason"] = golden.reason;
    list.emplace_back(std::move(entry));
  }
  return list;
}

void print_goldens(std::span<const GoldenResult> goldens) {
  for (const GoldenResult& golden : goldens) {
    const std::string what = golden.outcome == GoldenOutcome::kHeld
                                 ? fmt::format("held, off by at most {:g}", golden.largest)
                             : golden.outcome == GoldenOutcome::kBroken
                                 ? "BROKEN: " + one_line(golden.reason)
                                 : "not tried here: " + one_line(golden.reason);
    fmt::print("  golden {} on {} for {}: {}\n", golden.golden, golden.artifact, golden.target,
               what);
  }
}

namespace {

std::string_view outcome_name(const release::LimitsResult& result) {
  return !result.was_tried ? "not_tried" : result.is_missed() ? "missed" : "kept";
}

// "p99 1.250 of 40 ms, memory 1.2 MB of 64.0 MB"
std::string measured(const release::LimitsResult& result) {
  std::string text;
  if (result.limits.latency_ms && result.p99_ms > 0)
    text = fmt::format("p99 {:.3f} of {:g} ms", result.p99_ms, *result.limits.latency_ms);
  if (result.limits.memory_bytes) {
    text += fmt::format("{}memory {} of {}", text.empty() ? "" : ", ",
                        bytes_text(std::uint64_t(result.memory_bytes)),
                        bytes_text(std::uint64_t(*result.limits.memory_bytes)));
  }
  return text;
}

}  // namespace

Json limits_json(std::span<const release::LimitsResult> limits) {
  Json::Array list;
  for (const release::LimitsResult& result : limits) {
    Json::Members entry{{"artifact", result.artifact},
                        {"target", result.target},
                        {"outcome", outcome_name(result)}};
    if (result.was_tried) entry["memory_bytes"] = result.memory_bytes;
    if (result.p99_ms > 0) entry["p99_ms"] = result.p99_ms;
    if (!result.reason.empty()) entry["reason"] = result.reason;
    list.emplace_back(std::move(entry));
  }
  return list;
}

void print_limits(std::span<const release::LimitsResult> limits) {
  for (const release::LimitsResult& result : limits) {
    const std::string what = !result.was_tried    ? "not tried here: " + one_line(result.reason)
                             : result.is_missed() ? "MISSED here: " + result.reason
                                                  : "kept here: " + measured(result);
    fmt::print("  limits of {} for {}: {}\n", result.artifact, result.target, what);
  }
}

bool all_hold(std::span<const GoldenResult> goldens) {
  return std::ranges::none_of(
      goldens, [](const GoldenResult& golden) { return golden.outcome == GoldenOutcome::kBroken; });
}

}  // namespace polder::cli
