// What the agent tells people: its state as text and as JSON, and what is wrong and what to do.
//
//   const trust::Json json = status_json(config, state, live);
//   for (const Finding& finding : diagnose(facts)) ...
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

struct Live {
  std::int64_t checked_s = 0;  // since 1970; 0: not since the agent started
  std::string check_error;     // of the last check; empty: it went well
  std::vector<std::string> refusals;
  std::map<std::string, std::string> health;   // by unit: "well", "starting", or what is wrong
  std::map<std::string, KeptCounts> output;    // by unit, where something is kept
  std::map<std::string, ShadowResult> shadow;  // by unit, of the last update that had one
  ReporterStanding reports;
  RecordTrouble audit;

  trust::Json to_json() const;
  // Errors: kCorrupt.
  static Result<Live> parse(std::string_view bytes, std::string_view where);
  bool operator==(const Live&) const = default;
};

// Where no agent runs, `live` is what the last one said.
trust::Json status_json(const Config& config, const AgentState& state,
                        const std::optional<Live>& live, bool is_running);
std::string status_text(const Config& config, const AgentState& state,
                        const std::optional<Live>& live, bool is_running);

enum class Level : std::uint8_t { kGood, kWarning, kWrong };
struct Finding {
  Level level = Level::kGood;
  std::string what;    // "repository: timestamp.json has expired"
  std::string advice;  // what to do; empty where nothing is to be done
};

// What a look at the device found.
struct Facts {
  Config config;
  Result<AgentState> state{AgentState()};
  std::optional<Live> live;
  bool is_running = false;                // an agent holds the lock
  Status identity;                        // whether the key can be used
  Status repository;                      // whether something is there
  Status root;                            // whether there is a root to trust
  Status audit;                           // whether the audit log can go on; kNotFound: none yet
  std::vector<std::string> bad_settings;  // of polderd.toml, for pipelines that are installed
  std::vector<std::string> unproven_settings;  // units whose settings cannot be held to a release
  std::vector<std::string> damaged_slots;      // that do not hash to what they are to hold, and why
  bool confines_files = true;                  // the kernel can (platform/confine_files.h)
  Result<std::uint64_t> free_bytes{std::uint64_t(0)};
  std::int64_t now_s = 0;
};
std::vector<Finding> diagnose(const Facts& facts);

}  // namespace polder::agent
