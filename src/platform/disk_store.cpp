// Writing to the machine's file system: a file appears under its name complete, or not at all.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/os_error.h"

namespace polder {
namespace {

constexpr int kMaxLinks = 40;      // as many as the kernel follows
constexpr int kMaxAttempts = 100;  // at a name that nobody has
constexpr mode_t kMode = 0644;     // of a new file, less the umask
constexpr mode_t kPermissions = 0777;

// "folder/": what goes before the name.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// A name beside `path` that no other writer of this machine takes.
std::string temporary_beside(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}.polder-{}-{}.tmp", folder_of(path), ::getpid(), counter++);
}

// Tries action(name) with temporary names until none is in the way; false, with errno, when another
// thing is.
template <class F>
bool with_temporary_name(const std::string& path, std::string& name, F action) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    name = temporary_beside(path);
    if (action(name.c_str()) >= 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
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

Status seek_to(int fd, const std::string& path, std::int64_t offset) {
  if (::lseek(fd, offset, SEEK_SET) < 0) return os_error(path, "seek", errno);
  return {};
}

// A device, a pipe, or what a descriptor of this process writes to: nothing to replace, nothing to
// take back.
class StreamFile final : public OutputFile {
 public:
  StreamFile(std::string path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Status write(std::string_view bytes) override { return write_all(fd_.get(), path_, bytes); }
  Status seek(std::int64_t offset) override { return seek_to(fd_.get(), path_, offset); }
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
  // `path`: what errors say; `target`: what is replaced; `temporary`: empty, or its name so far;
  // `link`: through which a file without a name gets one.
  DiskFile(std::string path, std::string target, std::string temporary, std::string link,
           Descriptor fd)
      : path_(std::move(path)),
        target_(std::move(target)),
        temporary_(std::move(temporary)),
        link_(std::move(link)),
        fd_(std::move(fd)) {}
  ~DiskFile() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  // Takes the permissions of the file to be replaced and, where this user may give it away, its
  // owner.
  Status keep(const struct stat& old) {
    const bool foreign = old.st_uid != ::geteuid() || old.st_gid != ::getegid();
    const bool kept = !foreign || ::fchown(fd_.get(), old.st_uid, old.st_gid) == 0;
    // A group that it does not have is given nothing.
    const mode_t group = kept ? 0 : S_IRWXG;
    const mode_t wanted = old.st_mode & kPermissions & ~group;
    struct stat own {};
    // Where a file system has the same permissions for every file, they cannot be set.
    if (::fstat(fd_.get(), &own) == 0 && (own.st_mode & kPermissions) == wanted) return {};
    if (::fchmod(fd_.get(), wanted) != 0) return os_error(path_, "set the permissions", errno);
    return {};
  }
  Status write(std::string_view bytes) override { return write_all(fd_.get(), path_, bytes); }
  Status seek(std::int64_t offset) override { return seek_to(fd_.get(), path_, offset); }
  Status commit() override {
    if (::fsync(fd_.get()) != 0) return os_error(path_, "write", errno);
    if (temporary_.empty()) TRY(take_name());
    if (::close(fd_.release()) != 0) return os_error(path_, "write", errno);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0)
      return os_error(path_, "replace", errno);
    temporary_.clear();
    keep_name();
    return {};
  }

 private:
  // So that the name, too, outlasts a power cut. The file is complete and in place: what goes wrong
  // here is no error of the caller's.
  void keep_name() const {
    const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() >= 0) ::fsync(folder.get());
  }

  // A link cannot replace a file: it gets a name of its own, to be renamed.
  Status take_name() {
    std::string name;
    const auto link = [&](const char* to) {
      return ::linkat(AT_FDCWD, link_.c_str(), AT_FDCWD, to, AT_SYMLINK_FOLLOW);
    };
    if (!with_temporary_name(target_, name, link)) return os_error(path_, "create", errno);
    temporary_ = std::move(name);
    return {};
  }

  std::string path_, target_, temporary_, link_;
  Descriptor fd_;
};

}  // namespace

bool is_leftover(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with(".polder-") && name.ends_with(".tmp");
}

namespace {

// The links of /proc lead to open files, whatever their text says.
bool is_in_proc(const std::string& path) {
  struct statfs info {};
  return ::statfs(folder_of(path).c_str(), &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

// Whether another user may have put the link there to be followed: the kernel's own rule for
// opening one (protected_symlinks), which holds for readlink() nowhere.
bool is_trap(const std::string& link) {
  struct stat own {
  }, folder{};
  if (::lstat(link.c_str(), &own) != 0 || ::stat(folder_of(link).c_str(), &folder) != 0)
    return false;
  constexpr mode_t kAnyones = S_ISVTX | S_IWOTH;
  return (folder.st_mode & kAnyones) == kAnyones && own.st_uid != ::geteuid() &&
         own.st_uid != folder.st_uid;
}

// Where a write to `path` goes: the end of its links, which need not be there yet.
Result<std::string> follow_links(const std::string& path) {
  std::string at = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    char text[PATH_MAX];
    const ssize_t length = ::readlink(at.c_str(), text, sizeof text);
    if (length < 0 || is_in_proc(at)) return at;  // what is wrong with it shows when it is opened
    if (is_trap(at)) {
      return fail(Code::kDenied,
                  "{}: '{}' is another user's link in a folder that all may write; name the file "
                  "itself, or another folder",
                  path, at);
    }
    const std::string_view to(text, std::size_t(length));
    at = to.starts_with('/') ? std::string(to) : folder_of(at) + std::string(to);
  }
  return os_error(path, "open", ELOOP);
}

// The number of this process's descriptor that a path such as /proc/self/fd/1 names, or -1.
int own_descriptor(const std::string& path) {
  struct stat folder {
  }, own{};
  if (::stat(folder_of(path).c_str(), &folder) != 0 || ::stat("/proc/self/fd", &own) != 0)
    return -1;
  if (folder.st_dev != own.st_dev || folder.st_ino != own.st_ino) return -1;
  int number = -1;
  std::from_chars(path.data() + path.rfind('/') + 1, path.data() + path.size(), number);
  return number;
}

Result<std::unique_ptr<OutputFile>> open_stream(const std::string& path,
                                                const std::string& target) {
  // A duplicate goes on where the descriptor is; opened anew, it would begin at the start.
  const int own = own_descriptor(target);
  Descriptor fd(own >= 0 ? ::fcntl(own, F_DUPFD_CLOEXEC, 0)
                         : ::open(target.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0) return os_error(path, "open", errno);
  return std::unique_ptr<OutputFile>(std::make_unique<StreamFile>(path, std::move(fd)));
}

}  // namespace

Result<std::unique_ptr<OutputFile>> DiskStore::create(const std::string& path) {
  TRY_VALUE(const std::string target, follow_links(path));
  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode))
    return fail(Code::kInvalid, "{}: is a folder; name a file in it", path);
  if (exists && ::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0)
    return os_error(path, "write", errno);
  if (exists && (!S_ISREG(old.st_mode) || is_in_proc(target))) return open_stream(path, target);

  std::string temporary, link;
  Descriptor fd(::open(folder_of(target).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
  if (fd.get() >= 0) link = fmt::format("{}/self/fd/{}", proc_, fd.get());
  if (fd.get() < 0 || ::access(link.c_str(), F_OK) != 0) {
    const auto open = [&](const char* name) {
      fd = Descriptor(::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
      return fd.get();
    };
    if (!with_temporary_name(target, temporary, open)) return os_error(path, "create", errno);
  }
  auto file = std::make_unique<DiskFile>(path, target, std::move(temporary), std::move(link),
                                         std::move(fd));
  if (exists) TRY(file->keep(old));
  return std::unique_ptr<OutputFile>(std::move(file));
}

}  // namespace polder
