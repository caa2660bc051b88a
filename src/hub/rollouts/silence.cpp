#include "hub/rollouts/silence.h"

#include <cmath>
#include <string>

#include "base/fail.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// It holds a stage, and lets go with the next look: wrong once in a thousand looks it costs little.
constexpr double kUnlikely = 1e-3;

struct Group {
  std::int64_t all = 0, silent = 0;
  std::string example;
};

}  // namespace

double chance_of_silence(std::int64_t silent, std::int64_t all, double chance) {
  const auto n = static_cast<double>(all);
  double sum = 0;
  for (std::int64_t i = silent; i <= all; ++i) {
    const auto k = static_cast<double>(i);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                    k * std::log(chance) + (n - k) * std::log1p(-chance));
  }
  return sum;
}

Result<std::optional<Reason>> silence_of(Database& database, const Rollout& rollout,
                                         const Heard& heard) {
  TRY_VALUE(const Rows rows,
            ask(database,
                "SELECT o.device, o.number, o.wanted FROM rollout_device o JOIN device d ON d.id = "
                "o.device AND d.revoked_s IS NULL WHERE o.rollout = ? AND o.number IS NOT NULL AND "
                "o.counted = 1 AND o.failure IS NULL AND o.wanted <> 1 ORDER BY o.number",
                {rollout.id}));
  Group old_release, new_release;
  for (const Row& row : rows) {
    Group& group = row[2].integer() == 0 ? old_release : new_release;
    ++group.all;
    if (heard.contains(row[1].integer())) continue;
    if (group.silent++ == 0) group.example = row[0].text();
  }
  if (old_release.all == 0 || new_release.silent == 0) return std::optional<Reason>();
  const double chance =
      static_cast<double>(old_release.silent + 1) / static_cast<double>(old_release.all + 2);
  if (chance_of_silence(new_release.silent, new_release.all, chance) >= kUnlikely)
    return std::optional<Reason>();
  return std::optional(say(why::kSilent, {{"silent", new_release.silent},
                                          {"all", new_release.all},
                                          {"device", new_release.example},
                                          {"others", old_release.silent},
                                          {"controls", old_release.all}}));
}

}  // namespace polder::hub
