// A bounded edge: a ring of packets with a policy, its drops, and how far in time it is settled.
// Not thread-safe: the scheduler guards it.
#pragma once

#include <limits>
#include <vector>

#include "pipeline/graph.h"

namespace polder::pipeline {

class Edge {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  explicit Edge(const EdgeSpec& spec) : spec_(spec), ring_(std::size_t(spec.capacity)) {}

  // Whether its producer has to wait.
  bool blocks() const { return spec_.policy == Policy::kBlock && size_ == spec_.capacity; }
  void push(Packet packet);
  // No packet captured at or before `time_us` will be pushed any more.
  void settle(std::int64_t time_us) { settled_us_ = std::max(settled_us_, time_us); }
  void close() { settled_us_ = kNever; }

  bool empty() const { return size_ == 0; }
  bool finished() const { return empty() && settled_us_ == kNever; }
  // The earliest capture time that can still come out.
  std::int64_t frontier_us() const {
    if (!empty()) return ring_[first_].t_capture_us;
    return settled_us_ == kNever ? kNever : settled_us_ + 1;
  }
  Packet pop();
  void drop_first(DropReason reason);

  const EdgeSpec& spec() const { return spec_; }
  const Drops& drops() const { return drops_; }
  int max_size() const { return max_size_; }

 private:
  EdgeSpec spec_;
  std::vector<Packet> ring_;
  std::size_t first_ = 0;
  int size_ = 0, max_size_ = 0;
  std::int64_t settled_us_ = -1;
  Drops drops_{};
};

}  // namespace polder::pipeline
