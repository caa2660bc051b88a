// What this device is and can run, for its hub to know: hardware, system, instruction sets,
// operators.
//
//   link_parts.machine = describe_machine(this_device());
//
// Of the hardware its kind alone: no serial number, no address, not the name of the host. What
// cannot be read stays empty.
#pragma once

#include <string>

#include "proto/report.h"
#include "trust/manifest.h"

namespace polder::agent {

// The CPU is the "model name" of /proc/cpuinfo; where the kernel has none, as on most ARM boards,
// the board is named (/proc/device-tree/model). The system is PRETTY_NAME of /etc/os-release. Of
// the operators it has the number, and the SHA-256 of a line "NAME VERSION" for each in their
// order. `root`: where those files are, for tests.
proto::Machine describe_machine(const trust::Device& device, const std::string& root = "");

}  // namespace polder::agent
