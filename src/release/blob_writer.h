// Puts blobs into a release folder and into its manifest's table.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/executor.h"
#include "trust/manifest.h"

namespace polder::release {

// Borrows the manifest.
class BlobWriter {
 public:
  BlobWriter(std::string folder, trust::Manifest& manifest)
      : folder_(std::move(folder)), manifest_(manifest) {}

  // Copies the file. Errors: kNotFound, kInvalid for what is no regular file, kExhausted above
  // `cap_bytes`, kUnavailable when it changes meanwhile, kIo; each names the path.
  Result<trust::Sha256> put_file(const std::string& path, std::int64_t cap_bytes);
  Result<trust::Sha256> put_bytes(std::string_view bytes);
  // Gives a large blob a chunk index, with cuts where parts begin or, of a sealed file, segments.
  Status put_index(const trust::Sha256& blob, std::span<const std::uint64_t> cuts, bool is_sealed);
  std::string path_of(const trust::Sha256& blob) const;

 private:
  std::string folder_;
  trust::Manifest& manifest_;
};

// What a pipeline reads from: "camera.path" and its file.
struct PipelineSource {
  std::string setting, path;
};

// Opens an artifact of the manifest, to look at.
using OpenArtifact = std::function<Result<std::unique_ptr<Executor>>(const trust::Artifact&)>;

// Whether the pipeline can be loaded, its models are artifacts of the manifest, and each plan of
// them has the inputs and outputs that the step gives it; returns its sources. `name` stands for
// the file in errors. Errors: kCorrupt, kInvalid, kUnsupported; those of `open`.
Result<std::vector<PipelineSource>> check_pipeline(const std::string& path, const std::string& name,
                                                   const trust::Manifest& manifest,
                                                   const OpenArtifact& open);

}  // namespace polder::release
