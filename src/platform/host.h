// What the operating system tells about this machine and this process.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>

namespace polder {

// Processors that this process may run on (affinity and cpusets counted), at least 1.
int usable_cores();

// What the kernel says of the machine; 0 and empty for what it does not.
struct HostFacts {
  std::string architecture, kernel;  // "x86_64", "6.1.0-18-amd64"
  std::uint32_t cpus = 0;            // that it runs
  std::uint64_t memory_bytes = 0;
};
HostFacts host_facts();

// The text of a file that the kernel makes up when it is read (/proc, /sys): such a file states no
// size, so read_file() would find it empty. At most 16 MB. Errors name the path: kNotFound,
// kDenied, kIo, kExhausted.
Result<std::string> read_kernel_text(const std::string& path);

// Gives back what this process does not need while it waits: free heap, and pages of its program
// and libraries, which come back from the page cache when they are used again.
void release_idle_memory();

}  // namespace polder
