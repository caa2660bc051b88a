#include "platform/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/fail.h"
#include "platform/memory.h"

namespace polder {
namespace {

Error os_error(const std::string& path, std::string_view action, int number) {
  const char* reason = std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR: return fail(Code::kNotFound, "{}: cannot {}: {}", path, action, reason);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return fail(Code::kExhausted, "{}: cannot {}: {}; free some space or choose another folder",
                  path, action, reason);
    case EACCES:
    case EPERM:
    case EROFS: return fail(Code::kDenied, "{}: cannot {}: {}", path, action, reason);
    default: return fail(Code::kIo, "{}: cannot {}: {}", path, action, reason);
  }
}

// Closes on destruction; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<std::size_t> regular_size(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return os_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return fail(Code::kInvalid, "{}: a regular file is expected, this is something else", path);
  return std::size_t(info.st_size);
}

Status write_all(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_error(path, "write", errno);
    bytes.remove_prefix(std::size_t(written));
  }
  return {};
}

// A device or a pipe: nothing to replace, nothing to take back.
class StreamFile final : public OutputFile {
 public:
  StreamFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status write(std::string_view bytes) override { return write_all(fd_.get(), path_, bytes); }
  Status seek(std::int64_t offset) override {
    if (::lseek(fd_.get(), offset, SEEK_SET) < 0) return os_error(path_, "seek", errno);
    return {};
  }
  Status commit() override {
    if (::close(fd_.release()) != 0) return os_error(path_, "write", errno);
    return {};
  }

 private:
  std::string path_;
  Descriptor fd_;
};

// Where the file system can, the file has no name until it is complete, so that not even a killed
// process leaves a trace; elsewhere it has a temporary name.
class DiskFile final : public OutputFile {
 public:
  DiskFile(std::string path, std::string temporary, int fd, bool has_name)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd), has_name_(has_name) {}
  ~DiskFile() override {
    if (has_name_) ::unlink(temporary_.c_str());
  }
  Status write(std::string_view bytes) override { return write_all(fd_.get(), path_, bytes); }
  Status seek(std::int64_t offset) override {
    if (::lseek(fd_.get(), offset, SEEK_SET) < 0) return os_error(path_, "seek", errno);
    return {};
  }
  Status commit() override {
    if (::fsync(fd_.get()) != 0) return os_error(path_, "write", errno);
    if (!has_name_) {  // a link cannot replace a file: name it, then rename
      const std::string link = fmt::format("/proc/self/fd/{}", fd_.get());
      if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0)
        return os_error(path_, "create", errno);
      has_name_ = true;
    }
    if (::close(fd_.release()) != 0) return os_error(path_, "write", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return os_error(path_, "replace", errno);
    has_name_ = false;
    return {};
  }

 private:
  std::string path_, temporary_;
  Descriptor fd_;
  bool has_name_;
};

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

Status make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return os_error(path, "make the folder", error.value());
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

Result<std::unique_ptr<OutputFile>> DiskStore::create(const std::string& path) {
  static std::atomic<unsigned> counter{0};  // two writers of one process never share a name
  std::string temporary = fmt::format("{}.{}.{}.tmp", path, ::getpid(), counter++);
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode))
      return fail(Code::kInvalid, "{}: is a folder; name a file in it", path);
    const int stream = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (stream < 0) return os_error(path, "open", errno);
    return std::unique_ptr<OutputFile>(std::make_unique<StreamFile>(path, stream));
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int fd = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  const bool has_name = fd < 0;
  if (has_name) fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return os_error(path, "create", errno);
  return std::unique_ptr<OutputFile>(
      std::make_unique<DiskFile>(path, std::move(temporary), fd, has_name));
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
