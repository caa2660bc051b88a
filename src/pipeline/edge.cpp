#include "pipeline/edge.h"

#include <algorithm>

namespace polder::pipeline {

void Edge::push(Packet packet) {
  if (spec_.policy == Policy::kLatest)
    while (!empty()) drop_first(DropReason::kSuperseded);
  if (spec_.policy == Policy::kDropOldest && size_ == spec_.capacity)
    drop_first(DropReason::kOverflow);
  POLDER_CHECK(size_ < spec_.capacity);  // a producer starts only when its edges have room
  settle(packet.t_capture_us);
  ring_[(first_ + std::size_t(size_)) % ring_.size()] = std::move(packet);
  max_size_ = std::max(max_size_, ++size_);
}

Packet Edge::pop() {
  POLDER_CHECK(!empty());
  Packet packet = std::move(ring_[first_]);
  first_ = (first_ + 1) % ring_.size();
  --size_;
  return packet;
}

void Edge::drop_first(DropReason reason) {
  (void)pop();
  ++drops_[std::size_t(reason)];
}

}  // namespace polder::pipeline
