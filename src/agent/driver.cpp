#include "agent/driver.h"

#include <algorithm>

#include "agent/clock_floor.h"
#include "base/fail.h"

namespace polder::agent {

namespace {

constexpr std::int64_t kPollUs = 200'000;  // while a worker is watched
constexpr std::int64_t kSaveAgainUs = 10 * kSecondUs;
constexpr std::int64_t kMendUs = 60 * kSecondUs;
constexpr std::int64_t kTrialCheckUs = 60 * kSecondUs;
constexpr std::int64_t kJustAskedUs = 60 * kSecondUs;
// A download is held up no more often by being asked for, so that it comes on over any link.
constexpr std::int64_t kAskInDownloadUs = 600 * kSecondUs;
constexpr std::int64_t kLongestTrialUs = 24 * 3600 * kSecondUs;
// After so long on trial it was not the release that took the machine down at its start.
constexpr std::int64_t kLivesUs = 60 * kSecondUs;
constexpr std::size_t kMaxRecorded = 1000;

// What an error is about, without what changes from one time to the next: its kind and its file.
std::string key_of(const Error& error) {
  return fmt::format("{} {}", code_name(error.code),
                     error.message.substr(0, error.message.find(": ")));
}

bool is_gone(const Status& slot) {
  const Code code = slot.ok() ? Code::kIo : slot.error().code;
  return code == Code::kCorrupt || code == Code::kNotFound;
}

// What crashes on and on in its trial is to blame, also when it hangs or takes too much: here it is
// no busy moment. Not where it never had its turn, or said that something of the device is away.
bool is_to_blame(const UnitHealth& health) {
  return health.is_crash_loop && health.code != Code::kUnavailable && health.code != Code::kIo &&
         health.code != Code::kNotFound;
}

}  // namespace

bool is_to_blame(Code code) {
  return code == Code::kCorrupt || code == Code::kDenied || code == Code::kIncompatible ||
         code == Code::kInvalid || code == Code::kUnsupported;
}

std::int64_t Driver::now_s() const {
  return believed_time_s(parts_.wall.now_s(), std::max(state_.time_seen_s, self_.built_s));
}

Turn Driver::until(std::int64_t us) const {
  return {std::min(us, parts_.clock.now_us() + kSecondUs), is_own_restart_due()};
}

// --- Events --------------------------------------------------------------------------------------

void Driver::record(const Occurrence& what) {
  if (parts_.record) parts_.record(what);
}

void Driver::record(trust::Act act, std::string object, std::string text) {
  record({.act = act, .object = std::move(object), .text = std::move(text)});
}

// That the update is in this phase now. What is told of lasts until its action is done, and is told
// again by who finds it so at a start: twice rather than never, where the power went in between.
void Driver::record_phase(bool says_worker, const std::string& note, std::optional<Code> code) {
  if (!state_.update) return;
  const ReleaseId& release = state_.update->release;
  Occurrence what{.object = release.text(),
                  .unit = state_.update->unit,
                  .release = release,
                  .entered = state_.phase};
  const auto tell = [&](trust::Act act, const std::string& text) {
    what.act = act;
    what.text = text + note;
    record(what);
  };
  switch (state_.phase) {
    case Phase::kDownload: tell(trust::Act::kNote, "update begun"); break;
    case Phase::kActivate:
      // A polderd is active once it has started: it says so itself.
      if (state_.updated().runtime && self_.slot != state_.update->slot) break;
      tell(trust::Act::kUpdateInstalled, "activated");
      break;
    case Phase::kCommit: tell(trust::Act::kUpdateCommitted, "committed"); break;
    case Phase::kDiscard:
      what.says_worker = says_worker;
      what.blames_no_release = !state_.find_bad(release.manifest);
      what.code = code;
      tell(trust::Act::kUpdateFailed, state_.update->reason);
      break;
    case Phase::kRollBack:
      what.says_worker = says_worker;
      what.blames_no_release = !state_.find_bad(release.manifest);
      what.code = code;
      tell(trust::Act::kUpdateRolledBack, state_.update->reason);
      break;
    default: break;
  }
}

bool Driver::save(const AgentState& state) {
  Status saved = save_state(parts_.storage, state);
  unsaved_.reset();
  if (saved.ok()) return true;
  unsaved_ = saved.error();
  retry_us_ = parts_.clock.now_us() + kSaveAgainUs;
  record(trust::Act::kNote, kStateName,
         fmt::format("the state cannot be saved, it is tried again: {}", saved.error().message));
  return false;
}

// Decides and saves. false: it could not be saved, so nothing has happened.
bool Driver::tell(Event event) {
  event.now_s = now_s();
  event.clock_s = parts_.wall.now_s();
  event.random = parts_.random();
  if (state_.update) event.settings = config_.settings_digest(state_.update->unit);
  Step step = next(state_, event, policy_);
  if (step.ignored) return true;
  if (step.changed && !save(step.state)) return false;
  const AgentState before = std::exchange(state_, std::move(step.state));
  for (const auto& [model, floor] : state_.floors) {
    const auto old = before.floors.find(model);
    if (old == before.floors.end() || old->second < floor)
      record(trust::Act::kFloorRaised, model, "the floor is now " + floor.text());
  }
  backoff_.follow(before, state_, event.clock_s, parts_.clock.now_us());
  // What failed on trial is left to the next check: each try takes the place of what runs.
  if (state_.attempts != before.attempts && before.phase < Phase::kActivate)
    for (const Attempts& item : state_.attempts) ask_after(item);
  if (!before.update) offered_us_ = parts_.clock.now_us();
  if (state_.phase == before.phase) return true;
  if (state_.phase == Phase::kCommit) forget_past_refusals();
  observed_from_us_.reset(), trial_from_us_.reset();
  // Of these phases what failed is said by a process that the release runs in.
  const bool has_worker = before.phase >= Phase::kProbe && before.phase <= Phase::kObserve;
  record_phase(has_worker && event.kind != EventKind::kHeard, "", event.code);
  return true;
}

// A release that is left alone for a while is asked for again as soon as that is over.
void Driver::ask_after(const Attempts& attempts) {
  const std::int64_t left_s = wait_left_s(attempts);
  if (left_s == 0) return;
  const std::int64_t wait_s = std::max(left_s, parts_.retry_after_s());
  next_check_us_ = std::min(next_check_us_, parts_.clock.now_us() + wait_s * kSecondUs);
}

void Driver::tell_status(const Status& status, bool may_blame) {
  if (status.ok()) {
    tell({.kind = EventKind::kDone});
  } else {
    const bool blame = may_blame && is_to_blame(status.error().code);
    tell({.kind = blame ? EventKind::kRejected : EventKind::kFailed,
          .reason = status.error().message,
          .code = status.error().code});
  }
}

// --- Start ---------------------------------------------------------------------------------------

Status Driver::start() {
  std::string note;
  TRY_VALUE(AgentState loaded, load_state(parts_.storage, &note));
  if (!note.empty())
    record(trust::Act::kStateRestored, kStateName,
           "damaged; the state before it was taken: " + note);
  TRY_VALUE(state_, with_units(loaded, config_.models, config_.runtime));
  clear_others(loaded);
  forget_past_refusals();
  offered_us_ = parts_.clock.now_us();
  state_.boot = std::min(state_.boot + 1, kMaxCount);
  backoff_.start(state_, parts_.wall.now_s(), parts_.clock.now_us());
  if (const Status saved = save_state(parts_.storage, state_); !saved.ok())
    record(trust::Act::kNote, kStateName,
           fmt::format("the state cannot be saved: {}", saved.error().message));
  record_phase(true, "; polderd was started in the middle of it");
  if (!self_.was_counted) tell({.kind = EventKind::kStart});
  // Another polderd would only stop again what this one starts.
  if (!is_own_restart_due()) run_active();
  return {};
}

// The slots of units that are no longer configured: before the state without them is saved, so that
// none is forgotten.
void Driver::clear_others(const AgentState& before) {
  bool is_cleared = false;
  for (const auto& [name, unit] : before.units) {
    if (state_.units.contains(name)) continue;
    is_cleared = true;
    record(trust::Act::kNote, name, "no longer configured: what was installed is removed");
    for (const Slot slot : {Slot::kA, Slot::kB}) {
      const Status cleared = parts_.releases.clear(name, slot);
      if (!cleared.ok()) record(trust::Act::kNote, name, cleared.error().message);
    }
  }
  if (!is_cleared) return;
  const Status tidied = parts_.releases.tidy(state_);
  if (!tidied.ok()) record(trust::Act::kNote, "blobs", tidied.error().message);
}

// Models run in workers; the runtime is this process.
bool Driver::is_run_here(const std::string& unit) const {
  return std::ranges::find(config_.models, unit) != config_.models.end();
}

void Driver::run_active() {
  for (const std::string& name : config_.models) {
    // What is to be activated is started by that action.
    if (state_.update && state_.update->unit == name && state_.phase == Phase::kActivate) continue;
    run(name);
  }
}

void Driver::run(const std::string& name) {
  const Unit& unit = state_.units.at(name);
  if (!unit.running()) return parts_.runner.stop(name);
  Status status = verify(name, unit.active, *unit.running());
  if (!status.ok()) parts_.runner.stop(name);
  else status = parts_.runner.run(name, unit.active, *unit.running());
  if (status.ok()) {
    not_started_.erase(name);
    return;
  }
  record({.act = trust::Act::kWorkerFailed,
          .object = unit.running()->text(),
          .text = status.error().message,
          .repeats = !not_started_.insert(name).second});
  damaged_[name] = status.error().message;
}

// --- Damaged slots -------------------------------------------------------------------------------

// A disk changes what lies on it without a word, so nothing of a slot is run before all of it was
// hashed: once by each process, for models are large.
Status Driver::verify(const std::string& unit, Slot slot, const ReleaseId& release) {
  const std::pair<std::string, Slot> place{unit, slot};
  if (const auto found = verified_.find(place); found != verified_.end()) {
    if (found->second == release) return {};
    verified_.erase(found);
  }
  TRY(parts_.releases.verify_slot(unit, slot, release, [this] { return alive(); }));
  verified_.emplace(place, release);
  return {};
}

std::string Driver::damage(const std::string& unit) const {
  const auto found = damaged_.find(unit);
  return found == damaged_.end() ? "" : found->second;
}

// What begins to crash again and again may have been damaged since it was started.
void Driver::see_crash_loops() {
  for (const std::string& name : config_.models) {
    if (state_.update && state_.update->unit == name) continue;  // which is watched by itself
    const UnitHealth health = parts_.runner.health(name);
    if (!health.is_crash_loop) looping_.erase(name);
    else if (looping_.insert(name).second) damaged_.try_emplace(name, health.reason);
  }
}

void Driver::runtime_does_not_start(const std::string& reason) {
  const std::string& name = config_.runtime;
  const bool is_updated = state_.update && state_.update->unit == name;
  if (is_updated) tell({.kind = EventKind::kFailed, .reason = reason});
  else give_up_slot(name, reason);
  if (!is_own_restart_due()) run_active();
}

bool Driver::is_lost(const std::string& name, const Status& whole) {
  if (whole.ok() || is_gone(whole)) return !whole.ok();
  // What cannot be read now may be read later: it is given up only for another that can be read.
  const Unit other = lose_active(state_, name).units.at(name);
  return other.running() && verify(name, other.active, *other.running()).ok();
}

// Looks at the slots whose release does not run. An update of such a unit is given up first, for
// there is nothing to go back to.
void Driver::mend_slots() {
  mend_us_ = parts_.clock.now_us() + kMendUs;
  const std::map<std::string, std::string> damaged = std::exchange(damaged_, {});
  for (const auto& [name, reason] : damaged) {
    const Unit& unit = state_.units.at(name);
    const bool is_updated = state_.update && state_.update->unit == name;
    const bool is_on_trial = is_updated && unit.active == state_.update->slot;
    if (is_updated) {
      tell({.kind = EventKind::kFailed, .reason = reason});
      if (!is_on_trial) damaged_.emplace(name, reason);
      continue;
    }
    if (!unit.running()) continue;
    verified_.erase({name, unit.active});
    const Status whole = verify(name, unit.active, *unit.running());
    if (!is_lost(name, whole)) run(name);
    else if (!give_up_slot(name, whole.error().message)) damaged_.emplace(name, reason);
  }
}

bool Driver::give_up_slot(const std::string& name, const std::string& reason) {
  const std::string lost = state_.units.at(name).running()->text();
  const auto back = way_back(state_, name);
  AgentState after = lose_active(state_, name);
  const bool both = back && is_gone(verify(name, after.units.at(name).active, *back));
  if (both) after = lose_active(std::move(after), name);
  if (!save(after)) return false;
  state_ = std::move(after);
  record(trust::Act::kReleaseLost, lost,
         fmt::format("its slot is damaged: {}; {}{} until it is installed again", reason,
                     both ? "so is that of " + back->text() + ", and " : "",
                     back && !both ? back->text() + " runs" : "nothing runs"));
  next_check_us_ = mend_us_ = 0;
  if (is_run_here(name)) run(name);
  return true;
}

// --- Turns ---------------------------------------------------------------------------------------

bool Driver::is_own_restart_due() const {
  const auto found = state_.units.find(config_.runtime);
  return found != state_.units.end() && found->second.runtime && found->second.active != self_.slot;
}

void Driver::poll() {
  parts_.runner.poll();
  if (parts_.meanwhile) parts_.meanwhile();
}

Result<Turn> Driver::turn() {
  poll();
  const std::int64_t now_us = parts_.clock.now_us();
  if (now_us < retry_us_) return until(retry_us_);
  see_crash_loops();
  if (!damaged_.empty() && now_us >= mend_us_) mend_slots();
  if (is_own_restart_due()) return until(now_us);
  if (state_.phase == Phase::kIdle) {
    if (has_checked_ && now_us < next_check_us_) return until(next_check_us_);
    tell({.kind = EventKind::kDue});
    return until(now_us);
  }
  act();
  const bool is_watching = state_.phase == Phase::kObserve || state_.phase == Phase::kShadow;
  return until(is_watching ? parts_.clock.now_us() + kPollUs : now_us);
}

void Driver::ask_now() {
  next_check_us_ = 0;
  backoff_.end();
}

Status Driver::try_again() {
  AgentState after = forgive(state_);
  TRY(save_state(parts_.storage, after));
  state_ = std::move(after);
  record(trust::Act::kRetryAsked, config_.device, "what failed here may be tried again");
  ask_now();
  return {};
}

Result<Turn> Driver::turn_until_idle() {
  next_check_us_ = 0;
  has_checked_ = false;
  for (;;) {
    TRY_VALUE(const Turn turn, this->turn());
    if (unsaved_) return Error(*unsaved_).at("nothing more is done");
    if (turn.restart || (has_checked_ && state_.phase == Phase::kIdle)) return turn;
    parts_.clock.sleep_until_us(turn.wake_us);
  }
}

// A download over a slow link, or one that was begun before a long time without power, must not end
// in what would no longer be offered.
Status Driver::still_offered() const {
  // The time that is believed may stand still.
  const std::int64_t held_us = parts_.clock.now_us() - offered_us_;
  const bool is_held_too_long = held_us > policy_.offer_holds_s * kSecondUs;
  if (!is_held_too_long && !is_stale(*state_.update, now_s(), policy_)) return {};
  return fail(Code::kTimeout, "{}: the repository is asked again, for it was offered {} hours ago",
              state_.update->release.text(), policy_.offer_holds_s / 3600);
}

// What is not committed yet may have been taken back: it is given up then. A repository that cannot
// be asked changes nothing: what it said holds for a while, see still_offered().
bool Driver::is_still_wanted() {
  const Phase phase = state_.phase;
  auto found = ask_repository();
  if (!found.ok()) return true;
  has_heard_ = true;
  const bool is_told = tell(
      {.kind = EventKind::kHeard,
       .reason = state_.update->release.text() + ": the repository does not want it here any more",
       .is_taken_back = is_taken_back(state_, found->offers, found->refusals),
       .time_seen_s = found->time_seen_s,
       .floors = std::move(found->floors)});
  // What was heard is not known until it is saved.
  if (!is_told) asked_us_.reset(), next_check_us_ = 0;
  return is_told && state_.phase == phase;
}

// The last moment before it acts.
bool Driver::may_activate() {
  const bool was_asked = asked_us_ && parts_.clock.now_us() < *asked_us_ + kJustAskedUs;
  return was_asked || is_still_wanted();
}

void Driver::act() {
  const bool is_to_come = state_.phase == Phase::kDownload || state_.phase == Phase::kVerify ||
                          state_.phase == Phase::kStage || state_.phase == Phase::kProbe;
  const bool is_shadow = state_.phase == Phase::kShadow;
  if (is_to_come || (is_shadow && !observed_from_us_)) {
    if (Status offered = still_offered(); !offered.ok()) return tell_status(offered);
  }
  const bool may_be_taken_back = is_to_come || is_shadow || state_.phase == Phase::kObserve;
  const bool is_due = parts_.clock.now_us() >= next_check_us_;
  if (may_be_taken_back && is_due && !is_still_wanted()) return;
  switch (state_.phase) {
    case Phase::kIdle: break;
    case Phase::kCheck: check(); break;
    case Phase::kDownload: download(); break;
    case Phase::kVerify:
      tell_status(parts_.releases.verify(state_, [this] { return alive(); }));
      break;
    case Phase::kStage:
      verified_.erase({state_.update->unit, state_.update->slot});
      tell_status(parts_.releases.stage(state_, [this] { return alive(); }));
      break;
    case Phase::kProbe: probe(); break;
    case Phase::kShadow: shadow(); break;
    case Phase::kActivate: activate(); break;
    case Phase::kObserve: observe(); break;
    case Phase::kCommit:
    case Phase::kDiscard:
    case Phase::kRollBack: finish(); break;
  }
}

Status Driver::alive() {
  poll();
  return {};
}

Status Driver::look_after() {
  if (parts_.clock.now_us() < next_look_us_) return {};
  next_look_us_ = parts_.clock.now_us() + kSecondUs;
  return alive();
}

Result<CheckOutcome> Driver::ask_repository() {
  const std::int64_t quarter_us = config_.check_every_s * kSecondUs / 4;
  asked_us_ = parts_.clock.now_us();
  next_check_us_ = *asked_us_ + config_.check_every_s * kSecondUs -
                   std::int64_t(parts_.random() % std::uint64_t(quarter_us + 1));
  Result<CheckOutcome> found = parts_.releases.check(state_, now_s());
  has_read_repository_ |= found.ok();
  if (const auto version = parts_.releases.new_root())
    record(trust::Act::kRootTrusted, "root.json", fmt::format("version {}", *version));
  checks_failed_ = found.ok() ? 0 : checks_failed_ + 1;
  if (found.ok()) {
    check_error_.clear();
    check_errors_.clear();
    checked_well_s_ = now_s();
    check_note_ = found->note;
    return found;
  }
  check_error_ = found.error().message;
  // A network that was away when something was fetched may be away still.
  if (!state_.attempts.empty()) {
    const std::int64_t wait_s = backoff_s(checks_failed_, parts_.random(), policy_);
    next_check_us_ = std::min(next_check_us_, *asked_us_ + wait_s * kSecondUs);
  }
  next_check_us_ =
      std::max(next_check_us_, parts_.clock.now_us() + parts_.retry_after_s() * kSecondUs);
  const Code code = found.error().code;
  const bool is_refusal = code == Code::kDenied || code == Code::kCorrupt || code == Code::kTimeout;
  if (check_errors_.size() > kMaxRecorded) check_errors_.clear();
  if (check_errors_.insert(key_of(found.error())).second) {
    record(is_refusal ? trust::Act::kMetadataRefused : trust::Act::kNote, "repository",
           check_error_);
  }
  return found;
}

// --- Actions -------------------------------------------------------------------------------------

void Driver::check() {
  has_checked_ = true;
  for (const std::string& name : config_.models) {
    const UnitHealth health = parts_.runner.health(name);
    if (state_.units.at(name).running() && health.health == Health::kFailed)
      damaged_.try_emplace(name, health.reason);
  }
  Result<CheckOutcome> found = ask_repository();
  if (!found.ok()) {
    tell({.kind = EventKind::kFailed, .reason = check_error_});
    return;
  }
  if (recorded_.size() > kMaxRecorded) recorded_.clear();
  refusals_ = std::move(found->refusals);
  Event event{.kind = EventKind::kNothing,
              .time_seen_s = found->time_seen_s,
              .floors = std::move(found->floors)};
  // By the clock as it is: the time that is believed may stand still for days.
  const bool is_closed = config_.window && !config_.window->holds(parts_.wall.now_s());
  is_kept_waiting_ = is_closed && std::erase_if(found->offers, [this](const Offer& offer) {
                                    return waits_for_window(state_, offer);
                                  }) > 0;
  for (Offer& offer : found->offers) offer.settings = config_.settings_digest(offer.unit);
  const auto left_s = [this](const Attempts& item) {
    ask_after(item);
    return wait_left_s(item);
  };
  event.offer = choose_offer(state_, found->offers, left_s, refusals_);
  if (event.offer) event.kind = EventKind::kOffer;
  remember_refusals();
  for (const Refusal& refusal : refusals_) {
    // Of those that are waited for the text changes with the time.
    const std::string key = refusal.unit + trust::hex(refusal.release.manifest) +
                            (refusal.is_put_off ? "later"
                             : refusal.is_own   ? refusal.reason
                                                : "");
    if (recorded_.insert(key).second) {
      record({.act = refusal.is_put_off ? trust::Act::kNote : trust::Act::kReleaseRefused,
              .object = refusal.name(),
              .text = refusal.reason,
              .unit = refusal.unit,
              .release = refusal.release,
              // What is said of a release that failed here is what its worker said; what the
              // device is not set up for names its files.
              .says_worker = refusal.is_own || state_.find_bad(refusal.release.manifest) ||
                             state_.find_attempts(refusal.release.manifest)});
    }
  }
  tell(std::move(event));
}

void Driver::remember_refusals() {
  for (const Refusal& refusal : refusals_) {
    const trust::Sha256& manifest = refusal.release.manifest;
    if (refusal.is_put_off || state_.find_bad(manifest) || state_.find_attempts(manifest)) continue;
    // An assignment may name what is not configured here: nothing would ever make an end of that.
    if (!state_.units.contains(refusal.unit)) continue;
    PastRefusal& past = past_refusals_[refusal.unit];
    if (past.line != refusal.line())
      past = {refusal.line(), parts_.wall.now_s(), committed_of(refusal.unit)};
  }
}

// At a start too: the power may have gone between a commit and when that was told.
void Driver::forget_past_refusals() {
  std::erase_if(past_refusals_, [this](const auto& item) {
    const auto& [unit, past] = item;
    return !state_.units.contains(unit) || past.committed != committed_of(unit);
  });
}

// The digest of its manifest, in hexadecimal; empty: nothing is.
std::string Driver::committed_of(const std::string& unit) const {
  const auto& committed = state_.units.at(unit).committed;
  return committed ? trust::hex(committed->manifest) : "";
}

void Driver::download() {
  bool is_held_up = false;
  const Status status = parts_.releases.download(state_, [&]() -> Status {
    TRY(alive());
    TRY(still_offered());
    const std::int64_t now_us = parts_.clock.now_us();
    is_held_up = now_us >= next_check_us_ && asked_us_ && now_us >= *asked_us_ + kAskInDownloadUs;
    return is_held_up ? fail(Code::kTimeout, "the repository is asked again") : Status();
  });
  // What has come is kept, and the next turn asks.
  if (status.ok() || !is_held_up) tell_status(status);
}

void Driver::probe() {
  const Update& update = *state_.update;
  // What the disk did to it is no fault of the release.
  if (const Status whole = verify(update.unit, update.slot, update.release); !whole.ok())
    return tell_status(whole);
  const Status probed =
      parts_.runner.probe(update.unit, update.slot, update.release, [this] { return alive(); });
  if (!probed.ok()) return tell_status(probed, true);
  if (may_activate()) tell_status({});
}

void Driver::shadow() {
  const Update& update = *state_.update;
  if (const Status whole = verify(update.unit, update.slot, update.release); !whole.ok())
    return tell_status(whole);
  const Status status = parts_.runner.shadow(update.unit, update.slot, update.release);
  if (!status.ok()) {
    parts_.runner.end_shadow(update.unit);
    if (status.error().code != Code::kUnsupported) return tell_status(status, true);
    record({.act = trust::Act::kShadowPassedOver,
            .object = update.release.text(),
            .text = "not run beside the old one: " + status.error().message,
            .unit = update.unit,
            .release = update.release,
            .says_worker = true});
    return tell_status({});
  }
  const std::int64_t now_us = parts_.clock.now_us();
  if (!observed_from_us_) observed_from_us_ = now_us;
  if (now_us < *observed_from_us_ + config_.shadow_s * kSecondUs) return;
  if (may_activate()) tell_status({});  // what is activated now takes the old one's place
}

void Driver::activate() {
  const Update& update = *state_.update;
  // Of the runtime: that this is the new one, and has come so far, is all there is to do.
  if (state_.updated().runtime) return tell_status({});
  if (const Status whole = verify(update.unit, update.slot, update.release); !whole.ok())
    return tell_status(whole);
  tell_status(parts_.runner.run(update.unit, update.slot, update.release));
}

// Whether this process has read the repository once: a polderd that cannot would be the last that
// the device ever gets.
bool Driver::can_update() {
  const std::int64_t now_us = parts_.clock.now_us();
  if (has_read_repository_ || now_us < next_trial_check_us_) return has_read_repository_;
  next_trial_check_us_ = now_us + kTrialCheckUs;
  static_cast<void>(ask_repository());
  return has_read_repository_;
}

void Driver::note_end() {
  if (!is_on_trial()) return;
  // Nothing of this start yet: as much as of those before.
  const std::int64_t before_s =
      trial_from_us_ ? observed_before_us_ / kSecondUs : state_.update->observed_s;
  const std::int64_t observed_s =
      observed_from_us_ ? (parts_.clock.now_us() - *observed_from_us_) / kSecondUs : before_s;
  tell({.kind = EventKind::kEnd, .observed_s = observed_s});
}

// Whether the release on trial is well. The time of observation begins with the first sign of life,
// and again after each failure.
bool Driver::watch() {
  const UnitHealth health = parts_.runner.health(state_.update->unit);
  // A crash loop counts here, whether or not it runs now.
  if (health.health == Health::kFailed || health.is_crash_loop) {
    tell({.kind = is_to_blame(health) ? EventKind::kRejected : EventKind::kFailed,
          .reason = health.reason.empty() ? "crash loop" : health.reason,
          .code = health.code});
    return false;
  }
  const bool has_failed = health.failed_start != std::exchange(failed_start_, health.failed_start);
  if (has_failed) observed_from_us_.reset(), observed_before_us_ = 0;
  if (!has_failed && health.health != Health::kStarting) return true;
  observed_from_us_.reset();
  if (parts_.clock.now_us() < *trial_from_us_ + kLongestTrialUs) return false;
  tell({.kind = EventKind::kFailed,
        .reason = fmt::format("it did not run for {} s on end in a day", config_.observe_s)});
  return false;
}

void Driver::observe() {
  const std::int64_t now_us = parts_.clock.now_us();
  const Update& update = *state_.update;
  if (!trial_from_us_) {
    trial_from_us_ = now_us;
    observed_before_us_ = update.observed_s * kSecondUs;
  }
  if (!state_.updated().runtime && !watch()) return;
  if (!observed_from_us_) observed_from_us_ = now_us - observed_before_us_;
  const std::int64_t observed_us = now_us - *observed_from_us_;
  if (!update.lived && observed_us >= kLivesUs) tell({.kind = EventKind::kLives});
  if (observed_us < config_.observe_s * kSecondUs) return;
  if (!state_.updated().runtime || can_update()) {
    tell({.kind = EventKind::kDone});
  } else if (observed_us >= kLongestTrialUs) {
    tell({.kind = EventKind::kFailed,
          .reason = "it could not read the repository: " + check_error_});
  }
}

// Of commit, discard and roll back: what is decided already is carried out, as far as it can be.
void Driver::finish() {
  const Update update = *state_.update;
  const Unit& unit = state_.updated();
  Status status;
  if (state_.phase == Phase::kDiscard) parts_.runner.end_shadow(update.unit);
  if (state_.phase == Phase::kRollBack && is_run_here(update.unit)) run(update.unit);
  if (!unit.in(update.slot)) status = parts_.releases.clear(update.unit, update.slot);
  if (status.ok()) status = parts_.releases.tidy(state_);
  if (!status.ok()) record(trust::Act::kNote, update.release.text(), status.error().message);
  const ReleaseId* back = state_.phase == Phase::kRollBack ? unit.running() : nullptr;
  if (back && !damaged_.contains(update.unit))
    record(trust::Act::kNote, update.release.text(), "rolled back to " + back->version.text());
  // Whatever else there is to install is not kept waiting.
  if (state_.phase == Phase::kCommit || has_heard_) next_check_us_ = 0;
  has_heard_ = false;
  tell({.kind = status.ok() ? EventKind::kDone : EventKind::kFailed,
        .reason = status.ok() ? "" : status.error().message});
}

}  // namespace polder::agent
