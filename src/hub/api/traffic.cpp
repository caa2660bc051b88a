#include "hub/api/traffic.h"

#include <algorithm>

namespace polder::hub {

std::string_view asker_name(Asker asker) {
  constexpr std::array<std::string_view, kAskers> kNames = {"anyone", "device", "person"};
  return kNames[static_cast<std::size_t>(asker)];
}

void Traffic::add(Asker asker, int status, std::int64_t took_us) {
  const auto hundreds = static_cast<std::size_t>(std::clamp(status / 100, 1, kHundreds)) - 1;
  const auto who = static_cast<std::size_t>(asker);
  requests_[who][hundreds].fetch_add(1, std::memory_order_relaxed);
  took_us_[who].fetch_add(took_us, std::memory_order_relaxed);
}

std::vector<Traffic::Count> Traffic::counts() const {
  std::vector<Count> all;
  for (std::size_t who = 0; who < kAskers; ++who)
    for (std::size_t i = 0; i < kHundreds; ++i)
      all.push_back({static_cast<Asker>(who), static_cast<int>(i) + 1,
                     requests_[who][i].load(std::memory_order_relaxed)});
  return all;
}

double Traffic::seconds(Asker asker) const {
  constexpr double kUs = 1e-6;
  return kUs * double(took_us_[static_cast<std::size_t>(asker)].load(std::memory_order_relaxed));
}

}  // namespace polder::hub
