// The targets of a repository that devices read themselves, by their names, and what devices hold
// each to. What lies under another name is for whoever asks for it.
//
//   floors.json                  the lowest versions that devices install (trust/floors.h)
//   assignments/DEVICE.json      what a device is to run (trust/assignment.h), of that device
//   MODEL/VERSION/manifest.json  a release (trust/manifest.h), of that model and version
//   MODEL/VERSION/FILE-ID.keys   who may open a sealed file (trust/sealed_file.h), of that file
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <string_view>

namespace polder::trust {

enum class DeviceTarget { kNone, kFloors, kAssignment, kManifest, kSealedKeys };

DeviceTarget device_target(std::string_view path);

// As many bytes as a device takes of one; 0: devices ask for no such target.
std::size_t device_target_cap_bytes(DeviceTarget kind);

// Whether devices take these bytes under that name; of kNone always. Errors, each naming the
// target: kCorrupt for what they cannot read or what belongs under another name, kIncompatible for
// another format, kExhausted above a cap.
Status check_device_target(std::string_view path, std::string_view bytes);

}  // namespace polder::trust
