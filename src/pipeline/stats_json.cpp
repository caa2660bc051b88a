#include "pipeline/stats_json.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace polder::pipeline {
namespace {

std::string node_json(const NodeStats& node) {
  std::string drops;
  for (int reason = 0; reason < kDropReasons; ++reason)
    if (node.drops[std::size_t(reason)])
      drops += fmt::format("{}\"{}\":{}", drops.empty() ? "" : ",", drop_name(DropReason(reason)),
                           node.drops[std::size_t(reason)]);
  return fmt::format(
      "{{\"name\":{},\"type\":{},\"packets\":{},\"passed_over\":{},\"p50_ms\":{:.4f},\"p90_ms\":{:."
      "4f},\"p99_ms\":{:."
      "4f},"
      "\"total_ms\":{:.2f},\"max_queue\":{},\"late\":{},\"drops\":{{{}}},\"event_bytes\":{}}}",
      json_quote(node.name), json_quote(node.type), node.packets, node.passed_over, node.p50_ms,
      node.p90_ms, node.p99_ms, node.total_ms, node.max_queue, node.late, drops, node.event_bytes);
}

}  // namespace

std::string stats_json(const RunStats& stats) {
  std::string nodes, counters, problems;
  for (const NodeStats& node : stats.nodes) nodes += (nodes.empty() ? "" : ",") + node_json(node);
  for (const Counter& counter : stats.counters)
    counters += fmt::format("{}{{\"name\":{},\"value\":{}}}", counters.empty() ? "" : ",",
                            json_quote(counter.name), counter.value);
  for (const std::string& problem : stats.problems)
    problems += (problems.empty() ? "" : ",") + json_quote(problem);
  return fmt::format(
      "{{\"pipeline\":{},\"frames\":{},\"wall_s\":{:.3f},\"stream_s\":{:.3f},\"frames_per_s\":{:."
      "2f},"
      "\"threads\":{},\"end_to_end_p50_ms\":{:.3f},\"end_to_end_p99_ms\":{:.3f},\"encoded_bytes\":{"
      "},"
      "\"decoded_bytes\":{},\"event_bytes\":{},\"traffic_saved\":{:.6f},\"counters\":[{}],"
      "\"nodes\":[{}],"
      "\"problems\":[{}]}}",
      json_quote(stats.pipeline), stats.frames, stats.wall_s, stats.stream_s, stats.frames_per_s(),
      stats.threads, stats.end_to_end_p50_ms, stats.end_to_end_p99_ms, stats.traffic.encoded_bytes,
      stats.traffic.decoded_bytes, stats.traffic.event_bytes, stats.traffic_saved(), counters,
      nodes, problems);
}

}  // namespace polder::pipeline
