// What leaves a device: reports, of a closed list of kinds, each checked and below a cap; and the
// messages in which a device asks for a certificate of its key.
//
//   Report report{.device = "camera-17", .boot = 3, .sequence = 12, .what = Alarm{...}};
//   TRY_VALUE(const std::string bytes, encode(report));
//   TRY_VALUE(const ReportMessage message, decode_report_message(bytes));
//
// A report holds numbers, and names of a small alphabet: of the device, of releases, and of a
// pipeline's stages, signals and classes as its worker has said them before it read its first
// frame. Tensors, pictures, sound and what a pipeline writes have no type here. Its one text is an
// alarm's, of at most kMaxErrorBytes of printable ASCII; who writes reports takes it from the agent
// itself and never from a process that has seen the data (agent/reporter.h). A check-in may say
// what the device is (Machine), in texts of the kernel and the operating system.
//
// Counts and sketches of Metrics are those of its window, so that those of many add up: a receiver
// takes each (device, boot, epoch, sequence) once. Drops are since the device's ring was made, so
// that the receiver knows by the difference what is missing, whichever report tells it.
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/worker.h"
#include "telemetry/histogram.h"
#include "telemetry/sensors.h"
#include "telemetry/sketch.h"

namespace polder::proto {

// Caps; those of worker.h hold for names, texts, stages, signals and classes of one unit.
inline constexpr std::size_t kMaxReportMessageBytes = 64 << 10;
inline constexpr char kCheckinType[] = "application/vnd.polder.checkin";  // its media type
inline constexpr std::size_t kMaxCheckinBytes = 192 << 10;
inline constexpr std::size_t kMaxCheckinReports = 64;
inline constexpr std::size_t kMaxCheckinSketches = 1024;  // of all its reports together
inline constexpr std::size_t kMaxReportUnits = 64;
inline constexpr std::size_t kMaxMachineTargets = 16;        // and as many backends
inline constexpr std::uint32_t kMaxMachineNumber = 1 << 20;  // of CPUs, operators, a plan's format
// How often a device tells of its metrics that was not told otherwise.
inline constexpr std::int64_t kReportEveryS = 300;
inline constexpr std::size_t kMaxReportSketches = 256;                     // of all units together
inline constexpr std::size_t kMaxReportReadings = telemetry::kMaxSensors;  // of each kind

// Kinds of Code (polder/error.h), and 0 for an end without a word, such as a signal.
inline constexpr std::size_t kErrorKinds = 11;
using ErrorCounts = std::array<std::uint64_t, kErrorKinds>;

struct ReportRelease {
  std::string model, version;               // letters, digits, '.', '_', '+' and '-'
  std::array<std::uint8_t, 32> manifest{};  // SHA-256
  bool operator==(const ReportRelease&) const = default;
};

// --- What happened -------------------------------------------------------------------------------

// What somebody should look at.
enum class AlarmKind : std::uint8_t {
  kDrift = 1,        // a signal's mean has left its band: `signal`, `evidence`, `mean_run`
  kCrashLoop,        // a worker ends again and again: `code`
  kRolledBack,       // what ran before runs again; `code`, where it is known
  kUpdateFailed,     // before it was activated; `code`, where it is known
  kReleaseRefused,   // the repository offered it, policy or signatures forbid it
  kMetadataRefused,  // the repository cannot be trusted now
  kNotRunning,       // there is a release, and no worker of it
};
inline constexpr int kAlarmKinds = 7;
std::string_view alarm_name(AlarmKind kind);  // "crash_loop"

struct ReportAlarm {
  AlarmKind what = AlarmKind::kDrift;
  std::string unit;  // may be empty
  std::optional<ReportRelease> release;
  std::optional<Code> code;
  std::string text;  // why, for people; may be empty
  std::string signal;
  double evidence = 0, mean_run = 0;
  bool operator==(const ReportAlarm&) const = default;
};

// What is as it should be.
enum class LifecycleKind : std::uint8_t {
  kStarted = 1,  // the agent; one for each unit, with what it runs
  kUpdateBegun,
  kActivated,
  kCommitted,
};
inline constexpr int kLifecycleKinds = 4;
std::string_view lifecycle_name(LifecycleKind kind);

struct ReportLifecycle {
  LifecycleKind what = LifecycleKind::kStarted;
  std::string unit;
  std::optional<ReportRelease> release;
  bool operator==(const ReportLifecycle&) const = default;
};

// --- How it goes ---------------------------------------------------------------------------------

enum class ReportHealth : std::uint8_t {
  kIdle,
  kStarting,
  kWell,
  kFailed
};  // kIdle: nothing to run
inline constexpr int kReportHealths = 4;
std::string_view health_name(ReportHealth health);

struct ReportClass {
  std::string name;
  std::uint64_t count = 0;
  bool operator==(const ReportClass&) const = default;
};

struct ReportStage {
  std::string name;
  std::uint64_t packets = 0;
  telemetry::Sketch latency_ms;
};

struct ReportSignal {
  std::string name;
  telemetry::Sketch values;
  telemetry::BinCounts bins{};  // by the edges of the release's baseline; zero without one
  std::optional<double> psi;    // telemetry/histogram.h
  std::uint64_t alarms = 0;
};

struct ReportUnit {
  std::string name;
  std::optional<ReportRelease> release;
  ReportHealth health = ReportHealth::kIdle;
  std::uint64_t starts = 0, crashes = 0;  // of its worker
  std::uint64_t frames = 0, events = 0;
  // Read from sensors and decoded from that, written by sinks.
  std::uint64_t encoded_bytes = 0, decoded_bytes = 0, event_bytes = 0;
  ErrorCounts errors{};  // with which workers ended
  std::vector<ReportClass> classes;
  std::vector<ReportStage> stages;
  std::vector<ReportSignal> signals;
};

struct ReportMetrics {
  std::uint64_t window_ms = 0;  // ends at Report::time_s
  std::vector<ReportUnit> units;
  std::vector<telemetry::Reading> temperatures_c, powers_w;
  // Bodies that telemetry has sent away, whether they arrived or not; pages that were fetched here.
  std::uint64_t sent_bytes = 0, scraped_bytes = 0;
  std::uint64_t waiting_reports = 0, waiting_bytes = 0;  // in the ring, before this one
};

// --- Messages ------------------------------------------------------------------------------------

struct ReportDropCounts {
  std::uint64_t alarms = 0, lifecycle = 0, metrics = 0;
  bool operator==(const ReportDropCounts&) const = default;
};

struct Report {
  std::string device;   // letters, digits, '.', '_' and '-'
  std::string program;  // the version of polderd
  std::uint64_t boot = 0, sequence = 0;
  std::int64_t time_s = 0;  // when it was written, by the device's clock
  ReportDropCounts drops;
  // Of this start of polderd, by chance: `boot` may be counted again after its state was lost.
  std::uint64_t epoch = 0;
  std::variant<ReportAlarm, ReportLifecycle, ReportMetrics> what;
};

// What a device is and can run, as its hub knows it: agent/machine.h has where it comes from. No
// serial numbers, addresses or names of hosts or people.
struct Machine {
  std::string architecture;                    // "x86_64"
  std::string cpu;                             // its model, or the board's; may be empty
  std::uint32_t cpus = 0;                      // that the kernel runs
  std::uint64_t memory_bytes = 0;              // of the whole machine
  std::string system;                          // "Debian GNU/Linux 12 (bookworm)"; may be empty
  std::string kernel;                          // "6.1.0-18-amd64"
  std::vector<std::string> targets, backends;  // the best first: "x86-64-v3", "generic"; "native"
  std::uint32_t plan_format = 0;
  std::uint32_t operators = 0;                      // how many
  std::array<std::uint8_t, 32> operators_digest{};  // of all of them: agent/machine.h
  bool operator==(const Machine&) const = default;
};

// What a device sends to its hub: the reports that waited, and what it has. Who it is its
// certificate says.
struct Checkin {
  std::string program;          // the version of polderd
  std::uint64_t timestamp = 0;  // the version of the repository's that it trusts; 0: none
  std::vector<Report> reports;
  // When it is sent, by the clock that reports have their times of: the hub has its own. 0: not
  // told.
  std::int64_t time_s = 0;
  // Seldom: after a start, and when the hub asks.
  std::optional<Machine> machine = {};
};

using ReportMessage = std::variant<Report, Checkin>;

// Texts of errors, and of a machine, are cut and made printable. The same bytes for the same
// message. Errors: kExhausted above a cap, kCorrupt for what could not be.
Result<std::string> encode(const ReportMessage& message);
// Errors: kCorrupt for what is no such message or could not be; kExhausted above a cap.
Result<ReportMessage> decode_report_message(std::string_view bytes);

}  // namespace polder::proto
