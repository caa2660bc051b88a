// What the operating system tells about this machine and this process.
#pragma once

#include <polder/error.h>

#include <string>

namespace polder {

// Processors that this process may run on (affinity and cpusets counted), at least 1.
int usable_cores();

// The text of a file that the kernel makes up when it is read (/proc, /sys): such a file states no
// size, so read_file() would find it empty. At most 16 MB. Errors name the path: kNotFound,
// kDenied, kIo, kExhausted.
Result<std::string> read_kernel_text(const std::string& path);

// Gives back what this process does not need while it waits: free heap, and pages of its program
// and libraries, which come back from the page cache when they are used again.
void release_idle_memory();

}  // namespace polder
