// release.toml: what goes into a release, as its maker writes it down.
//
//   TRY_VALUE(const Description description, read_description("release.toml"));
//   TRY_VALUE(const auto release, create_release(description, "people-1.2.0", {}));
//
// Paths are relative to the file's folder. The keys are in the option tables of description.cpp,
// from which their reference comes too; an unknown key is an error with its line and the nearest
// known one. Whether all of it fits together shows when the release is made.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trust/manifest.h"

namespace polder::release {

// Where a description says something: "release.toml:12: [[artifact]] 'detector'".
using Place = std::string;

struct ArtifactFile {
  Place place;
  std::string name, path;
  std::string sealed;  // the sealed file of `path`; empty: it is not sealed
  std::optional<trust::ArtifactKind> kind;
  std::string target, backend;  // may be empty
  trust::Limits limits;
};

struct GoldenFiles {
  Place place;
  std::string name, artifact;
  std::vector<std::string> inputs, outputs;  // .npy; without inputs there is a seed
  std::optional<std::int64_t> seed;
  double absolute = 0, relative = 0;
};

struct ParentFile {
  Place place;
  std::string manifest;  // a path; empty: `parent` is given
  trust::Parent parent;
};

struct DatasetFile {
  Place place;
  std::string path;  // empty: `dataset` has the digest
  trust::Dataset dataset;
};

struct Description {
  std::string model, licence;
  trust::Version version;
  trust::ModelCard card;
  std::vector<ArtifactFile> artifacts;
  std::string pipeline;  // empty: none
  std::vector<std::string> pipeline_files;
  trust::Limits limits;
  std::vector<GoldenFiles> goldens;
  std::vector<trust::Baseline> baselines;
  std::vector<ParentFile> parents;
  std::vector<DatasetFile> datasets;
  std::string recipe;  // empty: none
  std::string file;    // its own name, for errors
  std::string folder;  // what paths are relative to; empty: where we are
};

// `file` names it in errors. Errors: kCorrupt for bad TOML; kInvalid, with the line and what to do;
// kExhausted above a manifest's caps.
Result<Description> parse_description(std::string_view text, const std::string& file);
Result<Description> read_description(const std::string& path);

// The reference page: every key with its type, fallback and meaning.
std::string description_reference();

}  // namespace polder::release
