#include "trust/release_folder.h"

#include <set>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/chunks.h"
#include "trust/file_digest.h"

namespace polder::trust {

namespace {

// Of one folder: blobs, the folders that they are in, and some to tell of.
constexpr std::size_t kMaxEntries = 4 * kMaxBlobs;

Status check_chunks(const ReleaseFolder& release, const Sha256& digest, const Sha256& index) {
  const std::string path = release.blob_path(index);
  TRY_VALUE(const std::string bytes, read_file(path, kMaxChunkIndexBytes));
  TRY_VALUE(const ChunkIndex chunks, ChunkIndex::parse(bytes, path));
  const std::int64_t expected = release.manifest.find_blob(digest)->bytes;
  if (chunks.file_bytes() != std::uint64_t(expected)) {
    return fail(Code::kCorrupt, "{}: the chunk index of a file of {} bytes; {} expected", path,
                chunks.file_bytes(), expected);
  }
  TRY_VALUE(const auto file, open_readable(release.blob_path(digest)));
  std::string content;
  for (const Chunk& chunk : chunks.chunks()) {
    content.resize(chunk.size);
    TRY(file->read(chunk.offset, content));
    if (Status status = chunk.check(content); !status) return std::move(status).error().at(path);
  }
  return {};
}

Status check_blob(const ReleaseFolder& release, const Sha256& digest, const Blob& blob) {
  const std::string path = release.blob_path(digest);
  TRY_VALUE(const FileDigest found, digest_file(path, kMaxBlobBytes));
  if (found != FileDigest{digest, std::uint64_t(blob.bytes)}) {
    return fail(Code::kCorrupt, "{}: damaged: {} bytes with SHA-256 {}; {} bytes expected", path,
                found.bytes, hex(found.sha256), blob.bytes);
  }
  return blob.chunks ? check_chunks(release, digest, *blob.chunks) : Status();
}

// What lies in the folder and has no place there.
Status check_entries(const ReleaseFolder& release, std::vector<std::string>& problems) {
  std::set<std::string> places{"manifest.json", "model.sig"};
  for (const auto& [digest, blob] : release.manifest.blobs) places.insert(blob_place(digest));
  for (const Artifact& artifact : release.manifest.artifacts)
    if (artifact.sealed) places.insert(sealed_keys_place(artifact.sealed->file_id));
  TRY_VALUE(const auto entries, walk_folder(release.folder, kMaxEntries));
  for (const FolderEntry& entry : entries) {
    const std::string path = release.folder + "/" + entry.path;
    if (entry.kind == EntryKind::kFile && !places.contains(entry.path)) {
      problems.push_back(path + ": nothing in the manifest names it");
    } else if (entry.kind == EntryKind::kLink || entry.kind == EntryKind::kOther) {
      problems.push_back(path + ": a file is expected, not a link, device or pipe");
    }
  }
  return {};
}

}  // namespace

std::string sealed_keys_place(const Sha256& file_id) {
  return fmt::format("sealed/{}.keys", hex(file_id));
}

std::string sealed_keys_target(const Manifest& manifest, const Sha256& file_id) {
  return fmt::format("{}/{}/{}.keys", manifest.model, manifest.version.text(), hex(file_id));
}

std::string blob_place(const Sha256& blob) {
  const std::string name = hex(blob);
  return fmt::format("blobs/sha256/{}/{}", name.substr(0, 2), name);
}

std::string ReleaseFolder::blob_path(const Sha256& blob) const {
  return folder + "/" + blob_place(blob);
}

std::string ReleaseFolder::target() const {
  return fmt::format("{}/{}/manifest.json", manifest.model, manifest.version.text());
}

Result<ReleaseFolder> open_release(const std::string& folder) {
  ReleaseFolder release;
  release.folder = folder;
  const std::string path = folder + "/manifest.json";
  TRY_VALUE(release.manifest_bytes, read_file(path, kMaxManifestBytes));
  TRY_VALUE(release.manifest, Manifest::parse(release.manifest_bytes, path));
  for (const auto& [digest, blob] : release.manifest.blobs) {
    const std::string place = release.blob_path(digest);
    auto file = open_readable(place);
    if (!file.ok() && file.error().code == Code::kNotFound) {
      return fail(Code::kNotFound, "{}: missing, but {} names it", place, path);
    }
    if (!file) return std::move(file).error();
    if ((*file)->size() != std::uint64_t(blob.bytes)) {
      return fail(Code::kCorrupt, "{}: {} bytes, where the manifest has {}", place, (*file)->size(),
                  blob.bytes);
    }
  }
  return release;
}

Result<std::vector<std::string>> check_release(const ReleaseFolder& release) {
  std::vector<std::string> problems;
  TRY(check_entries(release, problems));
  for (const auto& [digest, blob] : release.manifest.blobs) {
    Status status = check_blob(release, digest, blob);
    if (status.ok()) continue;
    if (status.error().code == Code::kIo || status.error().code == Code::kDenied)
      return status.error();
    problems.push_back(status.error().message);
  }
  return problems;
}

}  // namespace polder::trust
