// Names the machine that a measurement was made on: a number without it says nothing.
#pragma once

#include <string>
#include <string_view>

namespace polder {

struct Machine {
  std::string cpu;       // "AMD EPYC 9B14", or on arm64 the implementer and part numbers
  int cores = 0;         // that this process may use
  std::string isa;       // "x86-64-v4+vnni", "x86-64-v3", "x86-64", "arm64+dotprod", "arm64"
  std::string kernel;    // "Linux 6.1.0-18-amd64"
  std::string governor;  // of the first core; empty where the machine does not say

  // One line: "AMD EPYC, 2 cores, x86-64-v4+vnni, Linux 6.1.0".
  std::string text() const;
};

// What cannot be read is left empty.
Machine describe_machine();

// From the text of /proc/cpuinfo.
std::string cpu_name(std::string_view cpuinfo);
std::string cpu_isa(std::string_view cpuinfo);

}  // namespace polder
