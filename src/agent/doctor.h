// What is wrong with a device, and what to do: for each cause the one who can mend it.
//
//   for (const Finding& finding : diagnose(facts)) ...
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/expiry.h"
#include "agent/lifecycle.h"
#include "agent/state.h"
#include "agent/status.h"

namespace polder::agent {

enum class Level : std::uint8_t { kGood, kWarning, kWrong };
struct Finding {
  Level level = Level::kGood;
  std::string what;    // "repository: timestamp.json has expired"
  std::string advice;  // what to do; empty where nothing is to be done
};

// One that does not hash to what it is to hold.
struct DamagedSlot {
  std::string text;        // "people 1.2.0: ", and why
  bool is_active = false;  // else it holds the way back
};

// What a look at the device found.
struct Facts {
  Config config;
  // What is wrong with polderd.toml; empty: nothing. Else of `config` only device, folder and what
  // is installed mean something, and what needs more is not looked at.
  std::string config_error = {};
  std::string owner = "polderd";  // whose the folder is, for a shell
  Result<AgentState> state{AgentState()};
  std::optional<Live> live;
  bool is_running = false;                // an agent holds the lock
  Status identity;                        // whether the key can be used, or its token asked
  Status repository;                      // whether something is there
  Status root;                            // whether there is a root to trust
  Status audit;                           // whether the audit log can go on; kNotFound: none yet
  std::vector<std::string> bad_settings;  // of polderd.toml, for pipelines that are installed
  std::vector<std::string> unproven_settings;  // units whose settings cannot be held to a release
  std::vector<DamagedSlot> damaged_slots;
  std::vector<Refusal> refusals;                     // of what the repository has for this device
  std::map<std::string, std::int64_t> sealed_bytes;  // by unit: of sealed models that run
  std::vector<Expiry> expiries;                      // of the metadata that are trusted
  bool confines_files = true;                        // the kernel can (platform/confine_files.h)
  HubStanding hub = {};
  Result<std::uint64_t> free_bytes{std::uint64_t(0)};
  std::int64_t now_s = 0;
};
// Something is wrong exactly when one of them is kWrong.
std::vector<Finding> diagnose(const Facts& facts);

}  // namespace polder::agent
