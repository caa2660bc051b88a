#include "telemetry/sketch.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/fail.h"

namespace polder::telemetry {
namespace {

constexpr std::uint64_t kMaxCount = std::uint64_t(1) << 53;

// From one bound to the next.
const double kStep = std::log((1 + Sketch::kRelativeError) / (1 - Sketch::kRelativeError));

int bucket_of(double value) {
  if (value < Sketch::kSmallest) return 0;
  const double step = std::ceil(std::log(value / Sketch::kSmallest) / kStep);
  return std::clamp(int(step), 1, Sketch::kBuckets);
}

// Adds as far as a double can tell counts apart.
void count_up(std::uint64_t& counter, std::uint64_t by) {
  counter = std::min(counter + std::min(by, kMaxCount), kMaxCount);
}

}  // namespace

void Sketch::hold(std::size_t first, std::size_t last) {
  if (first_ <= first && last < first_ + counts_.size()) return;
  std::vector<std::uint64_t> all(kBuckets + 1);
  std::ranges::copy(counts_, all.begin() + std::ptrdiff_t(first_));
  counts_ = std::move(all);
  first_ = 0;
}

void Sketch::add(double value, std::uint64_t times) {
  if (times == 0) return;
  if (!std::isfinite(value)) return count_up(refused_, times);
  value = value < kSmallest ? 0 : std::min(value, kLargest);
  const auto bucket = std::size_t(bucket_of(value));
  hold(bucket, bucket);
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  count_up(counts_[bucket - first_], times);
  count_up(count_, times);
  sum_ += value * double(times);
}

void Sketch::merge(const Sketch& other) {
  count_up(refused_, other.refused_);
  if (other.count_ == 0) return;
  hold(other.first_, other.first_ + other.counts_.size() - 1);
  for (std::size_t i = 0; i < other.counts_.size(); ++i)
    count_up(counts_[other.first_ + i - first_], other.counts_[i]);
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  count_up(count_, other.count_);
  sum_ += other.sum_;
}

double Sketch::upper_bound(int bucket) {
  return bucket == 0 ? 0 : kSmallest * std::exp(kStep * bucket);
}

double Sketch::quantile(double fraction) const {
  if (count_ == 0) return 0;
  const double share = std::clamp(fraction, 0.0, 1.0) * double(count_);
  const auto rank = std::max<std::uint64_t>(std::uint64_t(std::ceil(share)), 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    // The middle of the bucket in the sense of the relative error.
    const double middle = upper_bound(int(first_ + i)) * (1 - kRelativeError);
    return std::clamp(middle, min_, max_);
  }
  return max_;
}

std::vector<Sketch::Bucket> Sketch::buckets() const {
  std::vector<Bucket> filled;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] > 0) filled.push_back({std::uint16_t(first_ + i), counts_[i]});
  return filled;
}

Result<Sketch> Sketch::from_parts(std::span<const Bucket> buckets, double min, double max,
                                  double sum, std::uint64_t refused) {
  Sketch sketch;
  if (refused > kMaxCount) return fail(Code::kCorrupt, "sketch: {} values refused", refused);
  sketch.refused_ = refused;
  int last = -1;
  for (const Bucket& bucket : buckets) {
    if (bucket.index <= last)
      return fail(Code::kCorrupt, "sketch: bucket {} comes after {}", bucket.index, last);
    if (bucket.index > kBuckets || bucket.count == 0 || bucket.count > kMaxCount - sketch.count_)
      return fail(Code::kCorrupt, "sketch: bucket {} of {} holds {} values", bucket.index, kBuckets,
                  bucket.count);
    last = bucket.index;
    sketch.count_ += bucket.count;
  }
  if (!buckets.empty()) {
    sketch.first_ = buckets.front().index;
    sketch.counts_.resize(buckets.back().index - sketch.first_ + 1);
  }
  for (const Bucket& bucket : buckets) sketch.counts_[bucket.index - sketch.first_] = bucket.count;
  const bool is_bounded = 0 <= min && min <= max && max <= kLargest;  // false for NaN
  const double slack = 1e-9 * max * double(sketch.count_);
  const bool is_sum =
      sum >= min * double(sketch.count_) - slack && sum <= max * double(sketch.count_) + slack;
  const bool fits = buckets.empty()
                        ? min == 0 && max == 0 && sum == 0
                        : is_bounded && is_sum && bucket_of(min) == buckets.front().index &&
                              bucket_of(max) == buckets.back().index;
  if (!fits)
    return fail(Code::kCorrupt, "sketch: {} values from {} to {} with the sum {} cannot be",
                sketch.count_, min, max, sum);
  sketch.min_ = min;
  sketch.max_ = max;
  sketch.sum_ = sum;
  return sketch;
}

}  // namespace polder::telemetry
