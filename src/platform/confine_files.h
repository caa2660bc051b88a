// Which files a process may still open (Landlock).
//
//   TRY_VALUE(const bool is_confined, confine_files({.read = {slot, "/usr/lib"}, .write = {out}}));
#pragma once

#include <polder/error.h>

#include <string>
#include <vector>

namespace polder {

// Paths of files and folders; of a folder all that is below it. What is not there is passed over.
struct FileAccess {
  std::vector<std::string> read;
  std::vector<std::string> write;  // files are read, made, written, renamed and removed here
};

// From now on the kernel refuses this process every other file, for good, with EACCES; what is open
// already stays open. For a process with one thread. False, and nothing is done, where the kernel
// cannot: before Linux 5.13, or switched off. Where it is older than 6.2 a file that may not be
// written may still be cut off. Errors: kIo.
Result<bool> confine_files(const FileAccess& access);

// Whether confine_files() would do it.
bool can_confine_files();

}  // namespace polder
