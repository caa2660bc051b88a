// What a run measured, apart from what it computed: latencies, queue depths, drops, traffic.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/packet.h"

namespace polder::pipeline {

// Percentiles in constant memory: 32 buckets to each power of two of nanoseconds, so a percentile
// is at most 3.2% too high.
class LatencyHistogram {
 public:
  void add(std::int64_t ns);
  // `fraction` in 0…1; 0 without values.
  double percentile_ms(double fraction) const;
  std::uint64_t count() const { return count_; }
  double total_ms() const { return double(total_ns_) * 1e-6; }

 private:
  static constexpr int kSteps = 32;
  std::array<std::uint32_t, kSteps * 60> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t total_ns_ = 0;
};

enum class DropReason : std::uint8_t {
  kOverflow,    // drop_oldest: the edge was full
  kSuperseded,  // latest: a newer packet came
  kUnmatched,   // its partner on another input was dropped
  kLate,        // past its deadline, and the sink drops late packets
};
inline constexpr int kDropReasons = 4;
std::string_view drop_name(DropReason reason);
using Drops = std::array<std::uint64_t, kDropReasons>;

// Bytes that came in and that would go out.
struct Traffic {
  std::uint64_t encoded_bytes = 0;  // as the sensor or file delivers them, compressed
  std::uint64_t decoded_bytes = 0;  // pixels or samples
  std::uint64_t event_bytes = 0;    // written by json_lines sinks
};

struct NodeStats {
  std::string name, type;
  std::uint64_t packets = 0;
  std::uint64_t passed_over = 0;  // of these; latencies are those of the others
  double p50_ms = 0, p90_ms = 0, p99_ms = 0, total_ms = 0;
  int max_queue = 0;              // deepest of its inputs
  std::uint64_t late = 0;         // packets that reached it past their deadline
  Drops drops{};                  // on its inputs
  std::uint64_t event_bytes = 0;  // that it wrote
};

struct RunStats {
  std::string pipeline;
  std::uint64_t frames = 0;  // packets from all sources
  double wall_s = 0;
  double stream_s = 0;  // time that the captured packets span
  int threads = 1;
  double end_to_end_p50_ms = 0, end_to_end_p99_ms = 0;  // arrival to the last sink; real time only
  std::vector<NodeStats> nodes;                         // sources first
  std::vector<Counter> counters;                        // final values, in the order of the nodes
  Traffic traffic;
  std::vector<std::string> problems;  // sources that ended early, one line each

  double frames_per_s() const { return wall_s > 0 ? double(frames) / wall_s : 0; }
  // Share of the compressed input that need not be sent because only events are; 0 when unknown.
  double traffic_saved() const;
};

}  // namespace polder::pipeline
