#include "pipeline/player.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"

namespace polder::pipeline {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// The disk, with the folders that a path asks for.
class FolderStore final : public FileStore {
 public:
  Result<std::unique_ptr<OutputFile>> create(const std::string& path) override {
    TRY(make_folders(folder_of(path)));
    return disk_.create(path);
  }

 private:
  DiskStore disk_;
};

Result<Graph> load(const PlayOptions& options) {
  const auto text = read_file(options.file, kMaxTomlBytes);
  if (!text.ok() && text.error().code == Code::kExhausted)
    return fail(Code::kExhausted, "{}; is it the TOML file of a pipeline?", text.error().message);
  if (!text.ok()) return Error(text.error());
  TRY_VALUE(TomlValue document, parse_toml(*text, options.file));
  for (const std::string& setting : options.settings) TRY(override_setting(document, setting));
  return load_graph(document, options.file);
}

// Where a setting over the file gave a path that is not there: from where it was looked for.
Error explained(Error error, const NodeSpec& spec, const PlayOptions& options) {
  const auto is_own = [&](const std::string& text) {
    const auto given = parse_override(text);
    if (!given || given->node != spec.name) return false;
    const TomlValue* value = spec.settings.find(given->key);
    if (!value || value->kind != TomlKind::kString || value->string.starts_with('/')) return false;
    return error.message.find(path_in(folder_of(options.file), value->string)) != std::string::npos;
  };
  if (error.code == Code::kNotFound && std::ranges::any_of(options.settings, is_own))
    error.message += fmt::format("; a path that is set over the file starts at its folder, {}",
                                 folder_of(options.file));
  return error;
}

std::string node_row(const NodeStats& node) {
  std::string drops;
  for (int reason = 0; reason < kDropReasons; ++reason)
    if (const std::uint64_t count = node.drops[std::size_t(reason)])
      drops +=
          fmt::format("{}{} {}", drops.empty() ? "" : ", ", count, drop_name(DropReason(reason)));
  return fmt::format("  {:<14} {:>8} {:>8} {:>9.3f} {:>9.3f} {:>9.3f}   {}\n", node.name,
                     node.packets, node.packets - node.passed_over, node.p50_ms, node.p90_ms,
                     node.p99_ms, drops.empty() ? "none" : drops);
}

}  // namespace

Result<RunStats> play(const PlayOptions& options) {
  if (options.threads < 1 || options.threads > kMaxPlayThreads)
    return fail(Code::kInvalid, "{} threads; expected 1 to {}", options.threads, kMaxPlayThreads);
  TRY_VALUE(const Graph graph, load(options));
  if (options.on_loaded) TRY(options.on_loaded(graph));
  FolderStore disk;
  Environment environment;
  environment.input_folder = folder_of(options.file);
  environment.output_folder = options.output_folder;
  environment.files = options.files ? options.files : &disk;
  // The files of FolderStore appear at the end: nobody waits for their lines.
  environment.realtime = options.realtime && options.files;
  environment.open_model = options.open_model;
  environment.plugin_folder = options.plugin_folder;

  std::vector<std::unique_ptr<Node>> nodes;
  for (const NodeSpec& spec : graph.nodes) {
    auto node = spec.type->make(spec.settings, environment);
    if (!node.ok()) return at_node(explained(std::move(node).error(), spec, options), spec.name);
    nodes.push_back(std::move(node).value());
  }
  if (options.on_ready) TRY(options.on_ready(graph));
  return run_pipeline(graph, nodes,
                      {.threads = options.threads,
                       .realtime = options.realtime,
                       .clock = nullptr,
                       .on_progress = options.on_progress,
                       .stop = options.stop,
                       .observer = options.observer});
}

std::string summary_text(const RunStats& stats) {
  std::string out = fmt::format(
      "{}: {} frames ({:.1f} s of recording) in {:.1f} s on {} thread{}: {:.1f} frames/s\n",
      stats.pipeline, stats.frames, stats.stream_s, stats.wall_s, stats.threads,
      stats.threads == 1 ? "" : "s", stats.frames_per_s());
  if (stats.end_to_end_p99_ms > 0)
    out += fmt::format("arrival to last sink: p50 {:.1f} ms, p99 {:.1f} ms\n",
                       stats.end_to_end_p50_ms, stats.end_to_end_p99_ms);
  out += fmt::format("\n  {:<14} {:>8} {:>8} {:>9} {:>9} {:>9}   {}\n", "stage", "packets",
                     "worked", "p50 ms", "p90 ms", "p99 ms", "dropped");
  for (const NodeStats& node : stats.nodes) out += node_row(node);
  out += '\n';
  for (const Counter& counter : stats.counters)
    out += fmt::format("  {:<20} {}\n", counter.name, counter.value);
  const Traffic& traffic = stats.traffic;
  std::vector<std::string> lines;
  for (const NodeStats& node : stats.nodes) {
    if (node.type == "json_lines")
      lines.push_back(fmt::format("{} {}", node.name, bytes_text(node.event_bytes)));
  }
  if (traffic.encoded_bytes > 0 && !lines.empty())
    out += fmt::format(
        "  {:<20} {} of JSON lines ({}) instead of {} of recording ({} decoded): {:.3f}% saved\n",
        "traffic", bytes_text(traffic.event_bytes), fmt::join(lines, ", "),
        bytes_text(traffic.encoded_bytes), bytes_text(traffic.decoded_bytes),
        100 * stats.traffic_saved());
  return out;
}

}  // namespace polder::pipeline
