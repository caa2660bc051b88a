#include "platform/owner.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fail.h"
#include "platform/os_error.h"

namespace polder {

Result<Owner> owner_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return os_error(path, "stat", errno);
  Owner owner{.name = fmt::format("#{}", info.st_uid), .is_us = info.st_uid == ::geteuid()};
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> room{};
  if (::getpwuid_r(info.st_uid, &entry, room.data(), room.size(), &found) == 0 && found != nullptr)
    owner.name = found->pw_name;
  return owner;
}

}  // namespace polder
