#include "platform/storage_overlay.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace polder {
namespace {

class MemoryFile final : public StoredFile {
 public:
  explicit MemoryFile(std::shared_ptr<std::string> bytes) : bytes_(std::move(bytes)) {}
  Result<std::uint64_t> size() override { return std::uint64_t(bytes_->size()); }
  Result<std::size_t> read(std::uint64_t offset, std::span<char> out) override {
    if (offset >= bytes_->size()) return std::size_t(0);
    return bytes_->copy(out.data(), out.size(), std::size_t(offset));
  }
  Status write(std::uint64_t offset, std::string_view bytes) override {
    if (bytes_->size() < offset + bytes.size()) bytes_->resize(std::size_t(offset) + bytes.size());
    bytes_->replace(std::size_t(offset), bytes.size(), bytes);
    return {};
  }
  Status truncate(std::uint64_t size) override {
    bytes_->resize(std::size_t(size));
    return {};
  }
  Status reserve(std::uint64_t) override { return {}; }
  Status sync() override { return {}; }

 private:
  std::shared_ptr<std::string> bytes_;
};

class ReadOnlyFile final : public StoredFile {
 public:
  ReadOnlyFile(std::unique_ptr<StoredFile> file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<std::size_t> read(std::uint64_t offset, std::span<char> out) override {
    return file_->read(offset, out);
  }
  Status write(std::uint64_t, std::string_view) override { return denied(); }
  Status truncate(std::uint64_t) override { return denied(); }
  Status reserve(std::uint64_t) override { return denied(); }
  Status sync() override { return {}; }

 private:
  Error denied() const { return fail(Code::kDenied, "{}: is only looked at", name_); }

  std::unique_ptr<StoredFile> file_;
  std::string name_;
};

Error not_found(const std::string& name) { return fail(Code::kNotFound, "{}: not found", name); }

}  // namespace

Result<std::unique_ptr<StoredFile>> StorageOverlay::open(const std::string& name) {
  TRY(check_storage_name(name));
  const auto own = files_.find(name);
  if (own != files_.end()) {
    if (!own->second) return not_found(name);
    return std::unique_ptr<StoredFile>(std::make_unique<MemoryFile>(own->second));
  }
  if (below_ == nullptr) return not_found(name);
  TRY_VALUE(auto file, below_->open(name));
  return std::unique_ptr<StoredFile>(std::make_unique<ReadOnlyFile>(std::move(file), name));
}

Result<std::unique_ptr<StoredFile>> StorageOverlay::create(const std::string& name) {
  TRY(check_storage_name(name));
  auto bytes = std::make_shared<std::string>();
  files_[name] = bytes;
  return std::unique_ptr<StoredFile>(std::make_unique<MemoryFile>(std::move(bytes)));
}

Status StorageOverlay::rename(const std::string& from, const std::string& to) {
  TRY(check_storage_name(to));
  const auto own = files_.find(from);
  if (own == files_.end() || !own->second)
    return fail(Code::kUnsupported, "{}: is only looked at", from);
  files_[to] = std::exchange(own->second, nullptr);
  return {};
}

Status StorageOverlay::link(const std::string& from, const std::string&) {
  return fail(Code::kUnsupported, "{}: is only looked at", from);
}

Status StorageOverlay::remove(const std::string& name) {
  TRY(check_storage_name(name));
  files_[name] = nullptr;
  return {};
}

Result<std::vector<std::string>> StorageOverlay::list(const std::string& folder,
                                                      std::size_t max_count) {
  if (below_ == nullptr) return not_found(folder);
  return below_->list(folder, max_count);
}

Result<std::uint64_t> StorageOverlay::free_bytes() {
  if (below_ == nullptr) return not_found("the folder");
  return below_->free_bytes();
}

Result<std::unique_ptr<StorageLock>> StorageOverlay::lock(const std::string& name) {
  TRY(check_storage_name(name));
  return std::make_unique<StorageLock>();
}

std::string StorageOverlay::path(const std::string& name) const {
  return below_ ? below_->path(name) : std::string();
}

}  // namespace polder
