// How much memory the process holds, as the kernel counts it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string_view>

namespace polder {

struct ProcessMemory {
  std::int64_t rss_bytes = 0;       // VmRSS: resident now, pages of mapped files included
  std::int64_t peak_rss_bytes = 0;  // VmHWM: the most that was ever resident
  std::int64_t anon_bytes = 0;      // RssAnon: of VmRSS what no file holds
};

// Of this process. Errors: kIo and kCorrupt when /proc is absent or strange.
Result<ProcessMemory> process_memory();

// The same from the text of a /proc/PID/status.
Result<ProcessMemory> parse_process_status(std::string_view status);

}  // namespace polder
