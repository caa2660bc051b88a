#include "measure/memory.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "base/fail.h"
#include "platform/host.h"

namespace polder {
namespace {

constexpr char kStatusPath[] = "/proc/self/status";

// The value of a line such as "VmRSS:\t    1234 kB".
Result<std::int64_t> bytes_of(std::string_view status, std::string_view key) {
  std::size_t at = status.find(key);
  while (at != std::string_view::npos && at > 0 && status[at - 1] != '\n')
    at = status.find(key, at + 1);
  if (at == std::string_view::npos)
    return fail(Code::kCorrupt, "no line '{}' in {}", key, kStatusPath);
  std::string_view rest = status.substr(at + key.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  std::int64_t kibibytes = 0;
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), kibibytes);
  if (code != std::errc() || !std::string_view(end, rest.data() + rest.size()).starts_with(" kB"))
    return fail(Code::kCorrupt, "'{} <number> kB' expected in {}, found '{}'", key, kStatusPath,
                rest.substr(0, rest.find('\n')));
  return kibibytes * 1024;
}

}  // namespace

Result<ProcessMemory> parse_process_status(std::string_view status) {
  TRY_VALUE(const std::int64_t rss_bytes, bytes_of(status, "VmRSS:"));
  TRY_VALUE(const std::int64_t peak_rss_bytes, bytes_of(status, "VmHWM:"));
  TRY_VALUE(const std::int64_t anon_bytes, bytes_of(status, "RssAnon:"));
  return ProcessMemory{rss_bytes, peak_rss_bytes, anon_bytes};
}

Result<ProcessMemory> process_memory() {
  TRY_VALUE(const std::string status, read_kernel_text(kStatusPath));
  return parse_process_status(status);
}

}  // namespace polder
