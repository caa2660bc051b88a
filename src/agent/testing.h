// For tests of the agent: a time of day, lengths of time, and parts that do nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/observed.h"
#include "proto/worker.h"

namespace polder::agent {

inline constexpr std::int64_t kNow = 1'800'000'000, kDay = 86'400, kYear = 365 * kDay;

class NoUnits final : public UnitSource {
 public:
  std::vector<UnitWindow> take_windows() override { return {}; }
};

inline std::string bytes_of(const proto::FromWorker& message) {
  return proto::encode(message).value();
}

}  // namespace polder::agent
