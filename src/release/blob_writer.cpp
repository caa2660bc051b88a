#include "release/blob_writer.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "pipeline/graph.h"
#include "platform/file.h"
#include "release/create.h"
#include "trust/chunks.h"
#include "trust/file_digest.h"
#include "trust/reseal.h"

namespace polder::release {

using trust::Sha256;

std::string BlobWriter::path_of(const Sha256& blob) const {
  return folder_ + "/" + trust::blob_place(blob);
}

Result<Sha256> BlobWriter::put_file(const std::string& path, std::int64_t cap_bytes) {
  TRY_VALUE(const trust::FileDigest digest, trust::digest_file(path, std::uint64_t(cap_bytes)));
  const auto [entry, is_new] = manifest_.blobs.try_emplace(digest.sha256);
  entry->second.bytes = std::int64_t(digest.bytes);
  if (!is_new) return digest.sha256;
  const std::string place = path_of(digest.sha256);
  TRY(make_folders(place.substr(0, place.rfind('/'))));
  DiskStore disk;
  TRY_VALUE(const auto output, disk.create(place));
  trust::Sha256Stream copied;
  TRY_VALUE([[maybe_unused]] const std::uint64_t bytes,
            stream_file(path, std::uint64_t(cap_bytes), [&](std::string_view piece) {
              copied.update(piece);
              return output->write(piece);
            }));
  if (copied.finish() != digest.sha256) {
    return fail(Code::kUnavailable, "{}: changed while it was read; try again", path);
  }
  TRY(output->commit());
  return digest.sha256;
}

Result<Sha256> BlobWriter::put_bytes(std::string_view bytes) {
  const Sha256 digest = trust::sha256(bytes);
  const auto [entry, is_new] = manifest_.blobs.try_emplace(digest);
  entry->second.bytes = std::int64_t(bytes.size());
  if (!is_new) return digest;
  const std::string place = path_of(digest);
  TRY(make_folders(place.substr(0, place.rfind('/'))));
  TRY(write_file_atomic(place, bytes));
  return digest;
}

Status BlobWriter::put_index(const Sha256& blob, std::span<const std::uint64_t> cuts,
                             bool is_sealed) {
  if (manifest_.blobs.at(blob).chunks) return {};
  TRY_VALUE(const MappedFile file, MappedFile::open(path_of(blob)));
  const std::string_view content(reinterpret_cast<const char*>(file.bytes().data()),
                                 file.bytes().size());
  if (std::int64_t(content.size()) <= kUnindexedBytes) return {};
  const trust::ChunkIndex chunks =
      is_sealed ? trust::sealed_chunks(content) : trust::ChunkIndex::of(content, cuts);
  TRY_VALUE(const Sha256 index, put_bytes(chunks.bytes()));
  manifest_.blobs.at(blob).chunks = index;
  return {};
}

namespace {

// Of a step that runs a model: that there is one, and that each plan of it fits.
Status check_model(const pipeline::NodeSpec& node, const trust::Manifest& manifest,
                   const OpenArtifact& open) {
  const std::string& model = node.settings.string("model");
  bool is_known = false;
  for (const trust::Artifact& artifact : manifest.artifacts) {
    if (artifact.name != model || artifact.kind == trust::ArtifactKind::kRuntime) continue;
    is_known = true;
    if (artifact.kind != trust::ArtifactKind::kPlan) continue;  // of another runtime
    pipeline::Environment environment;
    environment.open_model = [&](const pipeline::ModelRequest&) { return open(artifact); };
    if (auto made = node.type->make(node.settings, environment); !made)
      return pipeline::at_node(std::move(made).error(), node.name)
          .at(fmt::format("artifact '{}' for {}", artifact.name, artifact.target));
  }
  if (is_known) return {};
  std::string names;
  for (const trust::Artifact& artifact : manifest.artifacts) {
    if (names.find("'" + artifact.name + "'") != names.npos) continue;
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", artifact.name);
  }
  return fail(Code::kInvalid, "{}: 'model' is '{}'; in a release it is an artifact's name: {}",
              node.settings.place("model"), clipped(model), names);
}

}  // namespace

Result<std::vector<PipelineSource>> check_pipeline(const std::string& path, const std::string& name,
                                                   const trust::Manifest& manifest,
                                                   const OpenArtifact& open) {
  TRY_VALUE(const std::string text, read_file(path, kMaxTomlBytes));
  TRY_VALUE(const TomlValue document, parse_toml(text, name));
  TRY_VALUE(const pipeline::Graph graph, pipeline::load_graph(document, name));
  std::vector<PipelineSource> sources;
  for (const pipeline::NodeSpec& node : graph.nodes) {
    if (node.type->inputs.empty() && node.settings.has("path"))
      sources.push_back({node.name + ".path", node.settings.string("path")});
    if (node.type->name == "infer") TRY(check_model(node, manifest, open));
  }
  return sources;
}

}  // namespace polder::release
