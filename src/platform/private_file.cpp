#include "platform/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {
namespace {

constexpr mode_t kPrivate = S_IRUSR | S_IWUSR;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
constexpr int kMaxAttempts = 100;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// A word that a shell takes as it is.
std::string quoted(const std::string& path) {
  std::string word = "'";
  for (const char c : path) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

Status check_private(const struct stat& info, const std::string& path) {
  // A credential of systemd is root's, nobody may write it, and a list of access, which shows as
  // the group's bit, lets its service read it.
  const bool is_credential =
      info.st_uid == 0 && info.st_gid == 0 && (info.st_mode & 07777u) == 0440u;
  if ((info.st_mode & kOthers) != 0 && !is_credential) {
    return fail(Code::kDenied,
                "{}: others than its owner have access to this file (mode {:04o}), and it holds a "
                "secret: chmod 600 {}",
                path, info.st_mode & 07777u, quoted(path));
  }
  if (info.st_uid != ::geteuid() && info.st_uid != 0) {
    return fail(Code::kDenied,
                "{}: this file belongs to another user (uid {}), who can change it: be that user "
                "(sudo -u '#{}' ...)",
                path, info.st_uid, info.st_uid);
  }
  return {};
}

// What cannot be opened. A private file of another user has to change hands.
Error cannot_open(const std::string& path, bool is_private) {
  Error error = os_error(path, "open", errno);
  struct stat info {};
  if (is_private && error.code == Code::kDenied && ::stat(path.c_str(), &info) == 0 &&
      info.st_uid != ::geteuid())
    error.message +=
        fmt::format("; where it is to be this user's: chown {} {}", ::geteuid(), quoted(path));
  return error;
}

// A complete file beside its place, removed unless it has been moved there.
class Draft {
 public:
  static Result<Draft> write(const std::string& path, std::string_view bytes) {
    static std::atomic<unsigned> counter{0};
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      std::string name =
          fmt::format("{}.polder-key-{}-{}.tmp", folder_of(path), ::getpid(), counter++);
      Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kPrivate));
      if (file.get() < 0 && errno == EEXIST) continue;
      if (file.get() < 0) return os_error(path, "create", errno);
      Draft draft(std::move(name));
      TRY(fill(std::move(file), path, bytes));
      return draft;
    }
    return os_error(path, "create", EEXIST);
  }
  Draft(Draft&& other) noexcept : name_(std::move(other.name_)) { other.name_.clear(); }
  Draft& operator=(Draft&&) = delete;
  ~Draft() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  const char* name() const { return name_.c_str(); }
  void moved() { name_.clear(); }

 private:
  explicit Draft(std::string name) : name_(std::move(name)) {}
  static Status fill(Descriptor file, const std::string& path, std::string_view bytes) {
    if (::fchmod(file.get(), kPrivate) != 0) return os_error(path, "set the permissions", errno);
    while (!bytes.empty()) {
      const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return os_error(path, "write", errno);
      bytes.remove_prefix(std::size_t(written));
    }
    if (::fsync(file.get()) != 0) return os_error(path, "write", errno);
    if (::close(file.release()) != 0) return os_error(path, "write", errno);
    return {};
  }
  std::string name_;
};

// So that the name outlasts a power cut.
void keep_name(const std::string& path) {
  const Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

Error taken(const std::string& path) {
  return fail(Code::kDenied,
              "{}: is there already, and a key is never overwritten; choose another name", path);
}

Result<std::size_t> read_into(const std::string& path, std::span<char> into, bool is_private) {
  // Without blocking: a pipe that nobody writes to is refused like any other.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return cannot_open(path, is_private);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return os_error(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(Code::kInvalid, "{}: a regular file is expected, this is a {}", path,
                S_ISDIR(info.st_mode) ? "folder" : "device or a pipe");
  }
  if (is_private) TRY(check_private(info, path));
  if (std::size_t(info.st_size) > into.size()) {
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted here", path, info.st_size,
                into.size());
  }
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t got = ::read(file.get(), into.data() + filled, into.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "read", errno);
    if (got == 0) break;
    filled += std::size_t(got);
  }
  return filled;
}

}  // namespace

Result<std::size_t> read_private_file(const std::string& path, std::span<char> into) {
  return read_into(path, into, true);
}

Result<std::size_t> read_file_into(const std::string& path, std::span<char> into) {
  return read_into(path, into, false);
}

Status create_private_file(const std::string& path, std::string_view bytes) {
  struct stat old {};
  if (::lstat(path.c_str(), &old) == 0) return taken(path);
  TRY_VALUE(Draft draft, Draft::write(path, bytes));
  // A link, unlike a renaming, never replaces what has come there meanwhile.
  if (::link(draft.name(), path.c_str()) != 0) {
    if (errno == EEXIST) return taken(path);
    // A file system without links (FAT on a stick).
    if (errno != EPERM && errno != EOPNOTSUPP) return os_error(path, "create", errno);
    if (::renameat2(AT_FDCWD, draft.name(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0)
      return errno == EEXIST ? taken(path) : os_error(path, "create", errno);
    draft.moved();
  }
  keep_name(path);
  return {};
}

Status replace_private_file(const std::string& path, std::string_view bytes) {
  struct stat old {};
  if (::lstat(path.c_str(), &old) != 0) return os_error(path, "replace", errno);
  if (!S_ISREG(old.st_mode))
    return fail(Code::kInvalid, "{}: a regular file is expected, no link; name the file itself",
                path);
  TRY_VALUE(Draft draft, Draft::write(path, bytes));
  if (::rename(draft.name(), path.c_str()) != 0) return os_error(path, "replace", errno);
  draft.moved();
  keep_name(path);
  return {};
}

}  // namespace polder
