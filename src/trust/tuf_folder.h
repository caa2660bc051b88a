// Trusted metadata in a folder of the file system.
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

}  // namespace polder::trust::tuf
