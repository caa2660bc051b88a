// polderd.toml: what the owner of a device decides, above anything that a repository offers.
//
//   TRY_VALUE(const Config config, read_config("/etc/polderd/polderd.toml"));
//
// The keys are in the option tables of config.cpp, from which their reference comes too. An unknown
// key is an error with its line and the nearest known one.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/device_settings.h"
#include "trust/digest.h"
#include "trust/version.h"

namespace polder::agent {

inline constexpr std::size_t kMaxDeviceIdBytes = 64;

// A part of each day, UTC: [from, to) in minutes; may go over midnight.
struct DayWindow {
  int from_min = 0, to_min = 0;
  bool holds(std::int64_t now_s) const;
  std::string text() const;  // "01:30-04:00"
  bool operator==(const DayWindow&) const = default;
};

struct WorkerConfig {
  std::int64_t memory_bytes = 0;
  std::int64_t threads = 1;
  std::int64_t heartbeat_timeout_s = 0;
  std::int64_t crashes = 0;  // in crash_window_s that make a crash loop
  std::int64_t crash_window_s = 0;
  bool operator==(const WorkerConfig&) const = default;
};

// Of what sinks of a pipeline write.
enum class Keep : std::uint8_t { kNothing, kEvents, kAll };
struct OutputConfig {
  Keep keep = Keep::kNothing;
  std::int64_t max_bytes = 0;  // of each unit
  std::string folder;          // empty: "output" in the agent's folder
  bool operator==(const OutputConfig&) const = default;
};

struct ReportConfig {
  std::int64_t max_bytes = 0;  // the ring's cap
  std::int64_t every_s = 300;  // metrics
  // Of this machine alone, where the page of metrics is; none: nowhere.
  std::optional<int> metrics_port;
  std::string otlp;  // the collector's URL without "/v1/metrics"; empty: none
  bool operator==(const ReportConfig&) const = default;
};

// Who looks after this device.
struct HubConfig {
  std::string url;         // "https://hub.example.org:8443"; empty: there is none
  std::string token_file;  // with the token that enrols it; empty: it is enrolled, or never
  std::string ca_file;     // empty: the system's
  bool operator==(const HubConfig&) const = default;
};

struct Config {
  std::string device;  // its name: of a file, of a certificate
  std::string folder;  // all that the agent keeps
  std::vector<std::string> models;
  std::set<std::string, std::less<>> without_pipeline;  // models that others may open
  std::string runtime;  // the name of polderd's own releases; empty: it is not updated
  // Where releases come from: a URL, or a folder. Empty: nowhere, what is installed runs.
  std::string repository;
  std::string root;  // root.json of the repository, as it was handed over with the device
  std::map<std::string, trust::Version> pins;  // no other version of these

  std::int64_t check_every_s = 0;
  std::int64_t observe_s = 0, shadow_s = 0;
  std::optional<DayWindow> window;  // updates begin only then, but for the way back

  std::string ca_file;  // empty: the system's
  std::int64_t download_deadline_s = 0, min_rate_bytes_s = 0;

  HubConfig hub;
  ReportConfig reports;
  std::int64_t audit_bytes = 0;  // the audit log's cap
  std::string key;               // URI (trust/signer.h); empty: a file in the folder
  std::string decryption_key;    // likewise
  std::string pin_file;          // with the PIN of both; empty: they have none

  WorkerConfig worker;
  OutputConfig output;
  trust::Sha256 file{};     // of the text that it was read from
  DeviceSettings settings;  // of steps of the units' pipelines
  bool operator==(const Config&) const = default;

  bool is_folder() const;  // of the repository
  // The repository is the hub's own, whose servers `[hub] ca_file` knows.
  bool is_of_hub() const;
  std::span<const DeviceSetting> settings_of(std::string_view unit) const;
  // Of all that this device sets which a release of the unit may fail by: [pipeline.UNIT],
  // [worker], [output] and the key that opens its models. Zero for the runtime.
  trust::Sha256 settings_digest(std::string_view unit) const;
  // Where the folders of the units' outputs are.
  std::string output_folder() const;
  // "file:FOLDER/identity/key.pem" where nothing is said.
  std::string key_uri() const;
  // "file:FOLDER/identity/decryption.pem" where nothing is said.
  std::string decryption_uri() const;
};

// `file` names it in errors. Errors: kCorrupt for bad TOML; kInvalid, with the line and what to do.
Result<Config> parse_config(std::string_view text, std::string_view file);
Result<Config> read_config(const std::string& path);
// What can be read of one that is wrong: `device`, '?' where not, and `folder`, its fallback where
// not; for who only tells what is there.
Config legible_config(std::string_view text);

// Letters, digits, '.', '-' and '_'; at most kMaxDeviceIdBytes; '.' and '-' not in front.
bool is_device_id(std::string_view id);

// The reference page: every key with its type, fallback and meaning.
std::string config_reference();

}  // namespace polder::agent
