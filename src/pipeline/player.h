// Plays a pipeline file: load, check, build the nodes, run, summarise.
#pragma once

#include <polder/error.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/scheduler.h"

namespace polder::pipeline {

inline constexpr int kMaxPlayThreads = 64;

struct PlayOptions {
  std::string file;                   // the pipeline's TOML
  std::string output_folder = "out";  // made when it is not there
  int threads = 1;                    // 1 to kMaxPlayThreads
  bool realtime = false;              // sources wait for the clock
  std::vector<std::string> settings;  // "node.key=value", over those of the file
  ExecutorFactory open_model;
  FileStore* files = nullptr;  // nullptr: the disk
  std::string plugin_folder;   // empty: see load_video_plugin
  std::function<void(const Progress&)> on_progress;
  const std::atomic<bool>* stop = nullptr;
  NodeObserver* observer = nullptr;
  // Before the first node is built; an error ends it.
  std::function<Status(const Graph&)> on_loaded;
  // When every node is built and before the first runs; an error ends it.
  std::function<Status(const Graph&)> on_ready;
};

// Errors name the file and the line or the node. A run whose source ended early succeeds, with a
// line in RunStats::problems: its outputs are complete for what was there.
Result<RunStats> play(const PlayOptions& options);

// What a person wants to read at the end: totals, a table of the stages, traffic, problems.
std::string summary_text(const RunStats& stats);

}  // namespace polder::pipeline
