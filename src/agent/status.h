// What the agent tells people: its state as text and as JSON. What is wrong and what to do is in
// agent/doctor.h.
//
//   const trust::Json json = status_json(config, standing);
//
// status.json beside state.json holds what only the running agent knows (Live). It is written for
// readers and read by none that decides anything.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/expiry.h"
#include "agent/hub_standing.h"
#include "agent/kept_output.h"
#include "agent/lifecycle.h"
#include "agent/recorder.h"
#include "agent/reporter.h"
#include "agent/shadow.h"
#include "trust/json.h"

namespace polder::agent {

inline constexpr char kLiveName[] = "status.json";
inline constexpr std::size_t kMaxLiveBytes = 1u << 20;
inline constexpr std::size_t kMaxLiveRefusals = 32;

// Older than that it is not what runs now. Written anew at the latest after kLiveEveryS.
inline constexpr std::int64_t kLiveHoldsS = 180, kLiveEveryS = 60;

struct Live {
  std::int64_t said_s = 0;            // since 1970
  std::int64_t checked_s = 0;         // since 1970; 0: not since the agent started
  std::string check_error;            // of the last check; empty: it went well
  std::string note;                   // of the last check that went well: what nobody has assigned
  std::vector<std::string> refusals;  // Refusal::line()
  PastRefusals past_refusals;
  std::map<std::string, std::string> health;  // by unit: "well", "starting", or what is wrong
  std::map<std::string, std::int64_t> next_start_s;  // by unit, of one that waits; since 1970
  std::map<std::string, KeptCounts> output;          // by unit, where something is kept
  std::map<std::string, ShadowResult> shadow;        // by unit, of the last update that had one
  ReporterStanding reports;
  RecordTrouble audit;
  std::string metrics_error;  // why nobody can read /metrics; empty: they can, or need not
  HubStanding hub;
  std::string config;  // Config::file, in hexadecimal, of what was read at the start
  // What a worker may lock in memory, in bytes; none: as much as it likes.
  std::optional<std::int64_t> lockable_bytes;

  // polderd.toml is another one now.
  bool has_read_another(const Config& now) const;
  trust::Json to_json() const;
  // Errors: kCorrupt.
  static Result<Live> parse(std::string_view bytes, std::string_view where);
  bool operator==(const Live&) const = default;
};

// What a look at the device found. Where no agent runs, `live` is what the last one said.
struct Standing {
  AgentState state;
  std::optional<Live> live;
  bool is_running = false;
  std::int64_t now_s = 0;
  std::vector<Expiry> expiries;
  // What is wrong with polderd.toml; empty: nothing. Else of the configuration only its device and
  // folder mean something, and nothing is compared with it.
  std::string config_error = {};
  HubStanding hub = {};

  // What it says is so now.
  bool is_live() const { return is_running && live && now_s - live->said_s <= kLiveHoldsS; }
};
// As the running agent says; else by what is kept.
HubStanding hub_standing(const Config& config, Storage& storage, const std::optional<Live>& live,
                         bool is_live);
trust::Json status_json(const Config& config, const Standing& standing);
std::string status_text(const Config& config, const Standing& standing);
// "refused: people 1.3.0: ... (2026-12-01T00:00:00Z; it is not offered any more)", of each unit
// whose past refusal is not one of now.
std::map<std::string, std::string> past_refusal_lines(const Live& live);

}  // namespace polder::agent
