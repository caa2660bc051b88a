#include "agent/blob_fetcher.h"

#include <algorithm>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/random_access.h"

namespace polder::agent {

namespace {

constexpr std::size_t kPieceBytes = 64u << 10;

}  // namespace

std::string blob_place(const trust::Sha256& blob) {
  const std::string name = trust::hex(blob);
  return fmt::format("blobs/sha256/{}/{}", name.substr(0, 2), name);
}

HttpBlobs::HttpBlobs(HttpClient& client, std::string repository_url)
    : client_(&client), url_(std::move(repository_url)) {
  if (!url_.ends_with('/')) url_ += '/';
}

Status HttpBlobs::fetch(const trust::Sha256& blob, std::uint64_t offset, std::uint64_t size,
                        std::uint64_t cap_bytes, HttpSink& sink) {
  auto reply = client_->get({url_ + blob_place(blob), cap_bytes, offset, size}, sink);
  if (!reply.ok()) return std::move(reply).error();
  return {};
}

Status FolderBlobs::fetch(const trust::Sha256& blob, std::uint64_t offset, std::uint64_t size,
                          std::uint64_t cap_bytes, HttpSink& sink) {
  TRY_VALUE(const std::string path, resolve_within(folder_, blob_place(blob)));
  TRY_VALUE(const auto file, open_readable(path));
  if (offset > file->size()) {
    return fail(Code::kInvalid, "{}: bytes from {} on are wanted of a file of {}", path, offset,
                file->size());
  }
  std::uint64_t left = file->size() - offset;
  if (size != 0) left = std::min(left, size);
  if (left > cap_bytes)
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted here", path, left,
                cap_bytes);
  TRY(sink.begin({200, offset, file->size(), 0}));
  std::string piece;
  for (; left > 0; left -= piece.size(), offset += piece.size()) {
    piece.resize(std::size_t(std::min<std::uint64_t>(left, kPieceBytes)));
    TRY(file->read(offset, piece));
    TRY(sink.write(piece));
  }
  return {};
}

}  // namespace polder::agent
