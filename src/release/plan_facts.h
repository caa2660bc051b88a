// What a compiled model needs of a device, and where its parts lie.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trust/manifest.h"

namespace polder::release {

struct PlanFacts {
  trust::Requires requirement;
  std::string target;
  // Where its constant tensors begin in the file, ascending: preferred cuts (trust/chunks.h).
  std::vector<std::uint64_t> cuts;
};

// Reads and checks the plan. `name` stands for it in errors. Errors: those of Plan::open():
// kCorrupt, kIncompatible for another format.
Result<PlanFacts> plan_facts(const std::string& path, const std::string& name);

}  // namespace polder::release
