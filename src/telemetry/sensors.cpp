#include "telemetry/sensors.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "platform/file.h"

namespace polder::telemetry {
namespace {

constexpr std::size_t kMaxEntries = 4096;  // of a folder

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The first line, what cannot be shown left out.
std::string line_of(const std::string& path) {
  const auto text = read_file(path, 4096);
  std::string line;
  if (!text) return line;
  for (const char c : *text) {
    if (c == '\n' || line.size() == 64) break;
    if (c >= ' ' && c <= '~') line += c;
  }
  return line;
}

std::optional<double> number_of(const std::string& path, double unit, double most) {
  const std::string line = line_of(path);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size() || line.empty()) return {};
  const double value = double(number) * unit;
  return value > -most && value < most ? std::optional(value) : std::nullopt;
}

std::vector<std::string> entries(const std::string& folder) {
  auto found = list_folder(folder, kMaxEntries);
  return found ? std::move(*found) : std::vector<std::string>();
}

void add(std::vector<Reading>& readings, std::string sensor, std::optional<double> value) {
  if (value && readings.size() < kMaxSensors) readings.push_back({std::move(sensor), *value});
}

}  // namespace

Readings read_sensors(const std::string& sysfs) {
  Readings readings;
  for (const std::string& zone : entries(sysfs + "/class/thermal")) {
    if (!name_of(zone).starts_with("thermal_zone")) continue;
    // Thousandths of a degree.
    add(readings.temperatures_c, std::string(name_of(zone)) + " " + line_of(zone + "/type"),
        number_of(zone + "/temp", 1e-3, 300));
  }
  for (const std::string& chip : entries(sysfs + "/class/hwmon")) {
    const std::string name = std::string(name_of(chip)) + " " + line_of(chip + "/name");
    for (int i = 1; i <= 8; ++i) {
      const std::string power = "power" + std::to_string(i);
      // Millionths of a watt.
      auto value = number_of(chip + "/" + power + "_input", 1e-6, 1e5);
      if (!value) value = number_of(chip + "/" + power + "_average", 1e-6, 1e5);
      add(readings.powers_w, name + " " + power, value);
    }
  }
  return readings;
}

}  // namespace polder::telemetry
