// TUF on file systems: trusted metadata in a folder, and a repository in one (a USB stick, a
// share).
#pragma once

#include <polder/error.h>

#include <string>

#include "trust/tuf_updater.h"

namespace polder::trust::tuf {

// One file for each role; each is replaced as a whole and outlasts a power cut. The folder must be
// there. One process at a time.
class FolderStore final : public MetadataStore {
 public:
  explicit FolderStore(std::string folder) : folder_(std::move(folder)) {}
  Result<std::string> read(const std::string& name, std::size_t cap_bytes) override;
  Status replace(const std::string& name, std::string_view bytes) override;
  Status remove(const std::string& name) override;

 private:
  std::string folder_;
};

// A repository's folders as its releaser publishes them: metadata/ and targets/.
class FolderFetcher final : public Fetcher {
 public:
  FolderFetcher(std::string metadata_folder, std::string targets_folder)
      : metadata_folder_(std::move(metadata_folder)), targets_folder_(std::move(targets_folder)) {}
  Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) override;
  Status fetch_target(const std::string& name, std::int64_t cap_bytes, const Sink& sink) override;

 private:
  std::string metadata_folder_, targets_folder_;
};

}  // namespace polder::trust::tuf
