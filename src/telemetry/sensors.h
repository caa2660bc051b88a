// Temperature and power of the machine, where the kernel shows them in sysfs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace polder::telemetry {

inline constexpr std::size_t kMaxSensors = 32;  // of each kind

struct Reading {
  std::string sensor;  // "thermal_zone0 x86_pkg_temp", "hwmon1 ina3221 power1"
  double value = 0;
};

struct Readings {
  std::vector<Reading> temperatures_c;
  std::vector<Reading> powers_w;
};

// What is there and makes sense; nothing where there is nothing. `sysfs`: where it is.
Readings read_sensors(const std::string& sysfs = "/sys");

}  // namespace polder::telemetry
