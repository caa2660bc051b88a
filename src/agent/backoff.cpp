#include "agent/backoff.h"

#include <algorithm>

#include "platform/clock.h"

namespace polder::agent {

namespace {

std::int64_t left_by_clock_s(const Attempts& attempts, std::int64_t clock_s, const Policy& policy) {
  const std::int64_t left_s =
      attempts.not_before_s - std::clamp<std::int64_t>(clock_s, 0, kMaxTimeS);
  // More than there was at first: this clock is not the one that it was set by.
  return left_s > longest_backoff_s(attempts.failures, policy) ? 0
                                                               : std::max<std::int64_t>(left_s, 0);
}

}  // namespace

std::int64_t longest_backoff_s(std::int64_t failures, const Policy& policy) {
  std::int64_t wait_s = policy.first_wait_s;
  for (std::int64_t i = 1; i < failures && wait_s < policy.longest_wait_s; ++i) wait_s *= 2;
  return std::clamp<std::int64_t>(wait_s, 1, std::max<std::int64_t>(policy.longest_wait_s, 1));
}

std::int64_t backoff_s(std::int64_t failures, std::uint64_t random, const Policy& policy) {
  const std::int64_t longest_s = longest_backoff_s(failures, policy);
  return longest_s - std::int64_t(random % std::uint64_t(longest_s / 2 + 1));
}

void Backoff::start(const AgentState& state, std::int64_t clock_s, std::int64_t now_us) {
  due_us_.clear();
  for (const Attempts& item : state.attempts) {
    due_us_[item.release.manifest] = now_us + left_by_clock_s(item, clock_s, policy_) * kSecondUs;
  }
}

void Backoff::follow(const AgentState& before, const AgentState& after, std::int64_t clock_s,
                     std::int64_t now_us) {
  if (before.attempts == after.attempts) return;
  std::erase_if(due_us_, [&](const auto& item) { return !after.find_attempts(item.first); });
  for (const Attempts& item : after.attempts) {
    const Attempts* known = before.find_attempts(item.release.manifest);
    if (known && *known == item) continue;
    due_us_[item.release.manifest] = now_us + left_by_clock_s(item, clock_s, policy_) * kSecondUs;
  }
}

std::int64_t Backoff::left_s(const Attempts& attempts, std::int64_t now_us) const {
  const auto due = due_us_.find(attempts.release.manifest);
  if (due == due_us_.end() || due->second <= now_us) return 0;
  return (due->second - now_us + kSecondUs - 1) / kSecondUs;
}

}  // namespace polder::agent
