#include "hub/rollouts/canaries.h"

#include <algorithm>
#include <set>

#include "base/fail.h"
#include "hub/rollouts/evidence.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// With fewer, one canary leaves too few to compare with.
constexpr std::size_t kLeastOfStratum = 4;

Result<std::set<std::uint32_t>> strata_of_chosen(
    Database& database, const Rollout& rollout,
    const std::map<std::int64_t, std::uint32_t>& strata) {
  TRY_VALUE(const Rows rows, ask(database,
                                 "SELECT number FROM rollout_device WHERE rollout = ? AND chosen = "
                                 "1 ORDER BY device",
                                 {rollout.id}));
  std::set<std::uint32_t> all;
  for (const Row& row : rows) {
    if (row[0].is_null()) continue;
    const auto found = strata.find(row[0].integer());
    if (found != strata.end()) all.insert(found->second);
  }
  return all;
}

}  // namespace

Result<std::map<std::int64_t, std::uint32_t>> strata_of(Database& database,
                                                        const Rollout& rollout) {
  std::map<std::int64_t, std::uint32_t> strata;
  if (rollout.order.strata.empty()) return strata;
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT o.number, t.value FROM rollout_device o JOIN device_tag t ON t.device = "
                "o.device AND t.name = ? WHERE o.rollout = ? AND o.number IS NOT NULL ORDER BY "
                "o.number",
                {rollout.order.strata, rollout.id}));
  std::map<std::string, std::vector<std::int64_t>> sites;
  for (const Row& row : rows) sites[row[1].text()].push_back(row[0].integer());
  std::uint32_t stratum = 0;
  for (const auto& [site, numbers] : sites) {
    if (numbers.size() < kLeastOfStratum) continue;
    ++stratum;
    for (const std::int64_t number : numbers) strata[number] = stratum;
  }
  return strata;
}

Result<std::vector<Candidate>> pick_canaries(Database& database, const Rollout& rollout,
                                             const std::vector<Candidate>& candidates,
                                             std::size_t count) {
  TRY_VALUE(const auto ratios, own_ratios(database, rollout));
  TRY_VALUE(const auto strata, strata_of(database, rollout));
  TRY_VALUE(std::set<std::uint32_t> taken, strata_of_chosen(database, rollout, strata));
  std::vector<Candidate> picked;
  std::set<std::string_view> there;
  // What is asked of a device is less in each round.
  for (int round = 0; round < 3; ++round) {
    for (const Candidate& one : candidates) {
      if (picked.size() == count) return picked;
      const auto ratio = ratios.find(one.number);
      const bool tells =
          ratios.empty() || (ratio != ratios.end() && ratio->second >= kLeastTelling);
      const auto stratum = strata.find(one.number);
      const bool is_other =
          strata.empty() || (stratum != strata.end() && !taken.contains(stratum->second));
      if ((round < 2 && !tells) || (round < 1 && !is_other)) continue;
      if (!there.insert(one.device).second) continue;
      picked.push_back(one);
      if (stratum != strata.end()) taken.insert(stratum->second);
    }
  }
  return picked;
}

}  // namespace polder::hub
