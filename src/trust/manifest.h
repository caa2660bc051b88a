// The manifest of a release: what a model's new version is made of, what runs where, and how a
// device finds out that it runs as it should.
//
//   TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, "manifest.json"));
//   TRY_VALUE(const auto chosen, choose_artifacts(manifest, device));
//   for (const Artifact* artifact : chosen) fetch(manifest.blob(artifact->blob));
//
// A JSON document. It names everything else by SHA-256, and every such blob is in one table with
// its size, so that whoever trusts the manifest's digest (a TUF target, a model signature) trusts
// the whole release, and knows beforehand how much there is to fetch. docs/guide/releases.md
// describes each member; the struct below is their table. Read strictly: an unknown member is an
// error that names the nearest known one, for what an old agent does not understand it must not
// install.
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trust/digest.h"
#include "trust/json.h"
#include "trust/version.h"

namespace polder::trust {

inline constexpr std::int64_t kManifestFormat = 1;

// Caps. A manifest above one of them is refused, whoever has signed it.
inline constexpr std::size_t kMaxManifestBytes = 4u << 20;
inline constexpr std::int64_t kMaxBlobBytes = std::int64_t(16) << 30;
inline constexpr std::int64_t kMaxReleaseBytes = std::int64_t(64) << 30;  // all blobs together
inline constexpr std::size_t kMaxBlobs = 8192;
inline constexpr std::int64_t kMaxPipelineBytes = 256 << 10;
inline constexpr std::int64_t kMaxGoldenBytes = 256 << 20;  // of one tensor
inline constexpr std::int64_t kMaxSbomBytes = 16 << 20;
inline constexpr std::size_t kMaxArtifacts = 256;
inline constexpr std::size_t kMaxRequiredOperators = 1024;
inline constexpr std::size_t kMaxPipelineFiles = 256;
inline constexpr std::size_t kMaxGoldens = 256;
inline constexpr std::size_t kMaxGoldenTensors = 256;  // inputs or outputs of one golden
inline constexpr std::size_t kMaxBaselines = 256;
inline constexpr std::size_t kMaxLineage = 256;  // parents, or data sets
inline constexpr std::size_t kMaxMetrics = 256;
inline constexpr std::size_t kMaxReleaseNameBytes = 128;
inline constexpr std::size_t kMaxCardTextBytes = 16u << 10;
inline constexpr double kMaxLatencyMs = 24 * 3600 * 1000.0;
inline constexpr std::int64_t kMaxMemoryBytes = std::int64_t(1) << 50;
inline constexpr int kBaselineBins = 16;

// Letters, digits, '.', '-' and '_', at most kMaxReleaseNameBytes, and no '.' or '-' in front: fit
// to be the name of a file anywhere.
bool is_release_name(std::string_view name);
// What is wrong with one that is none, with the form that is expected: "`where`: a name of ...".
std::string not_a_name(std::string_view where, std::string_view name);

enum class ArtifactKind : std::uint8_t {
  kPlan,     // "plan": a compiled model (runtime/plan.h)
  kTflite,   // "tflite"
  kOnnx,     // "onnx"
  kRuntime,  // "runtime": polderd itself
};
std::string_view artifact_kind_name(ArtifactKind kind);

// What a device must be able to do.
struct Requires {
  std::optional<std::int64_t> plan_format;        // of every plan, of nothing else
  std::map<std::string, std::int64_t> operators;  // of a plan: exactly these versions
  std::string backend;                            // "native" of every plan; none of a runtime
  bool operator==(const Requires&) const = default;
};

// A blob that is a sealed file (trust/sealed_file.h), and the file inside.
struct Sealed {
  Sha256 file_id{};  // names the sealed file, and whose keys open it
  Sha256 sha256{};   // of the file inside
  std::int64_t bytes = 0;
  // The blob that is the index over the file inside, for its recipients alone (trust/reseal.h).
  std::optional<Sha256> chunks;
  bool operator==(const Sealed&) const = default;
};

// What may not be exceeded on a device; absent: anything goes.
struct Limits {
  std::optional<double> latency_ms;  // p99 of one run
  std::optional<std::int64_t> memory_bytes;
  bool operator==(const Limits&) const = default;
};

struct Artifact {
  std::string
      name;  // what the pipeline calls the model; of several with one name a device takes one
  ArtifactKind kind = ArtifactKind::kPlan;
  std::string target;    // "generic", "x86-64-v3", "x86-64-v4", "arm64"
  Requires requirement;  // "requires", which C++ has taken
  Sha256 blob{};
  std::optional<Sealed> sealed;
  Limits limits;  // in place of the release's, where they are set
  bool operator==(const Artifact&) const = default;
};

struct Pipeline {
  Sha256 blob{};                        // TOML; its models are artifacts' names
  std::map<std::string, Sha256> files;  // what else it reads, by name: labels
  bool operator==(const Pipeline&) const = default;
};

struct GoldenTensor {
  std::string name;  // of the model's input or output; they go by their order
  Sha256 blob{};     // .npy
  bool operator==(const GoldenTensor&) const = default;
};

// An input with what the model makes of it: |found - expected| <= absolute + relative * |expected|,
// element by element.
struct Golden {
  std::string name, artifact;
  std::vector<GoldenTensor> inputs, outputs;
  double absolute = 0, relative = 0;
  bool operator==(const Golden&) const = default;
};

// How a signal was distributed when the model was judged: bin i holds what is at least edges[i - 1]
// and less than edges[i]; the first and the last are open.
struct Baseline {
  std::string signal;                                // "detector.score", "camera.brightness"
  bool is_score = false;                             // "kind": "score"; else "input"
  std::array<double, kBaselineBins - 1> edges{};     // ascending
  std::array<std::int64_t, kBaselineBins> counts{};  // not all zero
  bool operator==(const Baseline&) const = default;
};

struct Parent {
  std::string model;
  Version version;
  Sha256 manifest{};
  bool operator==(const Parent&) const = default;
};

struct Dataset {
  std::string name;
  Sha256 sha256{};
  std::string licence;  // SPDX; may be empty
  bool operator==(const Dataset&) const = default;
};

// Where the model comes from.
struct Lineage {
  std::vector<Parent> parents;
  std::vector<Dataset> datasets;
  std::optional<Sha256> recipe;  // of compression or training
  bool operator==(const Lineage&) const = default;
};

struct Metric {
  std::string name, slice;  // slice may be empty: all of it
  double value = 0;
  bool operator==(const Metric&) const = default;
};

// What people should know before they use it. Plain text; empty where nothing is said.
struct ModelCard {
  std::string summary, intended_use, limitations, training_data, evaluation_data, ethics, contact;
  std::vector<Metric> metrics;
  bool operator==(const ModelCard&) const = default;
};

struct Blob {
  std::int64_t bytes = 0;
  // The blob that is its chunk index (trust/chunks.h).
  std::optional<Sha256> chunks;
  bool operator==(const Blob&) const = default;
};

struct Manifest {
  std::string model;
  Version version;
  std::int64_t created_s = 0;  // since 1970, UTC
  std::string licence;         // SPDX expression
  std::vector<Artifact> artifacts;
  std::optional<Pipeline> pipeline;
  std::vector<Golden> goldens;
  std::vector<Baseline> baselines;
  Limits limits;
  Lineage lineage;
  ModelCard card;
  Sha256 sbom{};  // CycloneDX, JSON
  std::map<Sha256, Blob> blobs;

  // Errors: kCorrupt, saying where what was expected; kIncompatible for another format;
  // kExhausted above a cap. What it returns is valid.
  static Result<Manifest> parse(std::string_view bytes, std::string_view where);
  // Whether all of it fits together: names, caps, every blob that is referred to in the table and
  // nothing else in it. Errors: kInvalid, kExhausted.
  Status validate() const;
  Json to_json() const;
  // The file's bytes: the same for equal manifests.
  std::string bytes() const { return to_json().pretty(); }

  // nullptr when there is none.
  const Blob* find_blob(const Sha256& sha256) const;
  // Every blob that is referred to, chunk indices included.
  std::set<Sha256> references() const;
  // What holds for that artifact: its own limits, else the release's.
  Limits limits_of(const Artifact& artifact) const;

  bool operator==(const Manifest&) const = default;
};

// What a device runs.
struct Device {
  std::vector<std::string> targets;   // the best first: "x86-64-v4", "x86-64-v3", "generic"
  std::vector<std::string> backends;  // the best first: "native"
  std::int64_t plan_format = 0;
  std::map<std::string, std::int64_t> operators;  // all that it has
};

// The best artifact of that name for the device: by its order of backends, then of targets. Errors:
// kNotFound when the release has no such name; kIncompatible when none of them runs there, listing
// what the release has and what each lacks. Borrows the manifest.
Result<const Artifact*> choose_artifact(const Manifest& manifest, const Device& device,
                                        std::string_view name);
// One of each name, in the order of names.
Result<std::vector<const Artifact*>> choose_artifacts(const Manifest& manifest,
                                                      const Device& device);

// "sha256": the 64 lower-case digits of a digest. Errors: kCorrupt.
Result<Sha256> read_digest(const Object& object, std::string_view name);

}  // namespace polder::trust
