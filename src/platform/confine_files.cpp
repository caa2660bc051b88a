#include "platform/confine_files.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {
namespace {

// From the kernel's <linux/landlock.h>, of which older systems have less.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr unsigned kAskVersion = 1, kPathBeneath = 1;
struct RulesetAttributes {
  std::uint64_t handled_access_fs;
};
struct PathBeneath {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
} __attribute__((packed));

constexpr std::uint64_t kReadFile = 1u << 2, kReadFolder = 1u << 3, kAllOfFirst = (1u << 13) - 1,
                        kRefer = 1u << 13, kTruncate = 1u << 14;

long version() { return ::syscall(kCreateRuleset, nullptr, 0, kAskVersion); }

std::uint64_t handled(long version) {
  std::uint64_t access = kAllOfFirst;
  if (version >= 2) access |= kRefer;
  if (version >= 3) access |= kTruncate;
  return access;
}

Status allow_reading(int ruleset, const std::string& path) {
  const Descriptor at(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (at.get() < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) return {};
  if (at.get() < 0) return os_error(path, "open", errno);
  struct stat info {};
  if (::fstat(at.get(), &info) != 0) return os_error(path, "look at", errno);
  const PathBeneath rule{S_ISDIR(info.st_mode) ? kReadFile | kReadFolder : kReadFile, at.get()};
  if (::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0)
    return os_error(path, "allow", errno);
  return {};
}

}  // namespace

bool can_confine_files() { return version() >= 1; }

Result<bool> confine_files(const std::vector<std::string>& readable) {
  const long kernel = version();
  if (kernel < 1) return false;
  const RulesetAttributes attributes{handled(kernel)};
  const Descriptor ruleset(int(::syscall(kCreateRuleset, &attributes, sizeof attributes, 0)));
  if (ruleset.get() < 0) return os_error("Landlock", "begin", errno);
  for (const std::string& path : readable) TRY(allow_reading(ruleset.get(), path));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(kRestrictSelf, ruleset.get(), 0) != 0)
    return os_error("Landlock", "confine", errno);
  return true;
}

}  // namespace polder
