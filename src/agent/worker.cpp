#include "agent/worker.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "agent/aggregator.h"
#include "agent/model_file.h"
#include "agent/output_sender.h"
#include "agent/shadow.h"
#include "agent/worker_files.h"
#include "agent/worker_probe.h"
#include "base/fail.h"
#include "pipeline/player.h"
#include "platform/child.h"
#include "platform/confine_files.h"
#include "platform/thread.h"
#include "runtime/session.h"

namespace polder::agent {
namespace {

constexpr std::int64_t kFirstMessageMs = 60'000;
constexpr std::int64_t kBeatMs = 1'000;
constexpr std::int64_t kLookMs = 100;
constexpr int kLastTries = 10;  // to say the last sums, kLookMs apart

Status send(Channel& channel, const proto::FromWorker& message) {
  TRY_VALUE(const std::string bytes, proto::encode(message));
  return channel.send(bytes);
}

// Speaks with the supervisor while the pipeline runs.
class Speaker {
 public:
  Speaker(Channel& channel, Aggregator& aggregator, std::int64_t aggregate_ms)
      : channel_(channel), aggregator_(aggregator), aggregate_ms_(aggregate_ms) {}
  ~Speaker() { end(); }

  Status begin() {
    return thread_.start(
        1, [](void* self) { static_cast<Speaker*>(self)->speak(); }, this);
  }
  void end() {
    over_ = true;
    thread_.join();
  }
  // Whether all was taken. What was not is said next time, and until then sums go on adding up: the
  // pipeline neither waits for its supervisor nor loses a count.
  bool report() {
    if (unsaid_.empty()) unsaid_ = aggregator_.take();
    for (; !unsaid_.empty(); unsaid_.pop_front())
      if (!send(channel_, unsaid_.front())) return false;
    return true;
  }
  const std::atomic<bool>& stop() const { return stop_; }
  void stop_pipeline() { stop_ = true; }

 private:
  void speak() {
    SystemClock clock;
    std::int64_t beat_us = 0, report_us = clock.now_us() + aggregate_ms_ * 1000;
    while (!over_) {
      const std::int64_t now_us = clock.now_us();
      if (now_us >= beat_us) {
        static_cast<void>(send(channel_, aggregator_.beat()));
        beat_us = now_us + kBeatMs * 1000;
      }
      if (now_us >= report_us && report()) report_us = now_us + aggregate_ms_ * 1000;
      listen();
      if (stop_) clock.sleep_until_us(now_us + kLookMs * 1000);
    }
  }
  void listen() {
    if (stop_) return;
    const auto bytes = channel_.receive(kLookMs);
    if (bytes && !*bytes) return;
    // A stop, no supervisor any more, or one that says what it should not: all the same.
    stop_ = true;
  }

  Channel& channel_;
  Aggregator& aggregator_;
  std::deque<proto::FromWorker> unsaid_;
  const std::int64_t aggregate_ms_;
  std::atomic<bool> stop_{false}, over_{false};
  ThreadGroup thread_;
};

// The staged file of the model that a pipeline names: by its name beside the pipeline's file.
Result<std::unique_ptr<Executor>> open_model(const proto::Start& start,
                                             const pipeline::ModelRequest& request) {
  const std::string folder = start.pipeline.substr(0, start.pipeline.rfind('/'));
  for (const proto::ModelFile& model : start.models) {
    if (request.path != pipeline::path_in(folder, model.name)) continue;
    TRY_VALUE(auto session, open_model_file(model, request.threads));
    return std::unique_ptr<Executor>(std::move(session));
  }
  return fail(Code::kInvalid, "the release has no model '{}' for this device", request.path);
}

// The models of another release that run beside this one's. Thread-safe: nodes have threads of
// their own.
class Shadows {
 public:
  Shadows(const proto::Start& start, Aggregator& aggregator, Speaker& speaker)
      : start_(start), aggregator_(aggregator), speaker_(speaker) {}

  // The executor with its shadow, where it has one.
  Result<std::unique_ptr<Executor>> add_to(std::unique_ptr<Executor> executor,
                                           const pipeline::ModelRequest& request) {
    const std::string folder = start_.pipeline.substr(0, start_.pipeline.rfind('/'));
    for (std::size_t i = 0; i < start_.shadows.size(); ++i) {
      const proto::ShadowModel& shadow = start_.shadows[i];
      if (request.path != pipeline::path_in(folder, shadow.model.name)) continue;
      auto beside = open(std::move(executor), i, request, folder);
      if (!beside.ok()) fail_by(i, beside.error());
      return beside;
    }
    return executor;
  }
  // Before the nodes are built. Errors: kUnsupported where what they say has no room beside what
  // the pipeline does.
  Status begin(const pipeline::Graph& graph) {
    graph_ = &graph;
    if (graph.nodes.size() + 2 * start_.shadows.size() <= proto::kMaxStages) return {};
    fail_by(0, fail(Code::kUnsupported, "no room to report it: a pipeline of {} steps",
                    graph.nodes.size()));
    return *error();
  }
  // What ended the pipeline, where a shadow did.
  std::optional<Error> error() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  Result<std::unique_ptr<Executor>> open(std::unique_ptr<Executor> executor, std::size_t index,
                                         const pipeline::ModelRequest& request,
                                         const std::string& folder) {
    const proto::ShadowModel& shadow = start_.shadows[index];
    auto session = open_model_file(shadow.model, request.threads);
    if (!session.ok()) {
      // kUnsupported is for what cannot be compared.
      Error error = std::move(session).error();
      if (error.code == Code::kUnsupported) error.code = Code::kIncompatible;
      return error;
    }
    TRY_VALUE(Compare compare, comparison_of(*graph_, node_of(request.path, folder), folder,
                                             {shadow.absolute, shadow.relative}));
    return run_beside(
        std::move(executor), std::move(*session), std::move(compare),
        {.told = [this, index](const Comparison& seen) { aggregator_.compared(index, seen); },
         .failed =
             [this, index](Error error) {
               if (error.code == Code::kUnsupported) error.code = Code::kIncompatible;
               fail_by(index, error);
               speaker_.stop_pipeline();
             }});
  }
  // That runs the model.
  int node_of(const std::string& path, const std::string& folder) const {
    const auto runs = [&](const pipeline::NodeSpec& node) {
      return node.type->name == "infer" &&
             pipeline::path_in(folder, node.settings.string("model")) == path;
    };
    return int(std::ranges::find_if(graph_->nodes, runs) - graph_->nodes.begin());
  }
  void fail_by(std::size_t index, Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error).at("'" + start_.shadows[index].model.name + "'");
  }

  const proto::Start& start_;
  Aggregator& aggregator_;
  Speaker& speaker_;
  const pipeline::Graph* graph_ = nullptr;  // once it is loaded, before its nodes are built
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

// Sinks' paths are only names: nothing is written here.
constexpr char kOutputFolder[] = "/output";

// Paths of the sinks that are given what a sensor saw, as they will ask for them.
std::set<std::string> raw_outputs(const pipeline::Graph& graph) {
  std::set<std::string> paths;
  for (const pipeline::EdgeSpec& edge : graph.edges) {
    const pipeline::NodeSpec& sink = graph.nodes[std::size_t(edge.to)];
    if (sink.type->stores && graph.nodes[std::size_t(edge.from)].raw)
      paths.insert(pipeline::path_in(kOutputFolder, sink.settings.string("path")));
  }
  return paths;
}

// Once its models are open nobody needs their keys.
void forget_keys(proto::Start& start) {
  for (proto::ModelFile& model : start.models) model.content_key = {};
  for (proto::ShadowModel& shadow : start.shadows) shadow.model.content_key = {};
}

Status run_start(Channel& channel, Channel* to_files, proto::Start& start, bool& by_shadow) {
  if (start.has_output && !to_files) return fail(Code::kUnavailable, "no channel for its output");
  OutputSender output(start.has_output ? to_files : nullptr);
  Aggregator aggregator(start.baselines);
  aggregator.watch(start.shadows);
  Speaker speaker(channel, aggregator, start.aggregate_ms);
  Shadows shadows(start, aggregator, speaker);
  pipeline::PlayOptions options;
  options.file = start.pipeline;
  options.output_folder = kOutputFolder;
  options.threads = start.threads;
  options.realtime = true;
  options.settings = start.settings;
  options.open_model =
      [&](const pipeline::ModelRequest& request) -> Result<std::unique_ptr<Executor>> {
    TRY_VALUE(auto executor, open_model(start, request));
    return shadows.add_to(std::move(executor), request);
  };
  options.files = &output;
  options.on_loaded = [&](const pipeline::Graph& graph) -> Status {
    if (!start.keep_raw) output.throw_away(raw_outputs(graph));
    if (!start.shadows.empty()) TRY(shadows.begin(graph));
    // Where the kernel cannot it goes on without: `polderd doctor` says so.
    const auto confined = confine_files(files_of(start, graph));
    return confined.ok() ? Status() : Status(confined.error());
  };
  options.stop = &speaker.stop();
  options.observer = &aggregator;
  options.on_ready = [&](const pipeline::Graph& graph) -> Status {
    forget_keys(start);
    TRY(send(channel, aggregator.begin(graph)));
    return speaker.begin();
  };
  const auto stats = pipeline::play(options);
  speaker.end();
  const std::optional<Error> shadow_error = shadows.error();
  by_shadow = shadow_error.has_value();
  if (!stats) return by_shadow ? Error(*shadow_error) : stats.error();
  SystemClock clock;
  for (int tries = 0; !speaker.report() && tries < kLastTries; ++tries)
    clock.sleep_until_us(clock.now_us() + kLookMs * 1000);
  if (shadow_error) return Error(*shadow_error);
  if (!stats->problems.empty()) return fail(Code::kIo, "{}", stats->problems.front());
  return {};
}

Status work(Channel& channel, Channel* to_files, bool& by_shadow) {
  TRY(confine_this_process());
  TRY_VALUE(auto bytes, channel.receive(kFirstMessageMs));
  if (!bytes) return fail(Code::kTimeout, "the supervisor says nothing");
  auto decoded = proto::decode_to_worker(*bytes);
  wipe(*bytes);
  if (!decoded.ok()) return decoded.error();
  proto::ToWorker& message = *decoded;
  if (auto* start = std::get_if<proto::Start>(&message))
    return run_start(channel, to_files, *start, by_shadow);
  if (auto* probe = std::get_if<proto::Probe>(&message)) {
    TRY(confine_files(files_of(*probe)));
    return send(channel, run_probe(*probe));
  }
  return {};
}

}  // namespace

int run_worker() {
  const auto channel = open_channel();
  if (!channel) return 1;
  const auto to_files = open_output_channel();  // not every worker has one
  bool by_shadow = false;
  const Status status = work(**channel, to_files.ok() ? to_files->get() : nullptr, by_shadow);
  proto::Ended ended;
  if (!status) ended = {status.error().code, status.error().message, by_shadow};
  static_cast<void>(send(**channel, ended));
  return status ? 0 : 1;
}

}  // namespace polder::agent
