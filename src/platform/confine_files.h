// Which files a process may still open, to read them (Landlock).
//
//   TRY_VALUE(const bool is_confined, confine_files({slot, "/usr/lib"}));
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

namespace polder {

// From now on the kernel refuses this process, for good and with EACCES, every file that is not one
// of these or below one, and of these all but reading them. What is not there is passed over; what
// is open already stays open. For a process with one thread. False, and nothing is done, where the
// kernel cannot: before Linux 5.13, or switched off. Where it is older than 6.2 a file that may not
// be written may still be cut off. Errors: kIo.
Result<bool> confine_files(const std::vector<std::string>& readable);

// Whether confine_files() would do it.
bool can_confine_files();

}  // namespace polder
