#include "agent/machine.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/host.h"
#include "trust/digest.h"

namespace polder::agent {

namespace {

constexpr std::size_t kMaxReleaseBytes = 64 << 10;

// What follows `name` and `separator` in the first line that begins with it.
std::string value_of(std::string_view text, std::string_view name, char separator) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t middle = line.find(separator);
    if (middle == line.npos || !line.starts_with(name)) continue;
    if (line.substr(name.size(), middle - name.size()).find_first_not_of(" \t") != line.npos)
      continue;
    const std::size_t begin = line.find_first_not_of(" \t", middle + 1);
    return begin == line.npos ? "" : std::string(line.substr(begin));
  }
  return {};
}

std::string cpu_of(const std::string& root) {
  const auto info = read_kernel_text(root + "/proc/cpuinfo");
  if (info.ok())
    if (std::string name = value_of(*info, "model name", ':'); !name.empty()) return name;
  auto board = read_kernel_text(root + "/proc/device-tree/model");
  return board.ok() ? board->substr(0, board->find('\0')) : "";
}

// As os-release(5) has it: of a shell, in quotation marks where that needs them.
std::string system_of(const std::string& root) {
  const auto release = read_file(root + "/etc/os-release", kMaxReleaseBytes);
  if (!release.ok()) return {};
  const std::string name = value_of(*release, "PRETTY_NAME", '=');
  const bool is_quoted = name.size() >= 2 && (name[0] == '"' || name[0] == '\'');
  const std::size_t last = is_quoted ? name.rfind(name[0]) : name.size();
  std::string text;
  for (std::size_t i = is_quoted ? 1 : 0; i < last; ++i) {
    if (name[i] == '\\' && i + 1 < last) ++i;
    text += name[i];
  }
  return text;
}

}  // namespace

proto::Machine describe_machine(const trust::Device& device, const std::string& root) {
  HostFacts host = host_facts();
  std::string operators;
  for (const auto& [name, version] : device.operators)
    operators += fmt::format("{} {}\n", name, version);
  return {.architecture = std::move(host.architecture),
          .cpu = cpu_of(root),
          .cpus = host.cpus,
          .memory_bytes = host.memory_bytes,
          .system = system_of(root),
          .kernel = std::move(host.kernel),
          .targets = device.targets,
          .backends = device.backends,
          .plan_format = std::uint32_t(device.plan_format),
          .operators = std::uint32_t(device.operators.size()),
          .operators_digest = trust::sha256(operators)};
}

}  // namespace polder::agent
