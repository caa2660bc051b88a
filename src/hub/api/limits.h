// How often one may ask: a bucket of requests for each identity, which fills again with time.
//
//   const std::int64_t wait_s = limits.take("person anna", kPersonLimit);  // 0: go on
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "platform/clock.h"

namespace polder::hub {

struct Limit {
  double a_second = 1;  // on average
  double at_once = 1;   // after a rest
};

// Thread-safe. Of more identities than it keeps the one that asked longest ago is forgotten, as if
// it had rested: so many ask from addresses of their own anyway.
class Limits {
 public:
  // Borrows the clock.
  explicit Limits(Clock& clock, std::size_t max_identities = 100'000)
      : clock_(clock), max_identities_(max_identities) {}
  // Takes one request out of the bucket, and returns 0; or the seconds after which there is one.
  std::int64_t take(std::string_view identity, const Limit& limit);

 private:
  struct Bucket {
    std::string identity;
    double left = 0;
    std::int64_t at_us = 0;
  };

  Clock& clock_;
  const std::size_t max_identities_;
  std::mutex mutex_;
  std::list<Bucket> buckets_;  // who asked last is first
  std::unordered_map<std::string_view, std::list<Bucket>::iterator> places_;  // names are buckets'
};

}  // namespace polder::hub
