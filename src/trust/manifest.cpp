#include "trust/manifest.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "base/fail.h"
#include "base/text.h"
#include "trust/chunks.h"
#include "trust/spdx.h"
#include "trust/tuf_metadata.h"

namespace polder::trust {

namespace {

Error invalid(std::string message) { return Error{Code::kInvalid, std::move(message)}; }

Status check_limits(const Limits& limits, std::string_view where) {
  if (limits.latency_ms && !(*limits.latency_ms > 0 && *limits.latency_ms <= kMaxLatencyMs)) {
    return fail(Code::kInvalid, "{}.latency_ms: more than 0 and at most {} expected, {} found",
                where, kMaxLatencyMs, *limits.latency_ms);
  }
  if (limits.memory_bytes && (*limits.memory_bytes < 1 || *limits.memory_bytes > kMaxMemoryBytes)) {
    return fail(Code::kInvalid, "{}.memory_bytes: from 1 to {} expected, {} found", where,
                kMaxMemoryBytes, *limits.memory_bytes);
  }
  return {};
}

Status check_requires(const Artifact& artifact, std::string_view where) {
  const Requires& requirement = artifact.requirement;
  const bool is_plan = artifact.kind == ArtifactKind::kPlan;
  if (is_plan != requirement.plan_format.has_value()) {
    return fail(Code::kInvalid, "{}.requires.plan_format: {}", where,
                is_plan ? "missing: every plan has one" : "only plans have one");
  }
  if (!is_plan && !requirement.operators.empty()) {
    return fail(Code::kInvalid, "{}.requires.operators: only plans have them", where);
  }
  const std::string_view backend = requirement.backend;
  if (is_plan && backend != "native") {
    return fail(Code::kInvalid, "{}.requires.backend: plans run on 'native', not '{}'", where,
                clipped(backend));
  }
  if ((artifact.kind == ArtifactKind::kRuntime) != backend.empty()) {
    return fail(Code::kInvalid, "{}.requires.backend: {}", where,
                backend.empty() ? "missing: what is to run the model?" : "a runtime has none");
  }
  return {};
}

Status check_artifacts(const Manifest& manifest) {
  if (manifest.artifacts.empty()) return invalid("artifacts: none; a release holds at least one");
  std::set<std::tuple<std::string_view, ArtifactKind, std::string_view, std::string_view>> seen;
  for (std::size_t i = 0; i < manifest.artifacts.size(); ++i) {
    const Artifact& artifact = manifest.artifacts[i];
    const std::string where = fmt::format("artifacts[{}] '{}'", i, clipped(artifact.name));
    if (!is_release_name(artifact.name)) return invalid(not_a_name(where + ".name", artifact.name));
    if (!is_release_name(artifact.target))
      return invalid(not_a_name(where + ".target", artifact.target));
    TRY(check_requires(artifact, where));
    TRY(check_limits(artifact.limits, where + ".limits"));
    if (artifact.sealed && (artifact.sealed->bytes < 0 || artifact.sealed->bytes > kMaxBlobBytes)) {
      return fail(Code::kExhausted, "{}.sealed.bytes: {}; {} at most", where,
                  artifact.sealed->bytes, kMaxBlobBytes);
    }
    if (!seen.emplace(artifact.name, artifact.kind, artifact.target, artifact.requirement.backend)
             .second) {
      return fail(Code::kInvalid, "{}: a second {} of that name for {}", where,
                  artifact_kind_name(artifact.kind), artifact.target);
    }
  }
  return {};
}

Status check_pipeline(const Manifest& manifest) {
  if (!manifest.pipeline) return {};
  for (const auto& file : manifest.pipeline->files) {
    if (!is_release_name(file.first)) {
      return fail(Code::kInvalid, "pipeline.files: '{}' is no name", clipped(file.first));
    }
    const auto has_name = [&](const Artifact& artifact) { return artifact.name == file.first; };
    if (std::ranges::any_of(manifest.artifacts, has_name)) {
      return fail(Code::kInvalid, "pipeline.files: '{}' is an artifact's name too", file.first);
    }
  }
  return {};
}

Status check_goldens(const Manifest& manifest) {
  std::set<std::string_view> names;
  for (const Golden& golden : manifest.goldens) {
    const std::string where = fmt::format("goldens '{}'", clipped(golden.name));
    if (!is_release_name(golden.name)) return invalid(not_a_name(where + ".name", golden.name));
    if (!names.insert(golden.name).second) return invalid(where + ": that name twice");
    const bool known = std::ranges::any_of(manifest.artifacts, [&](const Artifact& artifact) {
      return artifact.name == golden.artifact && artifact.kind != ArtifactKind::kRuntime;
    });
    if (!known) {
      return fail(Code::kInvalid, "{}.artifact: the release has no model '{}'", where,
                  clipped(golden.artifact));
    }
    if (golden.outputs.empty()) return invalid(where + ".outputs: none; there is nothing to check");
    for (const double tolerance : {golden.absolute, golden.relative}) {
      if (!std::isfinite(tolerance) || tolerance < 0) {
        return fail(Code::kInvalid, "{}: a tolerance of at least 0 expected, {} found", where,
                    tolerance);
      }
    }
  }
  return {};
}

Status check_baselines(const Manifest& manifest) {
  std::set<std::string_view> signals;
  for (const Baseline& baseline : manifest.baselines) {
    const std::string where = fmt::format("baselines '{}'", clipped(baseline.signal));
    if (!is_release_name(baseline.signal))
      return invalid(not_a_name(where + ".signal", baseline.signal));
    if (!signals.insert(baseline.signal).second) return invalid(where + ": that signal twice");
    for (std::size_t i = 0; i < baseline.edges.size(); ++i) {
      const bool rises = i == 0 || baseline.edges[i - 1] < baseline.edges[i];
      if (std::isfinite(baseline.edges[i]) && rises) continue;
      return fail(Code::kInvalid, "{}.edges[{}]: a number above the one before expected, {} found",
                  where, i, baseline.edges[i]);
    }
    std::int64_t total = 0;
    for (const std::int64_t count : baseline.counts) {
      if (count < 0 || count > (std::int64_t(1) << 53)) {
        return fail(Code::kInvalid, "{}.counts: {}: from 0 to 2^53 expected", where, count);
      }
      total += count;
    }
    if (total == 0) return invalid(where + ".counts: all 0; a reference needs observations");
  }
  return {};
}

Status check_provenance(const Manifest& manifest) {
  for (const Parent& parent : manifest.lineage.parents) {
    if (!is_release_name(parent.model)) {
      return fail(Code::kInvalid, "lineage.parents: '{}' is no name", clipped(parent.model));
    }
  }
  for (const Dataset& dataset : manifest.lineage.datasets) {
    if (dataset.name.empty()) return invalid("lineage.datasets: one without a name");
    if (!dataset.licence.empty()) {
      TRY(check_spdx(dataset.licence,
                     fmt::format("lineage.datasets '{}'.licence", clipped(dataset.name))));
    }
  }
  for (const Metric& metric : manifest.card.metrics) {
    if (metric.name.empty()) return invalid("card.metrics: one without a name");
    if (!std::isfinite(metric.value)) {
      return fail(Code::kInvalid, "card.metrics '{}': a finite number expected",
                  clipped(metric.name));
    }
  }
  return {};
}

// Every reference is in the table, everything in the table is referred to, and sizes are sane.
Status check_blobs(const Manifest& manifest) {
  const std::set<Sha256> references = manifest.references();
  for (const Sha256& digest : references) {
    if (manifest.find_blob(digest) == nullptr) {
      return fail(Code::kInvalid, "blobs: {} is referred to, but not in the table", hex(digest));
    }
  }
  std::int64_t total = 0;
  for (const auto& [digest, blob] : manifest.blobs) {
    if (!references.contains(digest)) {
      return fail(Code::kInvalid, "blobs: nothing refers to {}", hex(digest));
    }
    if (blob.bytes < 0 || blob.bytes > kMaxBlobBytes) {
      return fail(Code::kExhausted, "blobs: {} has {} bytes; {} at most", hex(digest), blob.bytes,
                  kMaxBlobBytes);
    }
    total += blob.bytes;
    if (total > kMaxReleaseBytes) {
      return fail(Code::kExhausted, "blobs: more than {} bytes together", kMaxReleaseBytes);
    }
  }
  return {};
}

Status check_size(const Manifest& manifest, const Sha256& digest, std::int64_t most,
                  std::string_view what) {
  const std::int64_t bytes = manifest.find_blob(digest)->bytes;
  if (bytes <= most) return {};
  return fail(Code::kExhausted, "{}: {} bytes; {} at most", what, bytes, most);
}

// Of blobs that are read whole.
Status check_sizes(const Manifest& manifest) {
  TRY(check_size(manifest, manifest.sbom, kMaxSbomBytes, "sbom"));
  if (manifest.pipeline) {
    TRY(check_size(manifest, manifest.pipeline->blob, kMaxPipelineBytes, "pipeline"));
  }
  for (const Golden& golden : manifest.goldens) {
    for (const auto* tensors : {&golden.inputs, &golden.outputs}) {
      for (const GoldenTensor& tensor : *tensors) {
        TRY(check_size(manifest, tensor.blob, kMaxGoldenBytes,
                       fmt::format("goldens '{}': '{}'", golden.name, clipped(tensor.name))));
      }
    }
  }
  for (const Artifact& artifact : manifest.artifacts) {
    if (artifact.sealed && artifact.sealed->chunks) {
      TRY(check_size(manifest, *artifact.sealed->chunks, std::int64_t(kMaxChunkIndexBytes),
                     "a chunk index"));
    }
  }
  for (const auto& [digest, blob] : manifest.blobs) {
    if (!blob.chunks) continue;
    if (manifest.find_blob(*blob.chunks)->chunks) {
      return fail(Code::kInvalid, "blobs: the chunk index {} has chunks itself", hex(*blob.chunks));
    }
    TRY(check_size(manifest, *blob.chunks, std::int64_t(kMaxChunkIndexBytes), "a chunk index"));
  }
  return {};
}

void put_text(Json::Members& members, const char* name, const std::string& text) {
  if (!text.empty()) members[name] = text;
}
void put_list(Json::Members& members, const char* name, Json::Array items) {
  if (!items.empty()) members[name] = std::move(items);
}
void put_members(Json::Members& members, const char* name, Json::Members part) {
  if (!part.empty()) members[name] = std::move(part);
}

template <class Items, class F>
Json::Array list_of(const Items& items, const F& json_of) {
  Json::Array array;
  for (const auto& item : items) array.push_back(json_of(item));
  return array;
}

Json::Members json_of(const Limits& limits) {
  Json::Members members;
  if (limits.latency_ms) members["latency_ms"] = *limits.latency_ms;
  if (limits.memory_bytes) members["memory_bytes"] = *limits.memory_bytes;
  return members;
}

Json json_of(const Artifact& artifact) {
  Json::Members needs, operators;
  if (artifact.requirement.plan_format) needs["plan_format"] = *artifact.requirement.plan_format;
  for (const auto& [name, version] : artifact.requirement.operators) operators[name] = version;
  put_members(needs, "operators", std::move(operators));
  put_text(needs, "backend", artifact.requirement.backend);
  Json::Members members{{"name", artifact.name},
                        {"kind", artifact_kind_name(artifact.kind)},
                        {"target", artifact.target},
                        {"blob", hex(artifact.blob)}};
  put_members(members, "requires", std::move(needs));
  put_members(members, "limits", json_of(artifact.limits));
  if (artifact.sealed) {
    Json::Members sealed{{"file_id", hex(artifact.sealed->file_id)},
                         {"sha256", hex(artifact.sealed->sha256)},
                         {"bytes", artifact.sealed->bytes}};
    if (artifact.sealed->chunks) sealed["chunks"] = hex(*artifact.sealed->chunks);
    members["sealed"] = std::move(sealed);
  }
  return members;
}

Json json_of(const Pipeline& pipeline) {
  Json::Members members{{"blob", hex(pipeline.blob)}}, files;
  for (const auto& [name, digest] : pipeline.files) files[name] = hex(digest);
  put_members(members, "files", std::move(files));
  return members;
}

Json json_of(const Golden& golden) {
  const auto tensor = [](const GoldenTensor& one) {
    return Json(Json::Members{{"name", one.name}, {"blob", hex(one.blob)}});
  };
  Json::Members members{{"name", golden.name},
                        {"artifact", golden.artifact},
                        {"outputs", list_of(golden.outputs, tensor)},
                        {"absolute", golden.absolute},
                        {"relative", golden.relative}};
  put_list(members, "inputs", list_of(golden.inputs, tensor));
  return members;
}

Json json_of(const Baseline& baseline) {
  const auto number = [](auto value) { return Json(value); };
  return Json::Members{{"signal", baseline.signal},
                       {"kind", baseline.is_score ? "score" : "input"},
                       {"edges", list_of(baseline.edges, number)},
                       {"counts", list_of(baseline.counts, number)}};
}

Json::Members json_of(const Lineage& lineage) {
  Json::Members members;
  put_list(members, "parents", list_of(lineage.parents, [](const Parent& parent) {
             return Json(Json::Members{{"model", parent.model},
                                       {"version", parent.version.text()},
                                       {"manifest", hex(parent.manifest)}});
           }));
  put_list(members, "datasets", list_of(lineage.datasets, [](const Dataset& dataset) {
             Json::Members one{{"name", dataset.name}, {"sha256", hex(dataset.sha256)}};
             put_text(one, "licence", dataset.licence);
             return Json(std::move(one));
           }));
  if (lineage.recipe) members["recipe"] = hex(*lineage.recipe);
  return members;
}

Json::Members json_of(const ModelCard& card) {
  Json::Members members;
  put_text(members, "summary", card.summary);
  put_text(members, "intended_use", card.intended_use);
  put_text(members, "limitations", card.limitations);
  put_text(members, "training_data", card.training_data);
  put_text(members, "evaluation_data", card.evaluation_data);
  put_text(members, "ethics", card.ethics);
  put_text(members, "contact", card.contact);
  put_list(members, "metrics", list_of(card.metrics, [](const Metric& metric) {
             Json::Members one{{"name", metric.name}, {"value", metric.value}};
             put_text(one, "slice", metric.slice);
             return Json(std::move(one));
           }));
  return members;
}

Json json_of(const std::pair<const Sha256, Blob>& entry) {
  Json::Members members{{"sha256", hex(entry.first)}, {"bytes", entry.second.bytes}};
  if (entry.second.chunks) members["chunks"] = hex(*entry.second.chunks);
  return members;
}

template <class T>
std::size_t rank_of(const std::vector<T>& preferred, const T& item) {
  return std::size_t(std::ranges::find(preferred, item) - preferred.begin());
}

// What the device lacks for the artifact; empty when it runs there.
std::string lacking(const Artifact& artifact, const Device& device) {
  if (rank_of(device.targets, artifact.target) == device.targets.size()) return "another target";
  if (artifact.kind == ArtifactKind::kRuntime) return {};
  const Requires& needs = artifact.requirement;
  if (rank_of(device.backends, needs.backend) == device.backends.size()) {
    return fmt::format("needs backend {}", needs.backend);
  }
  if (needs.plan_format && *needs.plan_format != device.plan_format) {
    return fmt::format("needs plan format {}", *needs.plan_format);
  }
  for (const auto& [name, version] : needs.operators) {
    const auto found = device.operators.find(name);
    if (found == device.operators.end()) return fmt::format("needs operator {}", name);
    if (found->second != version) {
      return fmt::format("needs operator {} version {}, the device has version {}", name, version,
                         found->second);
    }
  }
  return {};
}

Error no_artifact(const Manifest& manifest, const Device& device, std::string_view name) {
  std::string has;
  for (const Artifact& artifact : manifest.artifacts) {
    if (artifact.name != name) continue;
    has += fmt::format("{}{} for {}{}{} ({})", has.empty() ? "" : "; ",
                       artifact_kind_name(artifact.kind), artifact.target,
                       artifact.requirement.backend.empty() ? "" : " on ",
                       artifact.requirement.backend, lacking(artifact, device));
  }
  return fail(Code::kIncompatible,
              "{} {}: nothing of '{}' runs on this device, which takes {} by {} with plan format "
              "{}. The release has: {}. Release it for this device, or update its runtime",
              manifest.model, manifest.version.text(), name, fmt::join(device.targets, ", "),
              fmt::join(device.backends, ", "), device.plan_format, has);
}

}  // namespace

bool is_release_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxReleaseNameBytes) return false;
  if (name[0] == '.' || name[0] == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
  });
}

std::string not_a_name(std::string_view where, std::string_view name) {
  return fmt::format(
      "{}: a name of 1 to {} letters, digits, '.', '-' and '_', none of '.-' in front, expected, "
      "'{}' found",
      where, kMaxReleaseNameBytes, clipped(name));
}

std::string_view artifact_kind_name(ArtifactKind kind) {
  static constexpr std::string_view kNames[] = {"plan", "tflite", "onnx", "runtime"};
  return kNames[int(kind)];
}

const Blob* Manifest::find_blob(const Sha256& digest) const {
  const auto found = blobs.find(digest);
  return found == blobs.end() ? nullptr : &found->second;
}

std::set<Sha256> Manifest::references() const {
  std::set<Sha256> all{sbom};
  for (const Artifact& artifact : artifacts) {
    all.insert(artifact.blob);
    if (artifact.sealed && artifact.sealed->chunks) all.insert(*artifact.sealed->chunks);
  }
  if (pipeline) {
    all.insert(pipeline->blob);
    for (const auto& [name, digest] : pipeline->files) all.insert(digest);
  }
  for (const Golden& golden : goldens) {
    for (const GoldenTensor& tensor : golden.inputs) all.insert(tensor.blob);
    for (const GoldenTensor& tensor : golden.outputs) all.insert(tensor.blob);
  }
  for (const auto& [digest, blob] : blobs) {
    if (blob.chunks) all.insert(*blob.chunks);
  }
  return all;
}

Limits Manifest::limits_of(const Artifact& artifact) const {
  Limits both = artifact.limits;
  if (!both.latency_ms) both.latency_ms = limits.latency_ms;
  if (!both.memory_bytes) both.memory_bytes = limits.memory_bytes;
  return both;
}

Status Manifest::validate() const {
  if (!is_release_name(model)) return invalid(not_a_name("model", model));
  TRY(check_spdx(licence, "licence"));
  TRY(check_artifacts(*this));
  TRY(check_pipeline(*this));
  TRY(check_goldens(*this));
  TRY(check_baselines(*this));
  TRY(check_limits(limits, "limits"));
  TRY(check_provenance(*this));
  TRY(check_blobs(*this));
  return check_sizes(*this);
}

Json Manifest::to_json() const {
  Json::Members members{
      {"format", kManifestFormat},
      {"model", model},
      {"version", version.text()},
      {"created", tuf::time_text(created_s)},
      {"licence", licence},
      {"artifacts", list_of(artifacts, [](const Artifact& one) { return json_of(one); })},
      {"sbom", hex(sbom)},
      {"blobs", list_of(blobs, [](const auto& one) { return json_of(one); })}};
  if (pipeline) members["pipeline"] = json_of(*pipeline);
  put_list(members, "goldens", list_of(goldens, [](const Golden& one) { return json_of(one); }));
  put_list(members, "baselines",
           list_of(baselines, [](const Baseline& one) { return json_of(one); }));
  put_members(members, "limits", json_of(limits));
  put_members(members, "lineage", json_of(lineage));
  put_members(members, "card", json_of(card));
  return members;
}

Result<const Artifact*> choose_artifact(const Manifest& manifest, const Device& device,
                                        std::string_view name) {
  const Artifact* best = nullptr;
  bool found = false;
  const auto rank = [&](const Artifact& artifact) {
    return std::tuple(rank_of(device.backends, artifact.requirement.backend),
                      rank_of(device.targets, artifact.target), artifact.kind);
  };
  for (const Artifact& artifact : manifest.artifacts) {
    if (artifact.name != name) continue;
    found = true;
    if (!lacking(artifact, device).empty()) continue;
    if (best == nullptr || rank(artifact) < rank(*best)) best = &artifact;
  }
  if (best != nullptr) return best;
  if (found) return no_artifact(manifest, device, name);
  return fail(Code::kNotFound, "{} {} has nothing called '{}'", manifest.model,
              manifest.version.text(), clipped(name));
}

Result<std::vector<const Artifact*>> choose_artifacts(const Manifest& manifest,
                                                      const Device& device) {
  std::set<std::string_view> names;
  for (const Artifact& artifact : manifest.artifacts) names.insert(artifact.name);
  std::vector<const Artifact*> chosen;
  for (const std::string_view name : names) {
    TRY_VALUE(const Artifact* artifact, choose_artifact(manifest, device, name));
    chosen.push_back(artifact);
  }
  return chosen;
}

}  // namespace polder::trust
