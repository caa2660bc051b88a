// What one device sets of its releases' pipelines: where its camera is, where its line lies. A
// release is the same for all devices.
//
//   [pipeline.people-counting]
//   camera.path = "/dev/video0"
//   door.from = [120, 0]
//
// Only options of a step's type may be set, none of which are the model's: what a step is, what it
// reads and what it may store is the releaser's to say, and signed.
#pragma once

#include <polder/error.h>

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/toml.h"

namespace polder::agent {

// Of one unit.
inline constexpr std::size_t kMaxDeviceSettings = 256;
// Of one value, as TOML on one line.
inline constexpr std::size_t kMaxDeviceSettingBytes = 1000;

struct DeviceSetting {
  std::string step, key;
  std::string value;  // TOML on one line
  std::string file;   // where it was read
  int line = 0;
  // "camera.path=\"/dev/video0\"", for proto::Start.
  std::string assignment() const { return step + "." + key + "=" + value; }
  bool operator==(const DeviceSetting&) const = default;
};
using DeviceSettings = std::map<std::string, std::vector<DeviceSetting>, std::less<>>;  // by unit

// From the table `pipeline` of polderd.toml, which `top` has as an option. Errors: kInvalid,
// kExhausted, with the file and the line.
Result<DeviceSettings> read_device_settings(const Settings& top, std::string_view file,
                                            std::span<const std::string> models);

// Whether they fit a release's pipeline, whose text this is. Errors: kInvalid, with the place in
// polderd.toml and the steps and keys that there are. A pipeline that is wrong without them is not
// judged here.
Status check_device_settings(std::string_view pipeline, std::span<const DeviceSetting> settings);

// Whether the release has a file of that name beside its pipeline.
using HasFile = std::function<bool(const std::string& name)>;
// Whether what the pipeline's sources read is there, now, be it set by the device or named by the
// release. Errors: kNotFound, with the unit, the step, its place in polderd.toml where that is what
// names it, and what to do.
Status find_device_inputs(std::string_view pipeline, std::string_view unit,
                          std::span<const DeviceSetting> settings, const HasFile& has_file);

}  // namespace polder::agent
