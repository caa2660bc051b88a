#include "platform/random_access.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {

namespace {

constexpr mode_t kMode = 0600;

Error ends_before(const std::string& path, std::uint64_t expected, std::uint64_t size) {
  return fail(Code::kCorrupt, "{}: truncated: at least {} bytes expected, {} found", path, expected,
              size);
}

Status read_at(int fd, const std::string& path, std::uint64_t size, std::uint64_t offset,
               std::span<char> into) {
  if (offset > size || into.size() > size - offset) {
    return ends_before(path, offset + into.size(), size);
  }
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t got =
        ::pread(fd, into.data() + filled, into.size() - filled, off_t(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "read", errno);
    if (got == 0) return ends_before(path, offset + into.size(), offset + filled);
    filled += std::size_t(got);
  }
  return {};
}

// Of a regular file; anything else is refused.
Result<std::uint64_t> size_of_file(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return os_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(Code::kInvalid, "{}: a regular file is expected, this is a {}", path,
                S_ISDIR(info.st_mode) ? "folder" : "device or a pipe");
  }
  return std::uint64_t(info.st_size);
}

class DiskReadable final : public ReadableFile {
 public:
  DiskReadable(Descriptor fd, std::string path, std::uint64_t size)
      : fd_(std::move(fd)), path_(std::move(path)), size_(size) {}
  const std::string& path() const override { return path_; }
  std::uint64_t size() const override { return size_; }
  Status read(std::uint64_t offset, std::span<char> into) const override {
    return read_at(fd_.get(), path_, size_, offset, into);
  }

 private:
  Descriptor fd_;
  std::string path_;
  std::uint64_t size_;
};

// What append() and truncate() promise, over a file that writes, cuts off and syncs.
class GrowingFile : public AppendFile {
 public:
  GrowingFile(std::string path, std::uint64_t size) : path_(std::move(path)), size_(size) {}
  const std::string& path() const override { return path_; }
  std::uint64_t size() const override { return size_; }

  Status append(std::string_view bytes) override {
    if (broken_) return broken();
    Status status = put(size_, bytes);
    if (status.ok()) status = sync();
    if (status.ok()) {
      size_ += bytes.size();
      return status;
    }
    // Part of it may be there: the next append must not follow that.
    if (!cut(size_).ok() || !sync().ok()) broken_ = true;
    return status;
  }

  Status truncate(std::uint64_t size) override {
    if (broken_) return broken();
    POLDER_CHECK(size <= size_);
    Status status = cut(size);
    if (status.ok()) status = sync();
    if (status.ok()) size_ = size;
    else broken_ = true;
    return status;
  }

 private:
  virtual Status put(std::uint64_t offset, std::string_view bytes) = 0;
  virtual Status cut(std::uint64_t size) = 0;
  virtual Status sync() = 0;
  Error broken() const {
    return fail(Code::kIo, "{}: an earlier write failed and could not be undone; open it again",
                path_);
  }

  std::string path_;
  std::uint64_t size_;
  bool broken_ = false;
};

class DiskAppend final : public GrowingFile {
 public:
  DiskAppend(Descriptor fd, std::string path, std::uint64_t size)
      : GrowingFile(std::move(path), size), fd_(std::move(fd)) {}
  Status read(std::uint64_t offset, std::span<char> into) const override {
    return read_at(fd_.get(), path(), size(), offset, into);
  }

 private:
  Status put(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), off_t(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return os_error(path(), "write", errno);
      offset += std::uint64_t(written);
      bytes.remove_prefix(std::size_t(written));
    }
    return {};
  }
  Status cut(std::uint64_t size) override {
    if (::ftruncate(fd_.get(), off_t(size)) != 0) return os_error(path(), "cut off", errno);
    return {};
  }
  Status sync() override {
    if (::fsync(fd_.get()) != 0) return os_error(path(), "write", errno);
    return {};
  }

  Descriptor fd_;
};

class StoredAppend final : public GrowingFile {
 public:
  StoredAppend(std::unique_ptr<StoredFile> file, std::string path, std::uint64_t size)
      : GrowingFile(std::move(path), size), file_(std::move(file)) {}
  Status read(std::uint64_t offset, std::span<char> into) const override {
    TRY_VALUE(const std::size_t got, file_->read(offset, into));
    if (got < into.size()) return ends_before(path(), offset + into.size(), offset + got);
    return {};
  }

 private:
  Status put(std::uint64_t offset, std::string_view bytes) override {
    return file_->write(offset, bytes);
  }
  Status cut(std::uint64_t size) override { return file_->truncate(size); }
  Status sync() override { return file_->sync(); }

  std::unique_ptr<StoredFile> file_;
};

// So that the name of a new file outlasts a power cut as its bytes do.
Status keep_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return os_error(folder, "write", errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path, "open", errno);
  TRY_VALUE(const std::uint64_t size, size_of_file(fd.get(), path));
  return std::unique_ptr<ReadableFile>(std::make_unique<DiskReadable>(std::move(fd), path, size));
}

Result<std::unique_ptr<ReadableFile>> open_readable_below(const std::string& folder,
                                                          const std::vector<std::string>& names) {
  std::string path = folder;
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return os_error(folder, "open", errno);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    path += '/' + name;
    const bool is_name = !name.empty() && name != "." && name != ".." &&
                         name.find('/') == name.npos && name.find('\0') == name.npos;
    if (!is_name) return fail(Code::kNotFound, "{}: there is no such file", path);
    const int kind = i + 1 < names.size() ? O_DIRECTORY : O_NONBLOCK;
    Descriptor next(::openat(fd.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | kind));
    if (next.get() < 0 && (errno == ELOOP || errno == ENAMETOOLONG))
      return fail(Code::kNotFound, "{}: there is no such file", path);
    if (next.get() < 0) return os_error(path, "open", errno);
    fd = std::move(next);
  }
  TRY_VALUE(const std::uint64_t size, size_of_file(fd.get(), path));
  return std::unique_ptr<ReadableFile>(std::make_unique<DiskReadable>(std::move(fd), path, size));
}

Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) {
  const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  Descriptor fd(::open(path.c_str(), flags));
  const bool made = fd.get() < 0 && errno == ENOENT;
  if (made) fd = Descriptor(::open(path.c_str(), flags | O_CREAT, kMode));
  if (fd.get() < 0) return os_error(path, "open", errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return os_error(path, "lock", errno);
    return fail(Code::kUnavailable, "{}: another program is writing to it; try again", path);
  }
  if (made) TRY(keep_name(path));
  TRY_VALUE(const std::uint64_t size, size_of_file(fd.get(), path));
  return std::unique_ptr<AppendFile>(std::make_unique<DiskAppend>(std::move(fd), path, size));
}

Result<std::unique_ptr<AppendFile>> open_append(Storage& storage, const std::string& name) {
  auto file = storage.open(name);
  if (!file.ok()) {
    if (file.error().code != Code::kNotFound) return std::move(file).error();
    file = storage.create(name);
    if (!file.ok()) return std::move(file).error();
    TRY((*file)->sync());
    TRY(storage.sync(storage_folder(name)));
  }
  TRY_VALUE(const std::uint64_t size, (*file)->size());
  return std::unique_ptr<AppendFile>(std::make_unique<StoredAppend>(std::move(*file), name, size));
}

Status MemoryAppendFile::read(std::uint64_t offset, std::span<char> into) const {
  if (offset > bytes.size() || into.size() > bytes.size() - offset) {
    return ends_before(path_, offset + into.size(), bytes.size());
  }
  std::copy_n(bytes.begin() + std::ptrdiff_t(offset), into.size(), into.begin());
  return {};
}

Status MemoryAppendFile::append(std::string_view added) {
  if (added.size() > capacity_bytes - std::min<std::uint64_t>(capacity_bytes, bytes.size())) {
    return os_error(path_, "write", ENOSPC);
  }
  bytes += added;
  return {};
}

Status MemoryAppendFile::truncate(std::uint64_t size) {
  POLDER_CHECK(size <= bytes.size());
  bytes.resize(size);
  return {};
}

}  // namespace polder
