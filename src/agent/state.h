// All that the agent remembers, in one file: which release runs, what it is doing, what it must
// never do again.
//
//   TRY_VALUE(AgentState state, load_state(*storage));
//   state.phase = Phase::kDownload;  // by agent/lifecycle.h alone
//   TRY(save_state(*storage, state));
//
// floors.json has the floors once more, so that they outlast the rest: whoever removes a damaged
// state.json to begin anew keeps what protects from releases that were withdrawn. Of the two the
// higher holds.
//
// state.json is one JSON document with its format and a checksum, replaced as a whole;
// state.backup.json is what it was one step before, which is as good: every action may be done
// twice. Both are read strictly.
//
// Another format: a program that knows format N reads N and N - 1, and writes N only once it is
// committed itself (AgentState::format says what the file had), so that the program before it, to
// which an update may roll back, can read what it finds.
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/release_id.h"
#include "platform/storage.h"

namespace polder::agent {

inline constexpr std::int64_t kStateFormat = 1;

// Caps.
inline constexpr std::size_t kMaxStateBytes = 1u << 20;
inline constexpr std::size_t kMaxUnits = 64;
inline constexpr std::size_t kMaxAttempts = 64;  // the ones longest ago are forgotten
inline constexpr std::size_t kMaxBadReleases = 256;
inline constexpr std::size_t kMaxFloors = 1024;
inline constexpr std::size_t kMaxReasonBytes = 512;
inline constexpr std::int64_t kMaxCount = std::int64_t(1) << 53;
inline constexpr std::int64_t kMaxTimeS = std::int64_t(253402300799);  // the end of year 9999

// Where an update is. What is done in each is in agent/lifecycle.h.
enum class Phase : std::uint8_t {
  kIdle,
  kCheck,
  kDownload,
  kVerify,
  kStage,
  kProbe,
  kShadow,
  kActivate,
  kObserve,
  kCommit,
  kDiscard,
  kRollBack,
};
inline constexpr int kPhases = 12;
std::string_view phase_name(Phase phase);  // "roll_back"

enum class Slot : std::uint8_t { kNone, kA, kB };
std::string_view slot_name(Slot slot);  // "none", "a", "b"
// The one that is not active: kA when none is.
constexpr Slot other_slot(Slot slot) { return slot == Slot::kA ? Slot::kB : Slot::kA; }

// What is updated by itself: a model with its pipeline, or polderd.
struct Unit {
  bool runtime = false;
  Slot active = Slot::kNone;  // none: nothing runs; of the runtime: the program as it was installed
  std::array<std::optional<ReleaseId>, 2> slots;  // what was staged whole in a and b
  std::optional<ReleaseId> committed;             // last; runs unless it was lost (lose_active())
  std::optional<ReleaseId> previous;              // before that: the one to go back to (way_back())
  std::optional<trust::Version> highest;          // that was ever committed here

  std::optional<ReleaseId>& in(Slot slot) { return slots[slot == Slot::kB]; }
  const std::optional<ReleaseId>& in(Slot slot) const { return slots[slot == Slot::kB]; }
  // What runs; nothing when nothing does.
  const ReleaseId* running() const {
    return active != Slot::kNone && in(active) ? &*in(active) : nullptr;
  }
  bool operator==(const Unit&) const = default;
};

// The one that is under way.
struct Update {
  std::string unit;
  ReleaseId release;
  Slot slot = Slot::kA;         // where it goes
  Slot before = Slot::kNone;    // what was active when it began
  bool shadow = false;          // to be run beside the old one first
  std::int64_t retry = 0;       // of the assignment: see BadRelease
  std::int64_t tries = 0;       // starts of the agent since activation, but after an orderly end
  bool ended = false;           // the agent ended in good order and has not started since
  std::int64_t observed_s = 0;  // how long the release on trial was well before that
  bool lived = false;           // it ran for a while, at some start
  std::string reason;           // why it failed, while it is discarded or rolled back
  std::int64_t offered_s = 0;   // since 1970: when the repository said so
  bool operator==(const Update&) const = default;
};

// How often a release could not be installed, though nothing shows that it is to blame.
struct Attempts {
  ReleaseId release;
  std::int64_t failures = 0;
  std::int64_t not_before_s = 0;  // by the clock of the day, right or wrong: agent/backoff.h
  std::string reason = {};        // of the last one
  trust::Sha256 settings{};       // of the device, then: Config::settings_digest()
  bool operator==(const Attempts&) const = default;
};

// A release that failed here. It is refused by its manifest's digest, while the device's settings
// are those that it was tried with; an assignment that names it with a higher `retry` lifts that.
struct BadRelease {
  ReleaseId release;
  std::int64_t retry = 0;
  std::int64_t time_s = 0;
  std::string reason;
  trust::Sha256 settings{};  // of the device, then
  bool operator==(const BadRelease&) const = default;
};

struct AgentState {
  std::int64_t format = kStateFormat;  // of the file that it came from, and in which it is saved
  std::int64_t boot = 0;               // counts starts of the agent; the first is 1
  std::int64_t time_seen_s = 0;        // no clock before this is believed
  Phase phase = Phase::kIdle;
  std::optional<Update> update;  // except when idle or checking
  std::map<std::string, Unit> units;
  std::vector<Attempts> attempts;                // the newest last
  std::vector<BadRelease> bad;                   // the newest last
  std::map<std::string, trust::Version> floors;  // by model: the highest seen

  // Whether all of it fits together and is within the caps. Errors: kInvalid, kExhausted.
  Status validate() const;
  // Of a valid state. The same for equal states.
  std::string bytes() const;
  // What it returns is valid. Errors: kCorrupt; kIncompatible for a format that this program does
  // not know; kExhausted above a cap.
  static Result<AgentState> parse(std::string_view bytes, std::string_view where);

  // The unit of the update. There must be one.
  const Unit& updated() const { return units.at(update->unit); }
  Unit& updated() { return units.at(update->unit); }
  const BadRelease* find_bad(const trust::Sha256& manifest) const;
  const Attempts* find_attempts(const trust::Sha256& manifest) const;
  bool operator==(const AgentState&) const = default;
};

// At most so many bytes (of at least 8), and nothing in it that JSON or a terminal would not take.
std::string fit_reason(const std::string& reason, std::size_t max_bytes = kMaxReasonBytes);

inline constexpr char kStateName[] = "state.json";
inline constexpr char kStateBackupName[] = "state.backup.json";
inline constexpr char kFloorsName[] = "floors.json";

// A state where there is none yet is a new one. Its floors are at least those that were kept apart;
// where these are damaged the state's own hold. `note`, if given, says what was wrong with
// state.json when the backup was taken in its place. Errors: those of parse() when the backup does
// not serve either; kIo.
Result<AgentState> load_state(Storage& storage, std::string* note = nullptr);
// Durable when it returns; on an error the state is what it was.
Status save_state(Storage& storage, const AgentState& state);

}  // namespace polder::agent
