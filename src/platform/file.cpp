#include "platform/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/memory.h"
#include "platform/os_error.h"

namespace polder {
namespace {

Result<std::size_t> regular_size(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return os_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return fail(Code::kInvalid, "{}: a regular file is expected, this is a {}", path,
                S_ISDIR(info.st_mode) ? "folder" : "device or a pipe");
  return std::size_t(info.st_size);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t cap_bytes) {
  // Without blocking: a pipe that nobody writes to is refused like any other.
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path, "open", errno);
  TRY_VALUE(const std::size_t size, regular_size(fd.get(), path));
  if (size > cap_bytes)
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted here", path, size,
                cap_bytes);
  std::string bytes;
  const auto grow = [&]() -> Status { return bytes.resize(size), Status(); };
  TRY(within_memory(path, grow));
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::read(fd.get(), bytes.data() + filled, size - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "read", errno);
    if (got == 0) break;  // shrank while it was read
    filled += std::size_t(got);
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::uint64_t> stream_file(const std::string& path, std::uint64_t cap_bytes,
                                  const std::function<Status(std::string_view piece)>& sink) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path, "open", errno);
  if (auto size = regular_size(fd.get(), path); !size) return std::move(size).error();
  std::string buffer(256 << 10, '\0');
  std::uint64_t total = 0;
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "read", errno);
    if (got == 0) return total;
    total += std::uint64_t(got);
    if (total > cap_bytes) {
      return fail(Code::kExhausted, "{}: more than the {} bytes that are accepted here", path,
                  cap_bytes);
    }
    TRY(sink(std::string_view(buffer).substr(0, std::size_t(got))));
  }
}

Result<std::int64_t> written_at(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return os_error(path, "stat", errno);
  return std::int64_t(info.st_mtime);
}

Result<std::string> resolve_within(const std::string& folder, const std::string& relative) {
  namespace fs = std::filesystem;
  const auto outside = [&] {
    return fail(Code::kDenied, "'{}' lies outside the folder '{}'; only files inside are read",
                relative, folder);
  };
  const fs::path part(relative);
  if (part.is_absolute() || std::find(part.begin(), part.end(), "..") != part.end())
    return outside();
  std::error_code error;
  const fs::path base = fs::canonical(folder.empty() ? "." : folder, error);
  if (error) return os_error(folder, "open", error.value());
  const fs::path path = fs::canonical(base / part, error);
  if (error) return os_error((base / part).string(), "open", error.value());
  if (std::mismatch(base.begin(), base.end(), path.begin(), path.end()).first != base.end())
    return outside();
  return path.string();
}

Status write_file_atomic(const std::string& path, std::string_view bytes) {
  DiskStore disk;
  TRY_VALUE(auto file, disk.create(path));
  TRY(file->write(bytes));
  return file->commit();
}

Result<std::vector<std::string>> list_folder(const std::string& path, std::size_t max_count) {
  std::vector<std::string> out;
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (out.size() == max_count)
      return fail(Code::kExhausted, "{}: more than {} entries", path, max_count);
    out.push_back(entry->path().string());
  }
  if (error) return os_error(path, "list", error.value());
  std::sort(out.begin(), out.end());
  return out;
}

namespace {

std::string parent_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// What was done to the names in it outlasts a power cut.
void sync_folder(const std::string& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}
void sync_parent(const std::string& path) { sync_folder(parent_of(path)); }

// Until the folders of both names are synced a power cut may bring the old one back.
Status move_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  if (errno != EXDEV) return os_error(from, "move to " + to, errno);
  DiskStore disk;
  TRY_VALUE(const auto copy, disk.create(to));
  TRY(stream_file(from, UINT64_MAX, [&](std::string_view piece) { return copy->write(piece); }));
  TRY(copy->commit());
  return remove_file(from);
}

}  // namespace

Status write_files(const std::map<std::string, std::string>& files) {
  if (files.empty()) return {};
  for (const auto& [path, bytes] : files) {
    TRY(make_folders(parent_of(path)));
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    const Descriptor file(::open(path.c_str(), flags, 0666));
    if (file.get() < 0) return os_error(path, "write", errno);
    for (std::string_view rest = bytes; !rest.empty();) {
      const ssize_t written = ::write(file.get(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return os_error(path, "write", errno);
      rest.remove_prefix(std::size_t(written));
    }
  }
  const std::string folder = parent_of(files.begin()->first);
  const Descriptor any(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (any.get() < 0 || ::syncfs(any.get()) != 0) return os_error(folder, "sync", errno);
  return {};
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_error(path, "remove", errno);
  sync_parent(path);
  return {};
}

Status move_files(const std::map<std::string, std::string>& files) {
  std::set<std::string> sources, targets;
  for (const auto& [from, to] : files) {
    sources.insert(parent_of(from));
    targets.insert(parent_of(to));
  }
  for (const std::string& folder : targets) TRY(make_folders(folder));
  Status status;
  for (const auto& [from, to] : files) {
    status = move_file(from, to);
    if (!status.ok()) break;
  }
  // New names first: where the power goes between the two a file may have both, never none.
  for (const std::string& folder : targets) sync_folder(folder);
  for (const std::string& folder : sources) sync_folder(folder);
  return status;
}

Status link_file(const std::string& from, const std::string& to) {
  TRY(make_folders(parent_of(to)));
  if (::link(from.c_str(), to.c_str()) == 0 || errno == EEXIST) return sync_parent(to), Status();
  if (errno != EXDEV && errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
    return os_error(from, "link to " + to, errno);
  DiskStore disk;
  TRY_VALUE(const auto copy, disk.create(to));
  TRY(stream_file(from, UINT64_MAX, [&](std::string_view piece) { return copy->write(piece); }));
  return copy->commit();
}

Status make_folders(const std::string& path) {
  std::error_code error;
  std::vector<std::filesystem::path> made;
  for (std::filesystem::path next = path; !next.empty() && !std::filesystem::exists(next, error);
       next = next.parent_path())
    made.push_back(next);
  std::filesystem::create_directories(path, error);
  if (error) return os_error(path, "make the folder", error.value());
  for (const std::filesystem::path& folder : made) sync_parent(folder.string());
  return {};
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path, "open", errno);
  TRY_VALUE(const std::size_t size, regular_size(fd.get(), path));
  MappedFile file;
  if (size == 0) return file;
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return os_error(path, "map", errno);
  file.data_ = static_cast<const std::byte*>(data);
  file.size_ = size;
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::release(std::span<const std::byte> part) const {
  // Whole pages inside the part; what shares a page with it stays.
  const std::uintptr_t page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

class MemoryFile final : public OutputFile {
 public:
  MemoryFile(MemoryStore* store, std::string path) : store_(store), path_(std::move(path)) {}
  Status write(std::string_view bytes) override {
    const std::size_t end = offset_ + bytes.size();
    const std::size_t grows = end > bytes_.size() ? end - bytes_.size() : 0;
    if (grows > store_->left_) return os_error(path_, "write", ENOSPC);
    store_->left_ -= grows;
    if (end > bytes_.size()) bytes_.resize(end);
    bytes_.replace(offset_, bytes.size(), bytes);
    offset_ = end;
    return {};
  }
  Status seek(std::int64_t offset) override {
    if (offset < 0) return os_error(path_, "seek", EINVAL);
    offset_ = std::size_t(offset);
    return {};
  }
  Status commit() override {
    store_->files_[path_] = std::move(bytes_);
    return {};
  }

 private:
  MemoryStore* store_;
  std::string path_, bytes_;
  std::size_t offset_ = 0;
};

Result<std::unique_ptr<OutputFile>> MemoryStore::create(const std::string& path) {
  return std::unique_ptr<OutputFile>(std::make_unique<MemoryFile>(this, path));
}

}  // namespace polder
