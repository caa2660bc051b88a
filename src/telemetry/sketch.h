// Quantiles of a stream in constant memory: latencies, sizes, scores. Sketches of devices, days or
// processes add up, and the sum is what one sketch of all values would be.
//
// Method: buckets whose bounds grow by a constant factor (DDSketch: Masson, Rim, Lee, PVLDB 12(12),
// 2019), here over a fixed range, so that nothing is ever collapsed.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <vector>

namespace polder::telemetry {

class Sketch {
 public:
  // A quantile is off by at most this share of itself, for values from kSmallest to kLargest.
  static constexpr double kRelativeError = 0.02;
  static constexpr double kSmallest = 1e-6, kLargest = 1e9;
  static constexpr int kBuckets = 864;  // and one for all that is below

  // What is not finite is counted apart; below kSmallest (negative values too) is taken for 0,
  // above kLargest for kLargest. The first value takes 6.8 KB; what came over the wire takes 8
  // bytes for each bucket from its first to its last, until it is added to.
  void add(double value) { add(value, 1); }
  void add(double value, std::uint64_t times);
  void merge(const Sketch& other);
  void clear() { *this = Sketch(); }

  std::uint64_t count() const { return count_; }
  std::uint64_t refused() const { return refused_; }  // not finite
  double sum() const { return sum_; }
  double min() const { return min_; }  // 0 without values
  double max() const { return max_; }
  // `fraction` in 0..1; 0 without values.
  double quantile(double fraction) const;

  // One that holds something, for the wire: bucket 0 is what is below kSmallest, bucket i ends at
  // upper_bound(i).
  struct Bucket {
    std::uint16_t index;
    std::uint64_t count;
    bool operator==(const Bucket&) const = default;
  };
  std::vector<Bucket> buckets() const;  // in their order
  static double upper_bound(int bucket);
  // The other way. Errors: kCorrupt when the parts contradict each other: no such bucket, empty
  // ones, one that is not behind the one before, bounds without values, more than fits.
  static Result<Sketch> from_parts(std::span<const Bucket> buckets, double min, double max,
                                   double sum, std::uint64_t refused);

 private:
  // So that these can be counted up.
  void hold(std::size_t first, std::size_t last);

  std::size_t first_ = 0;              // bucket of counts_[0]
  std::vector<std::uint64_t> counts_;  // empty, of a part of the buckets, or of all
  std::uint64_t count_ = 0, refused_ = 0;
  double sum_ = 0, min_ = 0, max_ = 0;
};

}  // namespace polder::telemetry
