// Which of the devices that are there become the canaries of a numbered stage, by their past alone:
// those that fail often enough to tell something, and of several strata.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hub/rollouts/row.h"

namespace polder::hub {

// Parts of a Work. Errors: those of ask(); kCorrupt.

// By number, of the devices that are compared and have the order's tag (`strata`): which are of one
// site. Those of a site with fewer than four are left out: they are compared with all others that
// are. Empty without such a tag.
Result<std::map<std::int64_t, std::uint32_t>> strata_of(Database& database, const Rollout& rollout);

// So many more than are to be picked are asked for.
inline constexpr std::int64_t kMoreCandidates = 200;

struct Candidate {
  std::string device;
  std::int64_t number = -1;  // negative: it was not compared so far
};
// So many of them at most, those that come first where nothing else tells them apart.
Result<std::vector<Candidate>> pick_canaries(Database& database, const Rollout& rollout,
                                             const std::vector<Candidate>& candidates,
                                             std::size_t count);

}  // namespace polder::hub
