// The messages between the agent's supervisor and its worker: a closed list, each checked and below
// a cap, for a worker that has been taken over says what it likes.
//
//   TRY(channel.send(encode(Heartbeat{.frames = 12})));
//   TRY_VALUE(const FromWorker message, decode_from_worker(bytes));
//
// No message holds tensors, pixels or samples; what sinks write has a channel of its own, which
// ends on the device's disk (output.h). Names of stages and signals are said once, in Ready, before
// the first frame has been read; from then on a worker says numbers, until it ends. What a class is
// called it never says: that is the release's (agent/release_names.h).
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/wiped.h"
#include "telemetry/histogram.h"
#include "telemetry/sketch.h"

namespace polder::proto {

// Caps.
inline constexpr std::size_t kMaxWorkerMessageBytes = 64 << 10;
inline constexpr std::size_t kMaxPathBytes = 4096;
inline constexpr std::size_t kContentKeyBytes = 32;
inline constexpr std::size_t kMaxNameBytes = 128;
inline constexpr std::size_t kMaxErrorBytes = 512;
inline constexpr std::size_t kMaxModels = 64;
inline constexpr std::size_t kMaxSettings = 256;
inline constexpr std::size_t kMaxStages = 64;
inline constexpr std::size_t kMaxSignals = 64;
inline constexpr std::size_t kMaxClasses = 256;
inline constexpr std::size_t kMaxGoldens = 256;
inline constexpr std::size_t kMaxTensors = 256;  // inputs or outputs of one golden
inline constexpr std::uint64_t kMaxTotal = std::uint64_t(1) << 53;

// --- to the worker ---

struct ModelFile {
  std::string name;        // as the pipeline says it
  std::string path;        // absolute
  WipedBytes content_key;  // of a sealed file (trust/sealed_file.h): 32 bytes; else empty
  bool operator==(const ModelFile&) const = default;
};

struct SignalBaseline {
  std::string signal;
  std::array<double, telemetry::kBins - 1> edges{};
  std::array<std::int64_t, telemetry::kBins> counts{};
  bool operator==(const SignalBaseline&) const = default;
};

// A model of another release that runs beside the one of the same name, on the same inputs. What it
// computes is compared and thrown away (agent/shadow.h).
struct ShadowModel {
  ModelFile model;
  double absolute = 0, relative = 0;  // that outputs may differ by, as a golden's
  bool operator==(const ShadowModel&) const = default;
};

// Runs a pipeline until it ends or Stop comes.
struct Start {
  std::string pipeline;  // its TOML file, an absolute path
  std::vector<ModelFile> models;
  std::vector<std::string> settings;  // "node.key=value"
  std::vector<SignalBaseline> baselines;
  int threads = 1;  // 1 to 64
  std::uint32_t aggregate_ms = 60'000;
  // What sinks write goes to the supervisor (output.h); else it is counted and thrown away.
  bool has_output = false;
  bool keep_raw = false;  // also of sinks that see what a sensor saw
  std::vector<ShadowModel> shadows = {};
  bool operator==(const Start&) const = default;
};

struct GoldenFile {
  std::string name, path;
  bool operator==(const GoldenFile&) const = default;
};
struct GoldenCase {
  std::string name;
  std::vector<GoldenFile> inputs, outputs;
  double absolute = 0, relative = 0;
  bool operator==(const GoldenCase&) const = default;
};

// Opens one model, runs its goldens, measures it.
struct Probe {
  ModelFile model;
  std::vector<GoldenCase> goldens;
  int threads = 1;
  std::uint32_t runs = 0;  // to be timed, beside the goldens
  bool operator==(const Probe&) const = default;
};

struct Stop {
  bool operator==(const Stop&) const = default;
};

using ToWorker = std::variant<Start, Probe, Stop>;

// --- from the worker ---

// It has built its pipeline and reads its first frame now. Once.
struct Ready {
  std::vector<std::string> stages, signals;
  bool operator==(const Ready&) const = default;
};

struct Heartbeat {
  std::uint64_t frames = 0;   // so far
  std::uint64_t busy_ms = 0;  // how long the stage has worked that has worked longest by now
  bool operator==(const Heartbeat&) const = default;
};

struct StageAggregate {
  std::uint16_t stage = 0;  // of Ready
  std::uint64_t packets = 0;
  telemetry::Sketch latency_ms;
};

struct SignalAggregate {
  std::uint16_t signal = 0;  // of Ready
  telemetry::Sketch values;
  telemetry::BinCounts bins{};  // by the baseline's edges; zero without a baseline
};

struct ClassCount {
  std::uint16_t index = 0;  // in the labels, below kMaxClasses
  std::uint64_t count = 0;
  bool operator==(const ClassCount&) const = default;
};

// What has come since the message before.
struct Aggregates {
  std::uint64_t frames = 0;
  std::uint64_t encoded_bytes = 0, decoded_bytes = 0, event_bytes = 0;  // pipeline/stats.h
  std::uint64_t events = 0;
  std::vector<ClassCount> classes;
  std::vector<StageAggregate> stages;
  std::vector<SignalAggregate> signals;
};

// The mean of a signal has left its baseline's band (telemetry/e_detector.h).
struct Alarm {
  std::uint16_t signal = 0;
  double evidence = 0, mean_run = 0;
  bool operator==(const Alarm&) const = default;
};

// How a Probe or a Start ended; `error` when it failed.
struct ProbeResult {
  std::optional<Code> error;
  std::string message;  // printable ASCII; other bytes are '?'
  std::uint32_t golden_count = 0;
  double p99_ms = 0;
  std::uint64_t memory_bytes = 0;  // the most that the process had of its own
  bool operator==(const ProbeResult&) const = default;
};
struct Ended {
  std::optional<Code> error;
  std::string message;
  bool by_shadow = false;  // the error is a shadow's; the pipeline would have gone on
  bool operator==(const Ended&) const = default;
};

using FromWorker = std::variant<Ready, Heartbeat, Aggregates, Alarm, ProbeResult, Ended>;

// Messages as bytes. Errors: kExhausted above a cap. Texts of errors are cut.
// Who sends it wipes it: it may hold content keys. No other copy of them stays.
Result<std::string> encode(const ToWorker& message);
Result<std::string> encode(const FromWorker& message);

// Errors: kCorrupt for what is no such message, or not of that direction; kExhausted above a cap.
Result<ToWorker> decode_to_worker(std::string_view bytes);
Result<FromWorker> decode_from_worker(std::string_view bytes);

}  // namespace polder::proto
