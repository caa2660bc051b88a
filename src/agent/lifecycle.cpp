#include "agent/lifecycle.h"

#include <algorithm>

#include "agent/backoff.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/manifest.h"

namespace polder::agent {

namespace {

constexpr std::string_view kEventNames[kEventKinds] = {
    "start", "due", "offer", "nothing", "done", "failed", "rejected", "lives", "end", "heard"};

// --- Attempts and bad releases -------------------------------------------------------------------

template <class T>
void forget(std::vector<T>& items, const ReleaseId& release) {
  std::erase_if(items, [&](const T& item) { return item.release.manifest == release.manifest; });
}

template <class T>
void remember(std::vector<T>& items, T item, std::size_t cap) {
  forget(items, item.release);
  if (items.size() >= cap) items.erase(items.begin());
  items.push_back(std::move(item));
}

std::int64_t fit_time(std::int64_t time_s) {
  return std::clamp<std::int64_t>(time_s, 0, kMaxTimeS);
}

void count_failure(AgentState& state, const Event& event, const Policy& policy) {
  const ReleaseId& release = state.update->release;
  const Attempts* before = state.find_attempts(release.manifest);
  const bool is_again = before && before->settings == event.settings;
  const std::int64_t failures = std::min(is_again ? before->failures + 1 : 1, kMaxCount);
  const std::int64_t until_s = fit_time(event.clock_s) + backoff_s(failures, event.random, policy);
  remember(state.attempts,
           Attempts{release, failures, fit_time(until_s), state.update->reason, event.settings},
           kMaxAttempts);
}

void blame(AgentState& state, const Event& event) {
  const Update& update = *state.update;
  remember(state.bad,
           BadRelease{update.release, update.retry, fit_time(event.now_s), update.reason,
                      event.settings},
           kMaxBadReleases);
  forget(state.attempts, update.release);
}

std::string reason_of(const AgentState& state, const Event& event) {
  if (event.kind != EventKind::kStart) return fit_reason(event.reason);
  return fmt::format("the agent was started {} times while it was in phase '{}'",
                     state.update->tries + 1, phase_name(state.phase));
}

// --- Effects -------------------------------------------------------------------------------------

void learn(AgentState& state, const Event& event, const Policy& policy) {
  const std::int64_t time_s = fit_time(event.time_seen_s);
  if (time_s >= state.time_seen_s + policy.time_step_s) state.time_seen_s = time_s;
  for (const auto& [name, floor] : event.floors) {
    if (!state.units.contains(name)) continue;
    const auto [at, is_new] = state.floors.try_emplace(name, floor);
    if (!is_new && at->second < floor) at->second = floor;
  }
}

void begin(AgentState& state, const Offer& offer, std::int64_t now_s) {
  const Slot active = state.units.at(offer.unit).active;
  state.update = Update{.unit = offer.unit,
                        .release = offer.release,
                        .slot = other_slot(active),
                        .before = active,
                        .shadow = offer.shadow,
                        .retry = std::clamp<std::int64_t>(offer.retry, 0, kMaxCount),
                        .offered_s = fit_time(now_s)};
}

void switch_slot(AgentState& state) {
  state.updated().active = state.update->slot;
  state.update->tries = state.update->observed_s = 0;
}

// After an orderly end the trial goes on where it was.
void count_start(Update& update) {
  if (!update.ended) ++update.tries, update.observed_s = 0;
  update.ended = false;
}

void note_end(Update& update, std::int64_t observed_s) {
  update.ended = true;
  update.observed_s = fit_time(observed_s);
}

void accept(AgentState& state) {
  Unit& unit = state.updated();
  const ReleaseId release = state.update->release;
  if (unit.committed != release) unit.previous = unit.committed;
  unit.committed = release;
  if (!unit.highest || *unit.highest < release.version) unit.highest = release.version;
  forget(state.attempts, release);
  forget(state.bad, release);
}

// A slot that was being filled, or whose release failed, holds nothing any more; one that was not
// touched yet still holds the release of before.
void give_up_slot(AgentState& state) {
  Unit& unit = state.updated();
  if (unit.in(state.update->slot) == state.update->release) unit.in(state.update->slot).reset();
}

void apply(Effect effect, AgentState& state, const Event& event, const Policy& policy) {
  const bool is_failure = effect == Effect::kGiveUp || effect == Effect::kTakeBack ||
                          effect == Effect::kBlame || effect == Effect::kGoBack ||
                          effect == Effect::kGoBackBlaming;
  if (is_failure) {
    state.update->reason = reason_of(state, event);
    if (effect == Effect::kGoBack || effect == Effect::kGoBackBlaming)
      state.updated().active = state.update->before;
    give_up_slot(state);
  }
  switch (effect) {
    case Effect::kNone: break;
    case Effect::kLearn: learn(state, event, policy); break;
    case Effect::kBegin:
      learn(state, event, policy), begin(state, *event.offer, event.now_s);
      break;
    case Effect::kEmptySlot: state.updated().in(state.update->slot).reset(); break;
    case Effect::kFillSlot:
      state.updated().in(state.update->slot) = state.update->release;
      state.update->tries = 0;
      break;
    case Effect::kSwitch: switch_slot(state); break;
    case Effect::kCountTry: count_start(*state.update); break;
    case Effect::kNoteLife: state.update->lived = true; break;
    case Effect::kNoteEnd: note_end(*state.update, event.observed_s); break;
    case Effect::kAccept: accept(state); break;
    case Effect::kFinish: state.update.reset(); break;
    case Effect::kTakeBack: learn(state, event, policy), count_failure(state, event, policy); break;
    case Effect::kGiveUp:
    case Effect::kGoBack: count_failure(state, event, policy); break;
    case Effect::kBlame:
    case Effect::kGoBackBlaming: blame(state, event); break;
  }
}

// --- Rows ----------------------------------------------------------------------------------------

bool is_bad(const AgentState& state, const Offer& offer) {
  const BadRelease* bad = state.find_bad(offer.release.manifest);
  return bad && offer.retry <= bad->retry && offer.settings == bad->settings;
}

bool is_below_floor(const AgentState& state, const ReleaseId& release) {
  const auto floor = state.floors.find(release.model);
  return floor != state.floors.end() && release.version < floor->second;
}

AgentState learned(AgentState state, const Event& event, const Policy& policy) {
  learn(state, event, policy);
  return state;
}

// With the floors that came with the offer.
bool may_begin(const AgentState& state, const Event& event, const Policy& policy) {
  if (!event.offer) return false;
  const AgentState learned = agent::learned(state, event, policy);
  const Offer& offer = *event.offer;
  return may_install(learned, offer.unit, offer.release).ok() && !is_bad(learned, offer);
}

bool holds(When when, const AgentState& state, const Event& event, const Policy& policy) {
  switch (when) {
    case When::kAlways: return true;
    case When::kMayInstall: return may_begin(state, event, policy);
    case When::kShadowWanted: return state.update->shadow && state.updated().running();
    case When::kTriesLeft:
      return state.update->ended ||
             state.update->tries <
                 (state.updated().runtime ? policy.runtime_tries : policy.model_tries);
    case When::kHasLived: return state.update->lived;
    case When::kTakenBack: return event.is_taken_back;
    case When::kBelowFloors:
      return event.is_taken_back ||
             is_below_floor(learned(state, event, policy), state.update->release);
  }
  return false;
}

const Transition* find_row(const AgentState& state, const Event& event, const Policy& policy) {
  const auto found = std::ranges::find_if(kTransitions, [&](const Transition& row) {
    return row.from == state.phase && row.on == event.kind && holds(row.when, state, event, policy);
  });
  return found == std::end(kTransitions) ? nullptr : &*found;
}

// A check by itself is nothing to remember: begun again it does no harm.
AgentState as_saved(AgentState state) {
  if (state.phase == Phase::kCheck) state.phase = Phase::kIdle;
  return state;
}

}  // namespace

std::string_view event_name(EventKind kind) { return kEventNames[std::size_t(kind)]; }

Step next(const AgentState& state, const Event& event, const Policy& policy) {
  const Transition* row = find_row(state, event, policy);
  if (!row) return {state, false, true};
  Step step{state, false, false};
  apply(row->effect, step.state, event, policy);
  step.state.phase = row->to;
  step.changed = as_saved(step.state) != as_saved(state);
  return step;
}

namespace {

bool is_running(const Unit& unit, const ReleaseId& release) {
  return unit.running() && *unit.running() == release;
}

}  // namespace

bool is_stale(const Update& update, std::int64_t now_s, const Policy& policy) {
  return now_s < update.offered_s || now_s - update.offered_s > policy.offer_holds_s;
}

namespace {

// What may be had of what is not above.
std::string back_text(const AgentState& state, const std::string& name) {
  const auto& previous = state.units.at(name).previous;
  if (!previous) return "it has committed nothing before, so there is no way back";
  if (is_below_floor(state, *previous))
    return fmt::format("there is no way back, as {} is below the floor", previous->text());
  return fmt::format("back it goes only to {}{}", previous->text(),
                     way_back(state, name) ? "" : ", which would have to be fetched again");
}

}  // namespace

Status may_install(const AgentState& state, const std::string& name, const ReleaseId& release) {
  const auto found = state.units.find(name);
  if (found == state.units.end() || release.model != name)
    return fail(Code::kNotFound, "{}: this device has no unit '{}'", release.text(), clipped(name));
  const Unit& unit = found->second;
  if (is_below_floor(state, release)) {
    return fail(Code::kDenied, "{}: below the floor {}, which only rises", release.text(),
                state.floors.at(name).text());
  }
  if (!unit.highest || *unit.highest < release.version) return {};
  if (is_running(unit, release))
    return fail(Code::kDenied, "{}: is what this device runs", release.text());
  if (unit.previous == release || unit.committed == release) return {};
  return fail(Code::kDenied, "{}: not above {}, which this device has committed; {}",
              release.text(), unit.highest->text(), back_text(state, name));
}

std::vector<Offer> installable(const AgentState& state, std::span<const Offer> offers,
                               const WaitLeft& wait_left_s, std::vector<Refusal>& refusals) {
  std::vector<Offer> chosen;
  const auto refuse = [&](const Offer& offer, std::string reason) {
    refusals.push_back({offer.unit, offer.release, std::move(reason)});
  };
  for (const Offer& offer : offers) {
    const auto unit = state.units.find(offer.unit);
    if (unit != state.units.end() && is_running(unit->second, offer.release)) continue;
    const Attempts* attempts = state.find_attempts(offer.release.manifest);
    if (attempts && attempts->settings != offer.settings) attempts = nullptr;
    if (const Status may = may_install(state, offer.unit, offer.release); !may.ok()) {
      refuse(offer, may.error().message);
    } else if (is_bad(state, offer)) {
      refuse(offer, fmt::format("failed here: {}; a newer version, other settings of this device, "
                                "'polderd check --install --retry' or an assignment with a higher "
                                "'retry' ends that",
                                state.find_bad(offer.release.manifest)->reason));
    } else if (const std::int64_t left_s = attempts ? wait_left_s(*attempts) : 0; left_s > 0) {
      refuse(offer,
             fmt::format("could not be installed, {} times by now: {}; it is tried again in {} s, "
                         "or by 'polderd check --install' at once",
                         attempts->failures, attempts->reason, left_s));
      refusals.back().is_put_off = true;
    } else {
      chosen.push_back(offer);
    }
  }
  return chosen;
}

std::optional<Offer> choose_offer(const AgentState& state, std::span<const Offer> offers,
                                  const WaitLeft& wait_left_s, std::vector<Refusal>& refusals) {
  const std::vector<Offer> all = installable(state, offers, wait_left_s, refusals);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

bool is_taken_back(const AgentState& state, std::span<const Offer> offers,
                   std::span<const Refusal> refusals) {
  const Update& update = *state.update;
  const Unit& unit = state.units.at(update.unit);
  if (unit.committed == update.release) return false;
  const std::optional<ReleaseId> before =
      update.before == Slot::kNone ? std::nullopt : unit.in(update.before);
  bool is_wanted = false;
  for (const Offer& offer : offers) {
    if (offer.unit != update.unit) continue;
    if (offer.release == before) return true;
    is_wanted |= offer.release == update.release || update.release.version < offer.release.version;
  }
  // One without a version tells of none at all.
  for (const Refusal& refusal : refusals) {
    const trust::Version& version = refusal.release.version;
    is_wanted |= refusal.unit == update.unit &&
                 (version == trust::Version() || !(version < update.release.version));
  }
  return !is_wanted;
}

bool waits_for_window(const AgentState& state, const Offer& offer) {
  const auto found = state.units.find(offer.unit);
  if (found == state.units.end()) return true;
  const Unit& unit = found->second;
  const ReleaseId* running = unit.running();
  const bool is_dark = unit.committed && !running;
  const bool runs = running && *running == offer.release;
  const bool leads_back = running && offer.release.version < running->version;
  return !is_dark && !runs && !leads_back && lost(state, offer.unit) != offer.release;
}

std::optional<ReleaseId> lost(const AgentState& state, const std::string& name) {
  const Unit& unit = state.units.at(name);
  const bool is_updated = state.update && state.update->unit == name;
  const bool runs = unit.committed && is_running(unit, *unit.committed);
  return is_updated || runs ? std::nullopt : unit.committed;
}

std::optional<ReleaseId> way_back(const AgentState& state, const std::string& name) {
  const Unit& unit = state.units.at(name);
  if (unit.active == Slot::kNone || !unit.previous ||
      unit.in(other_slot(unit.active)) != unit.previous)
    return std::nullopt;
  return is_below_floor(state, *unit.previous) ? std::nullopt : unit.previous;
}

AgentState lose_active(AgentState state, const std::string& name) {
  POLDER_CHECK(!state.update || state.update->unit != name);
  Unit& unit = state.units.at(name);
  if (unit.active == Slot::kNone) return state;
  const Slot lost = unit.active;
  unit.active = way_back(state, name) ? other_slot(lost) : Slot::kNone;
  unit.in(lost).reset();
  return state;
}

AgentState forgive(AgentState state) {
  state.attempts.clear();
  state.bad.clear();
  return state;
}

Result<AgentState> with_units(AgentState state, std::span<const std::string> models,
                              const std::string& runtime) {
  std::erase_if(state.units, [&](const auto& item) {
    const std::string& name = item.first;
    const bool is_configured = name == runtime || std::ranges::count(models, name) > 0;
    return !is_configured && !(state.update && state.update->unit == name);
  });
  const auto add = [&](const std::string& name, bool is_runtime) -> Status {
    const auto [at, is_new] = state.units.try_emplace(name, Unit{.runtime = is_runtime});
    if (at->second.runtime == is_runtime) return {};
    return fail(Code::kInvalid, "'{}' is the name of a model and of the runtime: choose another",
                clipped(name));
  };
  for (const std::string& name : models) TRY(add(name, false));
  if (!runtime.empty()) TRY(add(runtime, true));
  TRY(state.validate());
  return state;
}

}  // namespace polder::agent
