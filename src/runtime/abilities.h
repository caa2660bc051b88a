// What this machine, with this build, can run: what a release's artifacts are chosen by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace polder {

struct Abilities {
  std::vector<std::string> targets;  // instruction sets, the best first: "x86-64-v3", "generic"
  std::int64_t plan_format = 0;
  std::map<std::string, std::int64_t> operators;  // with their versions
};

Abilities machine_abilities();

}  // namespace polder
