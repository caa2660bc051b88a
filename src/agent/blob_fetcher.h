// Where the blobs of releases come from: a repository on a web server or in a folder.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

#include "platform/http.h"
#include "trust/digest.h"

namespace polder::agent {

// "blobs/sha256/ab/abcd...": where a repository has the blob.
std::string blob_place(const trust::Sha256& blob);

// Not thread-safe.
class BlobFetcher {
 public:
  virtual ~BlobFetcher() = default;
  // The blob from `offset`: `size` bytes, or (0) all from there. What comes is not verified. As
  // with HttpClient the sink may get the whole instead (HttpSink::begin). Errors: those of
  // HttpClient::get(), kExhausted above `cap_bytes` among them, and those of the sink.
  virtual Status fetch(const trust::Sha256& blob, std::uint64_t offset, std::uint64_t size,
                       std::uint64_t cap_bytes, HttpSink& sink) = 0;
};

// Borrows the client, whose deadlines and paces hold.
class HttpBlobs final : public BlobFetcher {
 public:
  // The URL of the repository's folder; may end with '/' or without.
  HttpBlobs(HttpClient& client, std::string repository_url);
  Status fetch(const trust::Sha256& blob, std::uint64_t offset, std::uint64_t size,
               std::uint64_t cap_bytes, HttpSink& sink) override;

 private:
  HttpClient* client_;
  std::string url_;  // ends with '/'
};

// A stick, a share. Links that lead out of the folder are not followed.
class FolderBlobs final : public BlobFetcher {
 public:
  explicit FolderBlobs(std::string repository_folder) : folder_(std::move(repository_folder)) {}
  Status fetch(const trust::Sha256& blob, std::uint64_t offset, std::uint64_t size,
               std::uint64_t cap_bytes, HttpSink& sink) override;

 private:
  std::string folder_;
};

}  // namespace polder::agent
