#include "hub/share.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/fail.h"

namespace polder::hub {
namespace {

constexpr double kMostEvidence = 1e12;
// Of the mean of bounded observations, at all times together (Robbins' normal mixture, for
// variances of at most 1/4).
constexpr double kVariance = 0.25, kBoundsError = 0.05;

double bounds_width(double looks) {
  const double spread = looks * kVariance + 1;
  return std::sqrt(2 * spread * std::log(std::sqrt(spread) / kBoundsError)) / looks;
}

template <class Wealth>
double mean_of(const Wealth& logs) {
  double sum = 0;
  for (const double value : logs) sum += std::exp(std::min(value, 100.0));
  return std::min(sum / static_cast<double>(logs.size()), kMostEvidence);
}

}  // namespace

void ShareEvidence::look(double share) {
  share = std::clamp(share, 0.0, 1.0);
  looks_ += 1;
  sum_ += share;
  for (std::size_t i = 0; i < kStakes.size(); ++i) {
    worse_[i] += std::log1p(kStakes[i] * (share - limit_) / limit_);
    acceptable_[i] += std::log1p(kStakes[i] * (limit_ - share) / (1 - limit_));
  }
}

Judgement ShareEvidence::judge() const {
  Judgement now{.low = 0, .high = 1 / limit_};
  if (looks_ == 0) return now;
  const auto looks = static_cast<double>(looks_);
  const double mean = sum_ / looks, width = bounds_width(looks);
  now.ratio = mean / limit_;
  now.low = std::max(0.0, mean - width) / limit_;
  now.high = std::min(1.0, mean + width) / limit_;
  now.worse = mean_of(worse_);
  now.acceptable = mean_of(acceptable_);
  return now;
}

std::int64_t ShareEvidence::looks_to_prove(double limit, double at) {
  const auto is_proven = [&](std::int64_t looks) {
    Wealth wealth{};
    for (std::size_t i = 0; i < kStakes.size(); ++i)
      wealth[i] = static_cast<double>(looks) * std::log1p(kStakes[i] * limit / (1 - limit));
    return mean_of(wealth) >= at;
  };
  std::int64_t too_few = 0, enough = 1;
  while (!is_proven(enough)) enough *= 2;
  while (enough - too_few > 1) {
    const std::int64_t middle = too_few + (enough - too_few) / 2;
    (is_proven(middle) ? enough : too_few) = middle;
  }
  return enough;
}

trust::Json ShareEvidence::to_json() const {
  trust::Json::Array worse(worse_.begin(), worse_.end());
  trust::Json::Array acceptable(acceptable_.begin(), acceptable_.end());
  return trust::Json::Members{{"limit", limit_},
                              {"looks", looks_},
                              {"sum", sum_},
                              {"worse", std::move(worse)},
                              {"acceptable", std::move(acceptable)}};
}

Result<ShareEvidence> ShareEvidence::from_json(const trust::Json& json, const std::string& where) {
  TRY_VALUE(const trust::Object from, trust::Object::of(json, where));
  TRY_VALUE(const double limit, from.number("limit"));
  if (!(limit > 0 && limit < 1))
    return fail(Code::kCorrupt, "{}: between 0 and 1 expected, {} found", from.place("limit"),
                limit);
  ShareEvidence made(limit);
  TRY_VALUE(made.looks_, from.integer("looks", 0, INT64_MAX));
  TRY_VALUE(made.sum_, from.number("sum"));
  for (auto& [name, wealth] : {std::pair<const char*, Wealth*>{"worse", &made.worse_},
                               {"acceptable", &made.acceptable_}}) {
    TRY_VALUE(const trust::Json::Array* const list, from.array(name, kStakes.size()));
    if (list->size() != kStakes.size())
      return fail(Code::kCorrupt, "{}: {} numbers expected", from.place(name), kStakes.size());
    for (std::size_t i = 0; i < kStakes.size(); ++i) {
      const trust::Json& one = (*list)[i];
      if (!one.number() && !one.integer())
        return fail(Code::kCorrupt, "{}: a number expected", from.place(name));
      (*wealth)[i] = one.number() ? *one.number() : static_cast<double>(*one.integer());
    }
  }
  return made;
}

}  // namespace polder::hub
