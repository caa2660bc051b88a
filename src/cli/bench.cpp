// polder bench: how long a model takes to open and to run, and what memory it needs.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/subject.h"
#include "measure/machine.h"
#include "measure/report.h"
#include "platform/file.h"
#include "platform/process.h"
#include "platform/temporary.h"

namespace polder::cli {

namespace {

constexpr std::string_view kFootprints[] = {"model", "empty"};

constexpr Option kOptions[] = {
    POLDER_RUN_OPTIONS,
    {"--min-ms", "N", "runs for at least this long (default 1000)", false, whole<1, 600'000>},
    POLDER_MODEL_OPTIONS,
    {"--json", "", "prints the result as JSON"},
    {"--footprint", "model|empty",
     "only prints this process's peak memory in bytes, after a few runs or after nothing", false,
     one_of<kFootprints>}};

// `polder bench` again with the same options, to measure memory in a process of its own.
Result<std::vector<std::string>> child_command(const Args& args, std::string_view footprint) {
  TRY_VALUE(std::string program, own_program());
  std::vector<std::string> command = {std::move(program), "bench"};
  for (const Option& option : kOptions) {
    if (option.value.empty()) continue;
    for (const std::string& value : args.all(option.name))
      command.insert(command.end(), {std::string(option.name), value});
  }
  command.insert(command.end(), {"--footprint", std::string(footprint), "--"});
  command.push_back(args.positional()[0]);
  return command;
}

Result<Footprint> footprint_of(const Args& args) {
  TRY_VALUE(const std::vector<std::string> model, child_command(args, "model"));
  TRY_VALUE(const std::vector<std::string> empty, child_command(args, "empty"));
  return measure_footprint(model, empty);
}

Result<bool> holds_plan(const std::string& path) {
  TRY_VALUE(const MappedFile file, MappedFile::open(path));
  return is_plan(file.bytes());
}

// The time to open the plan of a model: compiled into a temporary file, which is removed.
Result<OpenTimes> plan_open_times(const std::string& model, const OpenOptions& options,
                                  const LoadOptions& opens) {
  TRY_VALUE(const TemporaryFile plan, TemporaryFile::create(".plan"));
  TRY(compile_file(model, plan.path(), options));
  const OpenOptions plan_options{.threads = options.threads, .target = options.target};
  ModelSubject subject(plan.path(), plan_options);
  return bench_open(subject, opens);
}

std::string time_text(double us) {
  return us < 1000 ? fmt::format("{:.1f} us", us) : fmt::format("{:.2f} ms", us * 1e-3);
}

void print_text(const BenchReport& report, bool plan) {
  const LatencySummary& latency = report.result.load.latency;
  const OpenTimes& open = report.result.open;
  fmt::print("{}: {}, {}, {} thread{}\n{}\n\n", one_line(report.model), report.runtime, report.isa,
             report.threads, report.threads == 1 ? "" : "s", describe_machine().text());
  fmt::print("{:<12} min {}, p50 {}, p90 {}, p99 {} in {} runs\n", "latency",
             time_text(latency.min_us), time_text(latency.p50_us), time_text(latency.p90_us),
             time_text(latency.p99_us), latency.runs);
  fmt::print("{:<12} {:.1f} runs/s\n", "throughput", report.result.load.throughput_per_s);
  fmt::print("{:<12} {} from the {}, first {}\n", "open", time_text(open.min_us),
             plan ? "plan" : "file", time_text(open.first_us));
  if (report.open_plan) {
    fmt::print("{:<12} {} from its plan, first {}\n", "", time_text(report.open_plan->min_us),
               time_text(report.open_plan->first_us));
  }
  fmt::print("{:<12} {}\n", "first run", time_text(report.result.first_run_us));
  fmt::print("{:<12} {} arena; peak RSS {}, {} above an empty process\n", "memory",
             bytes_text(report.arena_bytes.value_or(0)),
             bytes_text(report.footprint->peak_rss_bytes),
             bytes_text(report.footprint->rss_above_empty_bytes));
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const ModelOptions options, model_options(args));
  ModelSubject subject(path, options.open);
  if (args.has("--footprint")) {
    TRY(print_footprint(args.text("--footprint") == "model" ? &subject : nullptr));
    return 0;
  }

  BenchOptions bench_options;
  bench_options.load.min_duration_ms = args.integer("--min-ms", 1000);
  TRY_VALUE(const bool plan, holds_plan(path));
  BenchReport report{.model = path,
                     .runtime = fmt::format("polder {}", version()),
                     .threads = options.open.threads};
  TRY_VALUE(report.result, bench(subject, bench_options));
  TRY(subject.open());
  report.isa = kernel::isa_name(subject.session()->isa());
  report.arena_bytes = std::int64_t(subject.session()->arena_bytes());
  subject.close();
  if (!plan) {
    TRY_VALUE(report.open_plan, plan_open_times(path, options.open, bench_options.opens));
  }
  TRY_VALUE(report.footprint, footprint_of(args));
  if (args.has("--json")) fmt::print("{}", to_json(report));
  else print_text(report, plan);
  return 0;
}

}  // namespace

const Command kBench = {
    .name = "bench",
    .summary = "Measures latency, opening and memory of a model or plan, on random input.",
    .arguments = "MODEL",
    .example =
        "  polder bench models/ssd_mobilenet_v2.tflite\n"
        "  polder bench mobilenet_v2.plan --threads 2 --json",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
