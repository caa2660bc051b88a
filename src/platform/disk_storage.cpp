// Storage in the machine's file system: paths are opened below the folder's descriptor, part by
// part without following links.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"
#include "platform/storage.h"

namespace polder {
namespace {

constexpr mode_t kFileMode = 0600, kProgramMode = 0700, kFolderMode = 0700;

// What cannot be written may still be read: everything on a file system that has become read-only,
// as a worn-out card does, and a program that runs.
Descriptor open_at(int folder, const std::string& name, int flags) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  Descriptor fd(::openat(folder, name.c_str(), O_RDWR | flags, kFileMode));
  const int refused = fd.get() < 0 ? errno : 0;
  const bool may_read = (refused == EROFS || refused == ETXTBSY) && !(flags & O_TRUNC);
  if (may_read) fd = Descriptor(::openat(folder, name.c_str(), O_RDONLY | (flags & ~O_CREAT)));
  if (may_read && fd.get() < 0) errno = refused;
  return fd;
}

class DiskStoredFile final : public StoredFile {
 public:
  DiskStoredFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<std::uint64_t> size() override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return os_error(path_, "stat", errno);
    return std::uint64_t(info.st_size);
  }
  Result<std::size_t> read(std::uint64_t offset, std::span<char> out) override {
    TRY(check_end(offset, out.size()));
    std::size_t filled = 0;
    while (filled < out.size()) {
      const ssize_t got =
          ::pread(fd_.get(), out.data() + filled, out.size() - filled, off_t(offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error(path_, "read", errno);
      if (got == 0) break;
      filled += std::size_t(got);
    }
    return filled;
  }
  Status write(std::uint64_t offset, std::string_view bytes) override {
    TRY(check_end(offset, bytes.size()));
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), off_t(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return not_written("write", errno);
      offset += std::uint64_t(written);
      bytes.remove_prefix(std::size_t(written));
    }
    return {};
  }
  Status truncate(std::uint64_t size) override {
    TRY(check_end(0, size));
    if (::ftruncate(fd_.get(), off_t(size)) != 0) return not_written("cut", errno);
    return {};
  }
  Status reserve(std::uint64_t size) override {
    TRY(check_end(0, size));
    if (size == 0) return {};
    while (::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, off_t(size)) != 0) {
      if (errno == EINTR) continue;
      if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
      return not_written("take the room for", errno);
    }
    return {};
  }
  Status sync() override {
    if (::fsync(fd_.get()) != 0) return os_error(path_, "sync", errno);
    return {};
  }

 private:
  Error not_written(std::string_view action, int number) const {
    const bool is_readable_only = (::fcntl(fd_.get(), F_GETFL) & O_ACCMODE) == O_RDONLY;
    return os_error(path_, action, is_readable_only ? EROFS : number);
  }
  Status check_end(std::uint64_t offset, std::uint64_t size) const {
    constexpr std::uint64_t kMax = std::uint64_t(LLONG_MAX);
    if (offset <= kMax && size <= kMax - offset) return {};
    return fail(Code::kInvalid, "{}: {} bytes at {} are beyond any file", path_, size, offset);
  }
  std::string path_;
  Descriptor fd_;
};

class DiskLock final : public StorageLock {
 public:
  explicit DiskLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;  // flock() ends with it
};

// Opens the folder `name` below `root`, "" for itself.
Result<Descriptor> open_folder(int root, const std::string& root_path, std::string_view name) {
  Descriptor at(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) return os_error(root_path, "open", errno);
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    const std::string part(name.substr(0, slash));
    Descriptor next(
        ::openat(at.get(), part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (next.get() < 0) return os_error(root_path + "/" + part, "open the folder", errno);
    at = std::move(next);
    name.remove_prefix(std::min(slash + 1, name.size()));
  }
  return at;
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

Status sync_descriptor(int fd, const std::string& path) {
  if (::fsync(fd) != 0) return os_error(path, "sync", errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskStorage>> DiskStorage::at(const std::string& path) {
  if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST)
    return os_error(path, "make the folder", errno);
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return os_error(path, "open", errno);
  return std::unique_ptr<DiskStorage>(new DiskStorage(path, fd));
}

DiskStorage::~DiskStorage() { ::close(fd_); }

Result<std::unique_ptr<StoredFile>> DiskStorage::open_file(const std::string& name, int flags) {
  TRY(check_storage_name(name));
  TRY_VALUE(const Descriptor folder, open_folder(fd_, path_, storage_folder(name)));
  // Without blocking: what is a pipe is refused, not waited for.
  Descriptor fd = open_at(folder.get(), last_part(name), O_NONBLOCK | flags);
  if (fd.get() < 0) return os_error(path(name), "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_error(path(name), "stat", errno);
  if (!S_ISREG(info.st_mode))
    return fail(Code::kInvalid, "{}: a regular file is expected", path(name));
  return std::unique_ptr<StoredFile>(std::make_unique<DiskStoredFile>(path(name), std::move(fd)));
}

Result<std::unique_ptr<StoredFile>> DiskStorage::open(const std::string& name) {
  return open_file(name, 0);
}

Result<std::unique_ptr<StoredFile>> DiskStorage::create(const std::string& name) {
  return open_file(name, O_CREAT | O_TRUNC);
}

Status DiskStorage::rename(const std::string& from, const std::string& to) {
  TRY(check_storage_name(from));
  TRY(check_storage_name(to));
  TRY_VALUE(const Descriptor source, open_folder(fd_, path_, storage_folder(from)));
  TRY_VALUE(const Descriptor target, open_folder(fd_, path_, storage_folder(to)));
  if (::renameat(source.get(), last_part(from).c_str(), target.get(), last_part(to).c_str()) != 0)
    return os_error(path(from), "rename", errno);
  return {};
}

Status DiskStorage::link(const std::string& from, const std::string& to) {
  TRY(check_storage_name(from));
  TRY(check_storage_name(to));
  TRY_VALUE(const Descriptor source, open_folder(fd_, path_, storage_folder(from)));
  TRY_VALUE(const Descriptor target, open_folder(fd_, path_, storage_folder(to)));
  if (::linkat(source.get(), last_part(from).c_str(), target.get(), last_part(to).c_str(), 0) == 0)
    return {};
  // EPERM is what file systems without links say.
  if (errno == EPERM || errno == EOPNOTSUPP || errno == EXDEV || errno == EMLINK)
    return fail(Code::kUnsupported, "{}: cannot have a second name: {}", path(from),
                std::strerror(errno));
  return os_error(path(to), "link", errno);
}

Status DiskStorage::make_executable(const std::string& name) {
  TRY(check_storage_name(name));
  TRY_VALUE(const Descriptor folder, open_folder(fd_, path_, storage_folder(name)));
  const Descriptor fd(::openat(folder.get(), last_part(name).c_str(),
                               O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path(name), "open", errno);
  if (::fchmod(fd.get(), kProgramMode) != 0) return os_error(path(name), "change the mode", errno);
  return sync_descriptor(fd.get(), path(name));
}

Status DiskStorage::remove(const std::string& name) {
  TRY(check_storage_name(name));
  auto folder = open_folder(fd_, path_, storage_folder(name));
  if (!folder.ok() && folder.error().code == Code::kNotFound) return {};
  if (!folder.ok()) return std::move(folder).error();
  if (::unlinkat(folder->get(), last_part(name).c_str(), 0) != 0 && errno != ENOENT)
    return os_error(path(name), "remove", errno);
  return {};
}

Status DiskStorage::make_folder(const std::string& name) {
  TRY(check_storage_name(name));
  for (std::size_t end = 0; end != std::string::npos;) {
    end = name.find('/', end + 1);
    const std::string part = name.substr(0, end);
    TRY_VALUE(const Descriptor parent, open_folder(fd_, path_, storage_folder(part)));
    if (::mkdirat(parent.get(), last_part(part).c_str(), kFolderMode) != 0 && errno != EEXIST)
      return os_error(path(part), "make the folder", errno);
    TRY(sync_descriptor(parent.get(), path_));
  }
  return {};
}

Status DiskStorage::sync(const std::string& folder) {
  if (!folder.empty()) TRY(check_storage_name(folder));
  TRY_VALUE(const Descriptor fd, open_folder(fd_, path_, folder));
  return sync_descriptor(fd.get(), path(folder));
}

Result<std::vector<std::string>> DiskStorage::list(const std::string& folder,
                                                   std::size_t max_count) {
  if (!folder.empty()) TRY(check_storage_name(folder));
  TRY_VALUE(Descriptor fd, open_folder(fd_, path_, folder));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
  if (!stream) return os_error(path(folder), "list", errno);
  fd.release();  // the stream's now
  std::vector<std::string> out;
  for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (out.size() == max_count)
      return fail(Code::kExhausted, "{}: more than {} entries", path(folder), max_count);
    struct stat info {};
    if (::fstatat(::dirfd(stream.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode))
      name += '/';
    out.push_back(std::move(name));
  }
  if (errno != 0) return os_error(path(folder), "list", errno);
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::uint64_t> DiskStorage::free_bytes() {
  struct statvfs info {};
  if (::fstatvfs(fd_, &info) != 0) return os_error(path_, "ask for free space", errno);
  if (info.f_flag & ST_RDONLY) return os_error(path_, "write", EROFS);
  return std::uint64_t(info.f_bavail) * info.f_frsize;
}

Result<std::unique_ptr<StorageLock>> DiskStorage::lock(const std::string& name) {
  TRY(check_storage_name(name));
  TRY_VALUE(const Descriptor folder, open_folder(fd_, path_, storage_folder(name)));
  Descriptor fd = open_at(folder.get(), last_part(name), O_CREAT);
  if (fd.get() < 0) return os_error(path(name), "open", errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(Code::kUnavailable, "{}: another process holds it; end that one first",
                  path(name));
    return os_error(path(name), "lock", errno);
  }
  return std::unique_ptr<StorageLock>(std::make_unique<DiskLock>(std::move(fd)));
}

}  // namespace polder
