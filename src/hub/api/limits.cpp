#include "hub/api/limits.h"

#include <algorithm>
#include <cmath>

namespace polder::hub {

std::int64_t Limits::take(std::string_view identity, const Limit& limit) {
  const std::lock_guard lock(mutex_);
  const std::int64_t now_us = clock_.now_us();
  const auto found = places_.find(identity);
  if (found != places_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  } else {
    if (buckets_.size() >= max_identities_) {
      places_.erase(buckets_.back().identity);
      buckets_.pop_back();
    }
    buckets_.push_front({std::string(identity), limit.at_once, now_us});
    places_.emplace(buckets_.front().identity, buckets_.begin());
  }
  Bucket& bucket = buckets_.front();
  const double filled = static_cast<double>(now_us - bucket.at_us) * 1e-6 * limit.a_second;
  bucket.left = std::min(limit.at_once, bucket.left + filled);
  bucket.at_us = now_us;
  if (bucket.left >= 1) {
    bucket.left -= 1;
    return 0;
  }
  return std::max<std::int64_t>(1, std::llround(std::ceil((1 - bucket.left) / limit.a_second)));
}

}  // namespace polder::hub
