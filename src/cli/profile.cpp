// polder profile: where the time of a run goes, operator by operator.
#include "measure/profile.h"

#include <algorithm>
#include <cstdio>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output_file.h"
#include "cli/subject.h"
#include "kernel/peak.h"
#include "measure/machine.h"
#include "sdk/summary.h"

namespace polder::cli {

namespace {

constexpr std::int64_t kMostRuns = 200;
constexpr std::int64_t kMostSpans = 4'000'000;  // 64 MB: long models are watched for fewer runs

constexpr Option kOptions[] = {
    POLDER_RUN_OPTIONS,
    {"--min-ms", "N", "watches runs for at least this long (default 500)", false,
     whole<1, 600'000>},
    {"--trace", "FILE", "writes one run in Chrome's trace format (chrome://tracing, Perfetto)"},
    {"--html", "FILE", "writes the profile as a page"},
    POLDER_MODEL_OPTIONS,
    {"--json", "", "prints every node as JSON"}};

ProfileReport report_of(const ModelSummary& summary, const Profiler& profiler) {
  ProfileReport report;
  report.model = summary.path;
  report.isa = summary.isa;
  report.machine = describe_machine().text();
  report.runs = profiler.runs();
  for (std::size_t i = 0; i < summary.nodes.size(); ++i) {
    const NodeSummary& node = summary.nodes[i];
    report.nodes.push_back({.name = node.name,
                            .op = node.op,
                            .kernel = node.kernel,
                            .shape = node.shape,
                            .macs = node.macs,
                            .median_us = profiler.median_us(int(i)),
                            .min_us = profiler.min_us(int(i))});
  }
  return report;
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const ModelOptions options, model_options(args));
  ModelSubject subject(path, options.open);
  TRY(subject.open());
  TRY(subject.prepare());
  Session& session = *subject.session();
  const ModelSummary summary = summarise(session, path);

  const auto nodes = std::int64_t(summary.nodes.size());
  LoadOptions load{.warmup_runs = 0, .min_runs = 1};
  load.max_runs =
      std::clamp<std::int64_t>(kMostSpans / std::max<std::int64_t>(nodes, 1), 1, kMostRuns);
  load.min_duration_ms = args.integer("--min-ms", 500);
  for (int i = 0; i < 3; ++i) TRY(subject.run());
  Profiler profiler(int(nodes), int(load.max_runs));
  session.observe(&profiler);
  auto result = run_load(load, [&] { return subject.run(); });
  session.observe(nullptr);
  if (!result) return std::move(result).error().at(path);

  ProfileReport report = report_of(summary, profiler);
  report.threads = options.open.threads;
  report.run_us = profiler.run_us();
  report.between_us = profiler.between_us();
  report.set_peak(kernel::peak_gflops(session.isa()));
  if (args.has("--trace")) TRY(write_output(args, "--trace", chrome_trace(report, profiler)));
  if (args.has("--html")) TRY(write_output(args, "--html", profile_html(report)));
  fmt::print("{}", args.has("--json") ? profile_json(report) : profile_table(report));
  return 0;
}

}  // namespace

const Command kProfile = {
    .name = "profile",
    .summary = "Shows where the time of a run goes: per operator, with its share of the peak.",
    .arguments = "MODEL",
    .example =
        "  polder profile mobilenet_v2.plan\n"
        "  polder profile model.onnx --html profile.html --trace trace.json",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
