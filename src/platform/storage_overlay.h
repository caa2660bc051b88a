// A storage of which nothing is changed: what is written stays in memory and hides what is below.
//
//   StorageOverlay look(*storage);
//   ...look is read and written as if it were the storage; at its end all is as it was...
//
// For questions whose answer is found by what would otherwise be kept. Of files that are replaced
// as a whole: those below cannot be written in place (kDenied). No second names (kUnsupported).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/storage.h"

namespace polder {

class StorageOverlay final : public Storage {
 public:
  // Borrowed; nothing: an empty one.
  explicit StorageOverlay(Storage* below) : below_(below) {}

  Result<std::unique_ptr<StoredFile>> open(const std::string& name) override;
  Result<std::unique_ptr<StoredFile>> create(const std::string& name) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status link(const std::string& from, const std::string& to) override;
  Status make_executable(const std::string&) override { return {}; }
  Status remove(const std::string& name) override;
  Status make_folder(const std::string& name) override { return check_storage_name(name); }
  Status sync(const std::string&) override { return {}; }
  // Of what is below alone.
  Result<std::vector<std::string>> list(const std::string& folder, std::size_t max_count) override;
  Result<std::uint64_t> free_bytes() override;
  // Of nothing that others would see.
  Result<std::unique_ptr<StorageLock>> lock(const std::string& name) override;
  // Of what is below alone.
  std::string path(const std::string& name) const override;

 private:
  Storage* below_;
  std::map<std::string, std::shared_ptr<std::string>> files_;  // nullptr: removed
};

}  // namespace polder
