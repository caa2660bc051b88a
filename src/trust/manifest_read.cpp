// A manifest from its JSON: kinds, ranges and unknown members. What must fit together is checked by
// Manifest::validate().
#include <cstring>

#include "base/fail.h"
#include "base/text.h"
#include "trust/manifest.h"
#include "trust/spdx.h"
#include "trust/tuf_metadata.h"

namespace polder::trust {

namespace {

constexpr std::size_t kMaxTextBytes = 256;

Result<std::string> read_name(const Object& object, std::string_view name) {
  TRY_VALUE(std::string text, object.text(name, kMaxTextBytes));
  if (is_release_name(text)) return text;
  return Error{Code::kCorrupt, not_a_name(object.place(name), text)};
}

Status read_optional_text(const Object& object, std::string_view name, std::size_t max_bytes,
                          std::string& into) {
  if (!object.has(name)) return {};
  TRY_VALUE(into, object.text(name, max_bytes));
  return {};
}

Result<std::int64_t> read_bytes(const Object& object, std::string_view name) {
  return object.integer(name, 0, kMaxBlobBytes);
}

// Each item of an optional list, as an Object with its place.
template <class F>
Status each(const Object& object, std::string_view name, std::size_t max_count, const F& read) {
  if (!object.has(name)) return {};
  TRY_VALUE(const Json::Array* items, object.array(name, max_count));
  for (std::size_t i = 0; i < items->size(); ++i) {
    TRY_VALUE(const Object item,
              Object::of((*items)[i], fmt::format("{}[{}]", object.place(name), i)));
    TRY(read(item));
  }
  return {};
}

Status read_limits(const Object& object, Limits& limits) {
  if (!object.has("limits")) return {};
  TRY_VALUE(const Object here, object.object("limits"));
  TRY(here.only({"latency_ms", "memory_bytes"}));
  if (here.has("latency_ms")) {
    TRY_VALUE(limits.latency_ms, here.number("latency_ms"));
  }
  if (here.has("memory_bytes")) {
    TRY_VALUE(limits.memory_bytes, here.integer("memory_bytes", 1, kMaxMemoryBytes));
  }
  return {};
}

Result<ArtifactKind> read_kind(const Object& object) {
  TRY_VALUE(const std::string text, object.text("kind"));
  for (const ArtifactKind kind :
       {ArtifactKind::kPlan, ArtifactKind::kTflite, ArtifactKind::kOnnx, ArtifactKind::kRuntime}) {
    if (artifact_kind_name(kind) == text) return kind;
  }
  return fail(Code::kCorrupt, "{}: plan, tflite, onnx or runtime expected, '{}' found",
              object.place("kind"), clipped(text));
}

Status read_requires(const Object& object, Requires& requirement) {
  if (!object.has("requires")) return {};
  TRY_VALUE(const Object here, object.object("requires"));
  TRY(here.only({"plan_format", "operators", "backend"}));
  if (here.has("plan_format")) {
    TRY_VALUE(requirement.plan_format, here.integer("plan_format", 1, UINT32_MAX));
  }
  if (here.has("backend")) {
    TRY_VALUE(requirement.backend, read_name(here, "backend"));
  }
  if (!here.has("operators")) return {};
  TRY_VALUE(const Object operators, here.object("operators"));
  if (operators.members().size() > kMaxRequiredOperators) {
    return fail(Code::kExhausted, "{}: {} operators; {} at most", operators.where(),
                operators.members().size(), kMaxRequiredOperators);
  }
  for (const auto& [name, version] : operators.members()) {
    TRY_VALUE(requirement.operators[name], operators.integer(name, 0, UINT16_MAX));
  }
  return {};
}

Status read_artifact(const Object& object, Manifest& manifest) {
  TRY(object.only({"name", "kind", "target", "requires", "blob", "sealed", "limits"}));
  Artifact artifact;
  TRY_VALUE(artifact.name, read_name(object, "name"));
  TRY_VALUE(artifact.kind, read_kind(object));
  TRY_VALUE(artifact.target, read_name(object, "target"));
  TRY(read_requires(object, artifact.requirement));
  TRY_VALUE(artifact.blob, read_digest(object, "blob"));
  TRY(read_limits(object, artifact.limits));
  if (object.has("sealed")) {
    TRY_VALUE(const Object sealed, object.object("sealed"));
    TRY(sealed.only({"file_id", "sha256", "bytes", "chunks"}));
    artifact.sealed.emplace();
    TRY_VALUE(artifact.sealed->file_id, read_digest(sealed, "file_id"));
    TRY_VALUE(artifact.sealed->sha256, read_digest(sealed, "sha256"));
    TRY_VALUE(artifact.sealed->bytes, read_bytes(sealed, "bytes"));
    if (sealed.has("chunks")) {
      TRY_VALUE(artifact.sealed->chunks, read_digest(sealed, "chunks"));
    }
  }
  manifest.artifacts.push_back(std::move(artifact));
  return {};
}

Status read_pipeline(const Object& object, Manifest& manifest) {
  if (!object.has("pipeline")) return {};
  TRY_VALUE(const Object here, object.object("pipeline"));
  TRY(here.only({"blob", "files"}));
  Pipeline& pipeline = manifest.pipeline.emplace();
  TRY_VALUE(pipeline.blob, read_digest(here, "blob"));
  if (!here.has("files")) return {};
  TRY_VALUE(const Object files, here.object("files"));
  if (files.members().size() > kMaxPipelineFiles) {
    return fail(Code::kExhausted, "{}: {} files; {} at most", files.where(), files.members().size(),
                kMaxPipelineFiles);
  }
  for (const auto& [name, digest] : files.members()) {
    TRY_VALUE(pipeline.files[name], read_digest(files, name));
  }
  return {};
}

Status read_tensors(const Object& object, std::string_view name, std::vector<GoldenTensor>& into) {
  return each(object, name, kMaxGoldenTensors, [&](const Object& item) -> Status {
    TRY(item.only({"name", "blob"}));
    GoldenTensor tensor;
    TRY_VALUE(tensor.name, item.text("name", kMaxTextBytes));
    TRY_VALUE(tensor.blob, read_digest(item, "blob"));
    into.push_back(std::move(tensor));
    return {};
  });
}

Status read_golden(const Object& object, Manifest& manifest) {
  TRY(object.only({"name", "artifact", "inputs", "outputs", "absolute", "relative"}));
  Golden golden;
  TRY_VALUE(golden.name, read_name(object, "name"));
  TRY_VALUE(golden.artifact, read_name(object, "artifact"));
  TRY(read_tensors(object, "inputs", golden.inputs));
  TRY(read_tensors(object, "outputs", golden.outputs));
  TRY_VALUE(golden.absolute, object.number("absolute"));
  TRY_VALUE(golden.relative, object.number("relative"));
  manifest.goldens.push_back(std::move(golden));
  return {};
}

// Exactly as many numbers as `into` has room for; `put` takes one, or says that it is none.
template <std::size_t N, class T, class F>
Status read_numbers(const Object& object, std::string_view name, std::array<T, N>& into,
                    const F& put) {
  TRY_VALUE(const Json::Array* items, object.array(name, N));
  if (items->size() != N) {
    return fail(Code::kCorrupt, "{}: {} numbers expected, {} found", object.place(name), N,
                items->size());
  }
  for (std::size_t i = 0; i < N; ++i) {
    if (put((*items)[i], into[i])) continue;
    return fail(Code::kCorrupt, "{}[{}]: a number of its kind and range expected, {} found",
                object.place(name), i, (*items)[i].kind());
  }
  return {};
}

bool put_edge(const Json& item, double& edge) {
  if (item.integer() != nullptr) edge = double(*item.integer());
  else if (item.number() != nullptr) edge = *item.number();
  else return false;
  return true;
}

bool put_count(const Json& item, std::int64_t& count) {
  if (item.integer() == nullptr || *item.integer() < 0) return false;
  count = *item.integer();
  return true;
}

Status read_baseline(const Object& object, Manifest& manifest) {
  TRY(object.only({"signal", "kind", "edges", "counts"}));
  Baseline baseline;
  TRY_VALUE(baseline.signal, read_name(object, "signal"));
  TRY_VALUE(const std::string kind, object.text("kind"));
  if (kind != "input" && kind != "score") {
    return fail(Code::kCorrupt, "{}: input or score expected, '{}' found", object.place("kind"),
                clipped(kind));
  }
  baseline.is_score = kind == "score";
  TRY(read_numbers(object, "edges", baseline.edges, put_edge));
  TRY(read_numbers(object, "counts", baseline.counts, put_count));
  manifest.baselines.push_back(baseline);
  return {};
}

Status read_parent(const Object& object, Lineage& lineage) {
  TRY(object.only({"model", "version", "manifest"}));
  Parent parent;
  TRY_VALUE(parent.model, read_name(object, "model"));
  TRY_VALUE(const std::string version, object.text("version"));
  TRY_VALUE(parent.version, Version::parse(version, object.place("version")));
  TRY_VALUE(parent.manifest, read_digest(object, "manifest"));
  lineage.parents.push_back(std::move(parent));
  return {};
}

Status read_dataset(const Object& object, Lineage& lineage) {
  TRY(object.only({"name", "sha256", "licence"}));
  Dataset dataset;
  TRY_VALUE(dataset.name, object.text("name", kMaxTextBytes));
  TRY_VALUE(dataset.sha256, read_digest(object, "sha256"));
  TRY(read_optional_text(object, "licence", kMaxLicenceBytes, dataset.licence));
  lineage.datasets.push_back(std::move(dataset));
  return {};
}

Status read_lineage(const Object& object, Lineage& lineage) {
  if (!object.has("lineage")) return {};
  TRY_VALUE(const Object here, object.object("lineage"));
  TRY(here.only({"parents", "datasets", "recipe"}));
  TRY(each(here, "parents", kMaxLineage,
           [&](const Object& item) { return read_parent(item, lineage); }));
  TRY(each(here, "datasets", kMaxLineage,
           [&](const Object& item) { return read_dataset(item, lineage); }));
  if (here.has("recipe")) {
    TRY_VALUE(lineage.recipe, read_digest(here, "recipe"));
  }
  return {};
}

Status read_card(const Object& object, ModelCard& card) {
  if (!object.has("card")) return {};
  TRY_VALUE(const Object here, object.object("card"));
  TRY(here.only({"summary", "intended_use", "limitations", "training_data", "evaluation_data",
                 "ethics", "contact", "metrics"}));
  TRY(read_optional_text(here, "summary", kMaxCardTextBytes, card.summary));
  TRY(read_optional_text(here, "intended_use", kMaxCardTextBytes, card.intended_use));
  TRY(read_optional_text(here, "limitations", kMaxCardTextBytes, card.limitations));
  TRY(read_optional_text(here, "training_data", kMaxCardTextBytes, card.training_data));
  TRY(read_optional_text(here, "evaluation_data", kMaxCardTextBytes, card.evaluation_data));
  TRY(read_optional_text(here, "ethics", kMaxCardTextBytes, card.ethics));
  TRY(read_optional_text(here, "contact", kMaxCardTextBytes, card.contact));
  return each(here, "metrics", kMaxMetrics, [&](const Object& item) -> Status {
    TRY(item.only({"name", "slice", "value"}));
    Metric metric;
    TRY_VALUE(metric.name, item.text("name", kMaxTextBytes));
    TRY(read_optional_text(item, "slice", kMaxTextBytes, metric.slice));
    TRY_VALUE(metric.value, item.number("value"));
    card.metrics.push_back(std::move(metric));
    return {};
  });
}

Status read_blob(const Object& object, Manifest& manifest) {
  TRY(object.only({"sha256", "bytes", "chunks"}));
  TRY_VALUE(const Sha256 digest, read_digest(object, "sha256"));
  Blob blob;
  TRY_VALUE(blob.bytes, read_bytes(object, "bytes"));
  if (object.has("chunks")) {
    TRY_VALUE(blob.chunks, read_digest(object, "chunks"));
  }
  if (manifest.blobs.emplace(digest, blob).second) return {};
  return fail(Code::kCorrupt, "{}: {} twice", object.place("sha256"), hex(digest));
}

Status read_manifest(const Object& object, Manifest& manifest) {
  TRY(object.only({"format", "model", "version", "created", "licence", "artifacts", "pipeline",
                   "goldens", "baselines", "limits", "lineage", "card", "sbom", "blobs"}));
  TRY_VALUE(manifest.model, read_name(object, "model"));
  TRY_VALUE(const std::string version, object.text("version"));
  TRY_VALUE(manifest.version, Version::parse(version, object.place("version")));
  TRY_VALUE(const std::string created, object.text("created"));
  TRY_VALUE(manifest.created_s, tuf::parse_time(created, object.place("created")));
  TRY_VALUE(manifest.licence, object.text("licence", kMaxLicenceBytes));
  TRY(each(object, "artifacts", kMaxArtifacts,
           [&](const Object& item) { return read_artifact(item, manifest); }));
  TRY(read_pipeline(object, manifest));
  TRY(each(object, "goldens", kMaxGoldens,
           [&](const Object& item) { return read_golden(item, manifest); }));
  TRY(each(object, "baselines", kMaxBaselines,
           [&](const Object& item) { return read_baseline(item, manifest); }));
  TRY(read_limits(object, manifest.limits));
  TRY(read_lineage(object, manifest.lineage));
  TRY(read_card(object, manifest.card));
  TRY_VALUE(manifest.sbom, read_digest(object, "sbom"));
  return each(object, "blobs", kMaxBlobs,
              [&](const Object& item) { return read_blob(item, manifest); });
}

}  // namespace

Result<Sha256> read_digest(const Object& object, std::string_view name) {
  TRY_VALUE(const std::string digits, object.text(name));
  Sha256 digest;
  if (digits.size() == 2 * digest.size() &&
      digits.find_first_not_of("0123456789abcdef") == digits.npos) {
    const auto bytes = from_hex(digits);
    std::memcpy(digest.data(), bytes->data(), digest.size());
    return digest;
  }
  return fail(Code::kCorrupt, "{}: a SHA-256 of 64 lower-case digits expected, '{}' found",
              object.place(name), clipped(digits));
}

Result<Manifest> Manifest::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() > kMaxManifestBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; a manifest has at most {}", where, bytes.size(),
                kMaxManifestBytes);
  }
  TRY_VALUE(const Json json, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  // First of all: another format has other members.
  TRY_VALUE(const std::int64_t format, object.integer("format", 1, INT64_MAX));
  if (format != kManifestFormat) {
    return fail(Code::kIncompatible,
                "{}: manifest of format {}; this build reads format {}: update polder first", where,
                format, kManifestFormat);
  }
  Manifest manifest;
  TRY(read_manifest(object, manifest));
  if (Status status = manifest.validate(); !status) return std::move(status).error().at(where);
  return manifest;
}

}  // namespace polder::trust
