#include "agent/state.h"

#include <algorithm>

#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/floors.h"
#include "trust/json.h"
#include "trust/manifest.h"

namespace polder::agent {

namespace {

using trust::Json;
using trust::Object;
using trust::Sha256;
using trust::Version;

constexpr std::string_view kPhaseNames[kPhases] = {"idle",    "check",  "download", "verify",
                                                   "stage",   "probe",  "shadow",   "activate",
                                                   "observe", "commit", "discard",  "roll_back"};

constexpr std::string_view kSlotNames[] = {"none", "a", "b"};

// --- What fits together --------------------------------------------------------------------------

Status check_time(std::int64_t time_s, std::string_view what) {
  if (time_s >= 0 && time_s <= kMaxTimeS) return {};
  return fail(Code::kInvalid, "{}: 0 to {} s expected, {} found", what, kMaxTimeS, time_s);
}

Status check_count(std::int64_t count, std::string_view what) {
  if (count >= 0 && count <= kMaxCount) return {};
  return fail(Code::kInvalid, "{}: 0 to {} expected, {} found", what, kMaxCount, count);
}

Status check_name(std::string_view name, std::string_view what) {
  if (trust::is_release_name(name)) return {};
  return fail(Code::kInvalid, "{}: '{}' is no name of a release", what, clipped(name));
}

Status check_cap(std::size_t count, std::size_t cap, std::string_view what) {
  if (count <= cap) return {};
  return fail(Code::kExhausted, "{}: {} of at most {}", what, count, cap);
}

Status check_unit(const std::string& name, const Unit& unit) {
  TRY(check_name(name, "units"));
  for (const auto& release : {unit.slots[0], unit.slots[1], unit.committed, unit.previous}) {
    if (!release) continue;
    TRY(check_name(release->model, name));
    if (release->model != name) {
      return fail(Code::kInvalid, "units.{}: holds a release of '{}'", name,
                  clipped(release->model));
    }
  }
  if (unit.active != Slot::kNone && !unit.in(unit.active))
    return fail(Code::kInvalid, "units.{}: the active slot is empty", name);
  if (unit.previous && !unit.committed)
    return fail(Code::kInvalid, "units.{}: a previous release and none after it", name);
  for (const auto& release : {unit.committed, unit.previous}) {
    if (release && (!unit.highest || *unit.highest < release->version))
      return fail(Code::kInvalid, "units.{}: 'highest' is below what was committed", name);
  }
  return {};
}

// A unit that is not on trial runs what it committed, or what it still has when that was lost.
Status check_rest(const std::string& name, const Unit& unit) {
  const ReleaseId* running = unit.running();
  if (!running || unit.committed == *running || unit.previous == *running) return {};
  return fail(Code::kInvalid, "units.{}: what runs is not what was committed", name);
}

// The new release is the one that runs, with the old one to go back to.
bool is_on_trial(Phase phase) { return phase == Phase::kActivate || phase == Phase::kObserve; }
bool is_after_activation(Phase phase) { return is_on_trial(phase) || phase == Phase::kCommit; }

// The slot holds the whole release.
bool is_staged(Phase phase) {
  return phase == Phase::kProbe || phase == Phase::kShadow || is_after_activation(phase);
}

Status check_update(const AgentState& state) {
  const bool quiet = state.phase == Phase::kIdle || state.phase == Phase::kCheck;
  if (quiet != !state.update) {
    return fail(Code::kInvalid, "phase '{}' {} an update", phase_name(state.phase),
                quiet ? "with" : "without");
  }
  for (const auto& [name, unit] : state.units) {
    if (!state.update || state.update->unit != name) TRY(check_rest(name, unit));
  }
  if (quiet) return {};
  const Update& update = *state.update;
  const auto found = state.units.find(update.unit);
  if (found == state.units.end())
    return fail(Code::kInvalid, "update.unit: no unit '{}'", clipped(update.unit));
  const Unit& unit = found->second;
  TRY(check_name(update.release.model, "update.release"));
  if (update.release.model != update.unit)
    return fail(Code::kInvalid, "update.release: of '{}'", clipped(update.release.model));
  if (update.slot == Slot::kNone || update.slot == update.before)
    return fail(Code::kInvalid, "update.slot: not another one than what was active");
  if (unit.active != (is_after_activation(state.phase) ? update.slot : update.before))
    return fail(Code::kInvalid, "units.{}: the wrong slot is active", update.unit);
  if (is_staged(state.phase) && unit.in(update.slot) != update.release)
    return fail(Code::kInvalid, "units.{}: the slot does not hold the update", update.unit);
  if (update.before != Slot::kNone && !unit.in(update.before))
    return fail(Code::kInvalid, "units.{}: the slot to go back to is empty", update.unit);
  Unit after = unit;  // the update, when it goes no further
  if (is_on_trial(state.phase)) after.active = update.before;
  TRY(check_rest(update.unit, after));
  if (state.phase == Phase::kCommit && unit.committed != update.release)
    return fail(Code::kInvalid, "units.{}: the update is not what was committed", update.unit);
  TRY(check_count(update.retry, "update.retry"));
  TRY(check_count(update.tries, "update.tries"));
  return check_cap(update.reason.size(), kMaxReasonBytes, "update.reason: bytes");
}

// --- To JSON -------------------------------------------------------------------------------------

Json to_json(const ReleaseId& release) {
  return Json::Members{{"model", release.model},
                       {"version", release.version.text()},
                       {"manifest", trust::hex(release.manifest)}};
}

void put(Json::Members& members, const char* name, const std::optional<ReleaseId>& release) {
  if (release) members.emplace(name, to_json(*release));
}

Json to_json(const Unit& unit) {
  Json::Members members{{"kind", unit.runtime ? "runtime" : "model"},
                        {"active", slot_name(unit.active)}};
  put(members, "a", unit.slots[0]);
  put(members, "b", unit.slots[1]);
  put(members, "committed", unit.committed);
  put(members, "previous", unit.previous);
  if (unit.highest) members.emplace("highest", unit.highest->text());
  return members;
}

Json to_json(const Update& update) {
  return Json::Members{{"unit", update.unit},
                       {"release", to_json(update.release)},
                       {"slot", slot_name(update.slot)},
                       {"before", slot_name(update.before)},
                       {"shadow", update.shadow},
                       {"retry", update.retry},
                       {"tries", update.tries},
                       {"ended", update.ended},
                       {"observed_s", update.observed_s},
                       {"lived", update.lived},
                       {"offered_s", update.offered_s},
                       {"reason", update.reason}};
}

Json to_json(const Attempts& attempts) {
  return Json::Members{{"release", to_json(attempts.release)},
                       {"failures", attempts.failures},
                       {"not_before_s", attempts.not_before_s},
                       {"settings", trust::hex(attempts.settings)},
                       {"reason", attempts.reason}};
}

Json to_json(const BadRelease& bad) {
  return Json::Members{{"release", to_json(bad.release)},
                       {"retry", bad.retry},
                       {"time_s", bad.time_s},
                       {"settings", trust::hex(bad.settings)},
                       {"reason", bad.reason}};
}

template <class T>
Json list_json(const std::vector<T>& items) {
  Json::Array array;
  for (const T& item : items) array.push_back(to_json(item));
  return array;
}

Json to_json(const AgentState& state) {
  Json::Members units, floors;
  for (const auto& [name, unit] : state.units) units.emplace(name, to_json(unit));
  for (const auto& [name, version] : state.floors) floors.emplace(name, version.text());
  Json::Members members{{"boot", state.boot},
                        {"time_seen_s", state.time_seen_s},
                        {"phase", phase_name(state.phase)},
                        {"units", std::move(units)},
                        {"attempts", list_json(state.attempts)},
                        {"bad", list_json(state.bad)},
                        {"floors", std::move(floors)}};
  if (state.update) members.emplace("update", to_json(*state.update));
  return members;
}

// --- From JSON -----------------------------------------------------------------------------------

template <std::size_t n>
Result<std::size_t> read_choice(const Object& object, std::string_view name,
                                const std::string_view (&choices)[n]) {
  TRY_VALUE(const std::string text, object.text(name, 32));
  const auto found = std::find(std::begin(choices), std::end(choices), text);
  if (found != std::end(choices)) return std::size_t(found - std::begin(choices));
  return fail(Code::kCorrupt, "{}: '{}' is none that is known", object.place(name), clipped(text));
}

Result<Slot> read_slot(const Object& object, std::string_view name) {
  TRY_VALUE(const std::size_t index, read_choice(object, name, kSlotNames));
  return Slot(index);
}

Result<ReleaseId> read_release(const Object& parent, std::string_view name) {
  TRY_VALUE(const Object object, parent.object(name));
  TRY(object.only({"model", "version", "manifest"}));
  ReleaseId release;
  TRY_VALUE(release.model, object.text("model", trust::kMaxReleaseNameBytes));
  TRY_VALUE(const std::string version, object.text("version", trust::kMaxVersionBytes));
  TRY_VALUE(release.version, Version::parse(version, object.place("version")));
  TRY_VALUE(release.manifest, trust::read_digest(object, "manifest"));
  return release;
}

Status read_optional(const Object& parent, std::string_view name, std::optional<ReleaseId>& into) {
  if (!parent.has(name)) return {};
  TRY_VALUE(into, read_release(parent, name));
  return {};
}

Result<Unit> read_unit(const Object& object) {
  TRY(object.only({"kind", "active", "a", "b", "committed", "previous", "highest"}));
  constexpr std::string_view kKinds[] = {"model", "runtime"};
  Unit unit;
  TRY_VALUE(const std::size_t kind, read_choice(object, "kind", kKinds));
  unit.runtime = kind == 1;
  TRY_VALUE(unit.active, read_slot(object, "active"));
  TRY(read_optional(object, "a", unit.slots[0]));
  TRY(read_optional(object, "b", unit.slots[1]));
  TRY(read_optional(object, "committed", unit.committed));
  TRY(read_optional(object, "previous", unit.previous));
  if (object.has("highest")) {
    TRY_VALUE(const std::string highest, object.text("highest", trust::kMaxVersionBytes));
    TRY_VALUE(unit.highest, Version::parse(highest, object.place("highest")));
  }
  return unit;
}

Result<Update> read_update(const Object& object) {
  TRY(object.only({"unit", "release", "slot", "before", "shadow", "retry", "tries", "ended",
                   "observed_s", "lived", "offered_s", "reason"}));
  Update update;
  TRY_VALUE(update.unit, object.text("unit", trust::kMaxReleaseNameBytes));
  TRY_VALUE(update.release, read_release(object, "release"));
  TRY_VALUE(update.slot, read_slot(object, "slot"));
  TRY_VALUE(update.before, read_slot(object, "before"));
  TRY_VALUE(update.shadow, object.boolean("shadow"));
  TRY_VALUE(update.retry, object.integer("retry", 0, kMaxCount));
  TRY_VALUE(update.tries, object.integer("tries", 0, kMaxCount));
  TRY_VALUE(update.ended, object.boolean("ended"));
  TRY_VALUE(update.observed_s, object.integer("observed_s", 0, kMaxTimeS));
  TRY_VALUE(update.lived, object.boolean("lived"));
  TRY_VALUE(update.offered_s, object.integer("offered_s", 0, kMaxTimeS));
  TRY_VALUE(update.reason, object.text("reason", kMaxReasonBytes));
  return update;
}

Result<Attempts> read_attempts(const Object& object) {
  TRY(object.only({"release", "failures", "not_before_s", "settings", "reason"}));
  Attempts attempts;
  TRY_VALUE(attempts.release, read_release(object, "release"));
  TRY_VALUE(attempts.failures, object.integer("failures", 0, kMaxCount));
  TRY_VALUE(attempts.not_before_s, object.integer("not_before_s", 0, kMaxTimeS));
  TRY_VALUE(attempts.settings, trust::read_digest(object, "settings"));
  TRY_VALUE(attempts.reason, object.text("reason", kMaxReasonBytes));
  return attempts;
}

Result<BadRelease> read_bad(const Object& object) {
  TRY(object.only({"release", "retry", "time_s", "settings", "reason"}));
  BadRelease bad;
  TRY_VALUE(bad.release, read_release(object, "release"));
  TRY_VALUE(bad.retry, object.integer("retry", 0, kMaxCount));
  TRY_VALUE(bad.time_s, object.integer("time_s", 0, kMaxTimeS));
  TRY_VALUE(bad.settings, trust::read_digest(object, "settings"));
  TRY_VALUE(bad.reason, object.text("reason", kMaxReasonBytes));
  return bad;
}

template <class T>
Status read_list(const Object& parent, std::string_view name, std::size_t cap,
                 Result<T> (*read)(const Object&), std::vector<T>& into) {
  TRY_VALUE(const Json::Array* items, parent.array(name, cap));
  for (const Json& item : *items) {
    TRY_VALUE(const Object object, Object::of(item, parent.place(name) + "[]"));
    TRY_VALUE(T value, read(object));
    into.push_back(std::move(value));
  }
  return {};
}

Status read_units(const Object& parent, AgentState& state) {
  TRY_VALUE(const Object units, parent.object("units"));
  TRY(check_cap(units.members().size(), kMaxUnits, units.where()));
  for (const auto& [name, value] : units.members()) {
    TRY_VALUE(const Object object, Object::of(value, units.place(clipped(name))));
    TRY_VALUE(Unit unit, read_unit(object));
    state.units.emplace(name, std::move(unit));
  }
  return {};
}

Status read_floors(const Object& parent, AgentState& state) {
  TRY_VALUE(const Object floors, parent.object("floors"));
  TRY(check_cap(floors.members().size(), kMaxFloors, floors.where()));
  for (const auto& [name, value] : floors.members()) {
    TRY_VALUE(const std::string text, floors.text(name, trust::kMaxVersionBytes));
    TRY_VALUE(Version version, Version::parse(text, floors.place(clipped(name))));
    state.floors.emplace(name, std::move(version));
  }
  return {};
}

Result<AgentState> read_state(const Object& object) {
  TRY(object.only(
      {"boot", "time_seen_s", "phase", "update", "units", "attempts", "bad", "floors"}));
  AgentState state;
  TRY_VALUE(state.boot, object.integer("boot", 0, kMaxCount));
  TRY_VALUE(state.time_seen_s, object.integer("time_seen_s", 0, kMaxTimeS));
  TRY_VALUE(const std::size_t phase, read_choice(object, "phase", kPhaseNames));
  state.phase = Phase(phase);
  if (object.has("update")) {
    TRY_VALUE(const Object update, object.object("update"));
    TRY_VALUE(state.update, read_update(update));
  }
  TRY(read_units(object, state));
  TRY(read_list(object, "attempts", kMaxAttempts, read_attempts, state.attempts));
  TRY(read_list(object, "bad", kMaxBadReleases, read_bad, state.bad));
  TRY(read_floors(object, state));
  return state;
}

Error as_corrupt(Error error, std::string_view where) {
  if (error.code == Code::kInvalid) error.code = Code::kCorrupt;
  return std::move(error).at(where);
}

}  // namespace

std::string_view phase_name(Phase phase) { return kPhaseNames[std::size_t(phase)]; }
std::string_view slot_name(Slot slot) { return kSlotNames[std::size_t(slot)]; }

Status AgentState::validate() const {
  if (format != kStateFormat)
    return fail(Code::kInvalid, "format: {} expected, {} found", kStateFormat, format);
  TRY(check_count(boot, "boot"));
  TRY(check_time(time_seen_s, "time_seen_s"));
  TRY(check_cap(units.size(), kMaxUnits, "units"));
  TRY(check_cap(attempts.size(), kMaxAttempts, "attempts"));
  TRY(check_cap(bad.size(), kMaxBadReleases, "bad"));
  TRY(check_cap(floors.size(), kMaxFloors, "floors"));
  for (const auto& [name, unit] : units) TRY(check_unit(name, unit));
  for (const auto& [name, floor] : floors) TRY(check_name(name, "floors"));
  for (const Attempts& item : attempts) {
    TRY(check_name(item.release.model, "attempts"));
    TRY(check_count(item.failures, "attempts[].failures"));
    TRY(check_time(item.not_before_s, "attempts[].not_before_s"));
    TRY(check_cap(item.reason.size(), kMaxReasonBytes, "attempts[].reason: bytes"));
  }
  for (const BadRelease& item : bad) {
    TRY(check_name(item.release.model, "bad"));
    TRY(check_count(item.retry, "bad[].retry"));
    TRY(check_time(item.time_s, "bad[].time_s"));
    TRY(check_cap(item.reason.size(), kMaxReasonBytes, "bad[].reason: bytes"));
  }
  return check_update(*this);
}

std::string AgentState::bytes() const {
  Json document = to_json(*this);
  const auto text = document.canonical();
  POLDER_CHECK(text.ok());  // no fractions in it
  const Json::Members members{{"format", format},
                              {"sha256", trust::hex(trust::sha256(*text))},
                              {"state", std::move(document)}};
  return Json(members).compact() + "\n";
}

Result<AgentState> AgentState::parse(std::string_view bytes, std::string_view where) {
  TRY(check_cap(bytes.size(), kMaxStateBytes, where));
  TRY_VALUE(const Json document, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(document, std::string(where)));
  TRY_VALUE(const std::int64_t format, object.integer("format", 1, kMaxCount));
  if (format != kStateFormat) {
    return fail(Code::kIncompatible,
                "{}: format {} expected, {} found: a newer polderd wrote it; install that one",
                where, kStateFormat, format);
  }
  TRY(object.only({"format", "sha256", "state"}));
  TRY_VALUE(const Sha256 digest, trust::read_digest(object, "sha256"));
  TRY_VALUE(const Object inner, object.object("state"));
  TRY_VALUE(const std::string text, object.members().find("state")->second.canonical());
  if (trust::sha256(text) != digest)
    return fail(Code::kCorrupt, "{}: its checksum does not fit: the file is damaged", where);
  TRY_VALUE(AgentState state, read_state(inner));
  state.format = format;
  if (Status status = state.validate(); !status.ok())
    return as_corrupt(std::move(status).error(), where);
  return state;
}

std::string fit_reason(const std::string& reason, std::size_t max_bytes) {
  std::string text = one_line(reason);
  if (text.size() <= max_bytes) return text;
  text.resize(max_bytes - 3);
  // Not in the middle of a character.
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  return text + "...";
}

const BadRelease* AgentState::find_bad(const Sha256& manifest) const {
  const auto found = std::ranges::find(
      bad, manifest, [](const BadRelease& item) { return item.release.manifest; });
  return found == bad.end() ? nullptr : &*found;
}

const Attempts* AgentState::find_attempts(const Sha256& manifest) const {
  const auto found = std::ranges::find(attempts, manifest,
                                       [](const Attempts& item) { return item.release.manifest; });
  return found == attempts.end() ? nullptr : &*found;
}

namespace {

constexpr std::size_t kHashDigits = 64;

// A digest, and on the next lines what it is of.
std::map<std::string, Version> kept_floors(Storage& storage) {
  const auto bytes = read_stored(storage, kFloorsName, kHashDigits + 1 + trust::kMaxFloorsBytes);
  if (!bytes.ok() || bytes->size() <= kHashDigits) return {};
  const std::string_view text = std::string_view(*bytes).substr(kHashDigits + 1);
  if (!bytes->starts_with(trust::hex(trust::sha256(text)))) return {};
  auto floors = trust::Floors::parse(text, kFloorsName);
  return floors.ok() ? std::move(floors->floors) : std::map<std::string, Version>();
}

void raise_floors(std::map<std::string, Version>& floors,
                  const std::map<std::string, Version>& others) {
  for (const auto& [name, floor] : others) {
    const auto found = floors.find(name);
    if (found != floors.end()) found->second = std::max(found->second, floor);
    else if (floors.size() < kMaxFloors) floors.emplace(name, floor);
  }
}

Status keep_floors(Storage& storage, const std::map<std::string, Version>& floors) {
  const auto before = kept_floors(storage);
  trust::Floors all{before};
  raise_floors(all.floors, floors);
  if (all.floors == before) return {};
  const std::string text = all.bytes();
  return replace_stored(storage, kFloorsName, trust::hex(trust::sha256(text)) + "\n" + text);
}

Result<AgentState> load_saved(Storage& storage, std::string* note) {
  const auto load = [&](const char* name) -> Result<AgentState> {
    TRY_VALUE(const std::string bytes, read_stored(storage, name, kMaxStateBytes));
    return AgentState::parse(bytes, name);
  };
  Result<AgentState> state = load(kStateName);
  if (state.ok() || state.error().code == Code::kIncompatible) return state;
  Result<AgentState> backup = load(kStateBackupName);
  const bool is_new = state.error().code == Code::kNotFound && !backup.ok() &&
                      backup.error().code == Code::kNotFound;
  if (is_new) return AgentState();
  if (!backup.ok()) return state;
  if (note) *note = state.error().message;
  return backup;
}

}  // namespace

Result<AgentState> load_state(Storage& storage, std::string* note) {
  TRY_VALUE(AgentState state, load_saved(storage, note));
  raise_floors(state.floors, kept_floors(storage));
  return state;
}

Status save_state(Storage& storage, const AgentState& state) {
  TRY(state.validate());
  TRY(keep_floors(storage, state.floors));
  const std::string bytes = state.bytes();
  TRY(check_cap(bytes.size(), kMaxStateBytes, kStateName));
  const auto before = read_stored(storage, kStateName, kMaxStateBytes);
  // It may be there from a save that failed at last: then it is not durable yet.
  if (before.ok() && *before == bytes) return storage.sync("");
  // A backup that is the file itself, or damaged, would be no backup.
  if (before.ok() && AgentState::parse(*before, kStateName).ok())
    TRY(replace_stored(storage, kStateBackupName, *before));
  return replace_stored(storage, kStateName, bytes);
}

}  // namespace polder::agent
