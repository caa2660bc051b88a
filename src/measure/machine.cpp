#include "measure/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "platform/host.h"

namespace polder {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

// The value of the first line "key   : value".
std::string_view value_of(std::string_view cpuinfo, std::string_view key) {
  while (!cpuinfo.empty()) {
    const std::string_view line = cpuinfo.substr(0, cpuinfo.find('\n'));
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trim(line.substr(0, colon)) == key)
      return trim(line.substr(colon + 1));
    cpuinfo.remove_prefix(std::min(line.size() + 1, cpuinfo.size()));
  }
  return {};
}

bool has_word(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != std::string_view::npos;
       at = words.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' '))
      return true;
  }
  return false;
}

bool has_all(std::string_view words, std::initializer_list<std::string_view> wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](std::string_view word) { return has_word(words, word); });
}

std::string read_text(const char* path) {
  auto text = read_kernel_text(path);
  return text.ok() ? std::string(trim(*text)) : std::string();
}

}  // namespace

std::string cpu_name(std::string_view cpuinfo) {
  const std::string_view name = value_of(cpuinfo, "model name");
  if (!name.empty()) return std::string(name);
  const std::string_view part = value_of(cpuinfo, "CPU part");
  if (part.empty()) return {};
  return fmt::format("arm implementer {} part {}", value_of(cpuinfo, "CPU implementer"), part);
}

std::string cpu_isa(std::string_view cpuinfo) {
  const std::string_view flags = value_of(cpuinfo, "flags");
  const std::string_view features = value_of(cpuinfo, "Features");
  if (has_word(features, "asimd")) return has_word(features, "asimddp") ? "arm64+dotprod" : "arm64";
  const bool v3 =
      has_all(flags, {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"});
  const bool v4 = v3 && has_all(flags, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  if (v4) return has_word(flags, "avx512_vnni") ? "x86-64-v4+vnni" : "x86-64-v4";
  if (v3) return "x86-64-v3";
  return flags.empty() ? "" : "x86-64";
}

Machine describe_machine() {
  const std::string cpuinfo = read_text("/proc/cpuinfo");
  return {.cpu = cpu_name(cpuinfo),
          .cores = usable_cores(),
          .isa = cpu_isa(cpuinfo),
          .kernel = fmt::format("Linux {}", read_text("/proc/sys/kernel/osrelease")),
          .governor = read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")};
}

std::string Machine::text() const {
  std::string line =
      fmt::format("{}, {} core{}, {}, {}", cpu, cores, cores == 1 ? "" : "s", isa, kernel);
  if (!governor.empty()) line += fmt::format(", governor {}", governor);
  return line;
}

}  // namespace polder
