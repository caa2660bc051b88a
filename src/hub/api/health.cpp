#include "hub/api/health.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kHoldsUs = 1'000'000;

}  // namespace

Status Health::check() {
  const std::lock_guard lock(mutex_);
  if (!asked_us_ || clock_.now_us() >= *asked_us_ + kHoldsUs) {
    const auto rows = ask(hub_, "SELECT version FROM hub_schema");
    trouble_ = rows.ok() ? std::nullopt : std::optional(rows.error());
    asked_us_ = clock_.now_us();
  }
  return trouble_ ? Status(*trouble_) : Status();
}

}  // namespace polder::hub
