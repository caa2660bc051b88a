// Does what the table of the life cycle says, one action at a time.
//
//   Driver driver(config, parts);
//   TRY(driver.start());
//   for (;;) {
//     TRY_VALUE(const Turn turn, driver.turn());
//     if (turn.restart) ...             // another polderd is to run
//     clock.sleep_until_us(turn.wake_us);
//   }
//
// Of each action: the state is saved, the action is done, what came of it is the next event. An
// action that fails is an event too, so turn() fails only where nothing can be decided any more.
// No slot is run that this process has not hashed.
// When a state cannot be saved (the disk is full) nothing is done and the same is tried again
// later; what runs goes on.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backoff.h"
#include "agent/config.h"
#include "agent/lifecycle.h"
#include "platform/clock.h"
#include "platform/storage.h"
#include "trust/audit_entry.h"

namespace polder::agent {

// What a check of the repository came to.
struct CheckOutcome {
  std::vector<Offer> offers;      // signed, and fit for this device; the first is the best
  std::vector<Refusal> refusals;  // what was offered and is not fit
  std::string note;               // what is missing though nothing is wrong, or nothing
  std::int64_t time_seen_s = 0;   // that fresh metadata vouch for
  std::map<std::string, trust::Version> floors;
};

// What a unit refused last, for people: also once nobody offers it any more. It holds while what
// the unit has committed is what it was then.
struct PastRefusal {
  std::string line;         // Refusal::line()
  std::int64_t time_s = 0;  // since 1970, by the clock of the day: when that was said first
  std::string committed{};  // its manifest's digest, in hexadecimal; empty: nothing was
  bool operator==(const PastRefusal&) const = default;
};
using PastRefusals = std::map<std::string, PastRefusal>;  // by unit

// The repository, and what of it is on the device. Every call may be repeated, and its error is no
// proof against the release: a copy of a repository may be damaged, or not be whole yet.
class Releases {
 public:
  virtual ~Releases() = default;
  // `now_s` is the time that is believed. Errors: kTimeout for metadata that have expired; kDenied,
  // kCorrupt for such as are not to be trusted; kUnavailable.
  virtual Result<CheckOutcome> check(const AgentState& state, std::int64_t now_s) = 0;
  // The version of the root, when checks have come to trust a newer one since this was asked last;
  // of those that failed too.
  virtual std::optional<std::int64_t> new_root() = 0;
  // What has come stays when it ends early.
  virtual Status download(const AgentState& state, const Alive& alive) = 0;
  virtual Status verify(const AgentState& state, const Alive& alive) = 0;
  virtual Status stage(const AgentState& state, const Alive& alive) = 0;
  virtual Status clear(const std::string& unit, Slot slot) = 0;
  // Hashes what was staged. Errors: kCorrupt, kNotFound when it is not what it was; kIo.
  virtual Status verify_slot(const std::string& unit, Slot slot, const ReleaseId& release,
                             const Alive& alive) = 0;
  // Frees what no slot of the state needs.
  virtual Status tidy(const AgentState& state) = 0;
};

enum class Health : std::uint8_t { kStarting, kWell, kFailed };
struct UnitHealth {
  Health health = Health::kStarting;
  std::string reason;             // kFailed; of kWell what is worth a word
  std::optional<Code> code = {};  // of it, where there is one
  // Crashed again and again of late; kWell: it runs now all the same.
  bool is_crash_loop = false;
  std::uint64_t failed_start = 0;  // which start failed last; 0: none
  // When it is started again, on the runner's clock; none: it waits for nothing.
  std::optional<std::int64_t> next_start_us = {};
};

// The processes that run releases.
class Runner {
 public:
  virtual ~Runner() = default;
  // Whether the staged release does what its manifest says. Errors: see is_to_blame().
  virtual Status probe(const std::string& unit, Slot slot, const ReleaseId& release,
                       const Alive& alive) = 0;
  // Runs the slot in place of what the unit ran before; fine when it runs already. It is restarted
  // when it ends.
  virtual Status run(const std::string& unit, Slot slot, const ReleaseId& release) = 0;
  virtual void stop(const std::string& unit) = 0;
  // The new release beside the old one, until end_shadow() or run() of another slot; called again
  // and again meanwhile. Errors: kUnsupported where that is not possible: the phase is passed over;
  // others end the update, which the release is to blame for where is_to_blame().
  virtual Status shadow(const std::string& unit, Slot slot, const ReleaseId& release) = 0;
  // The old one goes on alone; fine when it does already.
  virtual void end_shadow(const std::string& unit) = 0;
  // Keeps everything going; to be called at least once a second.
  virtual void poll() = 0;
  virtual UnitHealth health(const std::string& unit) = 0;
};

// Whether an error of a probe is the release's own: it gives other results, cannot be opened, asks
// for what it may not. Not what a busy or full machine does: kExhausted, kTimeout, kIo,
// kUnavailable.
bool is_to_blame(Code code);

// What happens, for whoever keeps a record: the audit log, the reports, the journal.
struct Occurrence {
  trust::Act act = trust::Act::kNote;
  std::string object;     // "people-counting 1.2.0"
  std::string text;       // for people
  std::string unit = {};  // empty: of none
  std::optional<ReleaseId> release = {};
  std::optional<Phase> entered = {};
  std::optional<Code> code = {};  // of the error that ended an update, where it is known
  // The text is what a process has said that has seen data, or names what this device reads: not
  // for those outside of it.
  bool says_worker = false;
  // An update that was ended by what is no fault of its release: it is tried again.
  bool blames_no_release = false;
  // It goes on: the same was told before, and did not end. Not for a record that is kept for ever.
  bool repeats = false;
};

struct DriverParts {
  Storage& storage;
  Releases& releases;
  Runner& runner;
  Clock& clock;
  const WallClock& wall;
  std::function<std::uint64_t()> random;
  // May fail by itself; nothing depends on it.
  std::function<void(const Occurrence&)> record;
  // How long the repository's server has asked to be left alone, in its last answer.
  std::function<std::int64_t()> retry_after_s = [] { return std::int64_t(0); };
  // Called in each turn and now and then in long actions; may be empty. Must not wait.
  std::function<void()> meanwhile = {};
};

// Which polderd this is.
struct Self {
  Slot slot = Slot::kNone;   // that it was started from; none: as it was installed
  bool was_counted = false;  // whoever started it has said kStart already
  std::int64_t built_s = 0;  // since 1970: no clock before it is believed
};

struct Turn {
  std::int64_t wake_us = 0;  // of the clock: when the next turn is due
  bool restart = false;      // the active slot of the runtime is another than Self::slot
};

class Driver {
 public:
  Driver(Config config, Policy policy, DriverParts parts, Self self)
      : config_(std::move(config)),
        policy_(policy),
        parts_(std::move(parts)),
        self_(self),
        backoff_(policy) {}

  // Loads the state, takes the units of the configuration and starts what is active, each once its
  // slot is hashed, which lasts as long as reading it. Errors: those of load_state(); a state that
  // cannot be saved does not stop what runs.
  Status start();
  // Another polderd is to run: the one in the active slot, or the installed one.
  bool is_own_restart_due() const;
  // Does at most one action.
  Result<Turn> turn();
  // The program in the active slot of the runtime cannot be started: this one stands in for it, a
  // trial fails.
  void runtime_does_not_start(const std::string& reason);
  // The machine goes down in good order: a trial goes on at the next start.
  void note_end();
  bool is_on_trial() const {
    return state_.phase >= Phase::kProbe && state_.phase <= Phase::kObserve;
  }
  // There may be something new: a check is due.
  void check_soon() { next_check_us_ = 0; }
  // Somebody asks for an update now: moreover what failed waits no longer.
  void ask_now();
  // Moreover what failed here is forgotten. Errors: the state cannot be saved.
  Status try_again();
  // Looks after what runs, at most once a second: for what may wait long in an action.
  Status look_after();
  // Turns until the agent is idle after a check (`polderd check --install`), or a restart is due.
  // Errors: the state cannot be saved.
  Result<Turn> turn_until_idle();

  const AgentState& state() const { return state_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }
  // Until another release of the unit is committed; but what failed here, which the state knows.
  const PastRefusals& past_refusals() const { return past_refusals_; }
  // Those of the start before this one, before start(): which drops what holds no more.
  void remember(PastRefusals past) { past_refusals_ = std::move(past); }
  // Of the last check that went well.
  const std::string& check_note() const { return check_note_; }
  // By the hours of config.window, as of the last check.
  bool is_kept_waiting() const { return is_kept_waiting_; }
  // Of the last check; empty: it went well, or there was none.
  const std::string& check_error() const { return check_error_; }
  bool has_checked() const { return has_checked_; }
  // When a check went well last, since 1970; 0: not since the start.
  std::int64_t checked_well_s() const { return checked_well_s_; }
  // Why the active slot of a unit is not run, until it is mended; empty: it is.
  std::string damage(const std::string& unit) const;
  // The time that is believed, since 1970.
  std::int64_t now_s() const;
  // How long a release that could not be installed is left alone yet.
  std::int64_t wait_left_s(const Attempts& attempts) const {
    return backoff_.left_s(attempts, parts_.clock.now_us());
  }

 private:
  bool save(const AgentState& state);
  Result<CheckOutcome> ask_repository();
  void ask_after(const Attempts& attempts);
  bool tell(Event event);
  void tell_status(const Status& status, bool may_blame = false);
  void record(const Occurrence& what);
  void record(trust::Act act, std::string object, std::string text);
  void record_phase(bool says_worker, const std::string& note = "", std::optional<Code> code = {});
  bool is_run_here(const std::string& unit) const;
  void clear_others(const AgentState& before);
  std::string committed_of(const std::string& unit) const;
  void remember_refusals();
  void forget_past_refusals();
  void run_active();
  void run(const std::string& name);
  void mend_slots();
  bool give_up_slot(const std::string& name, const std::string& reason);
  Status verify(const std::string& unit, Slot slot, const ReleaseId& release);
  bool is_lost(const std::string& name, const Status& whole);
  void see_crash_loops();
  void act();
  void check();
  void download();
  void probe();
  void shadow();
  void activate();
  bool watch();
  void observe();
  bool can_update();
  void finish();
  Status alive();
  Status still_offered() const;
  bool is_still_wanted();
  bool may_activate();
  void poll();
  Turn until(std::int64_t us) const;

  Config config_;
  Policy policy_;
  DriverParts parts_;
  Self self_;
  AgentState state_;
  Backoff backoff_;
  std::optional<Error> unsaved_;  // why the last state could not be saved
  std::int64_t next_check_us_ = 0, retry_us_ = 0, next_look_us_ = 0;
  std::int64_t checks_failed_ = 0;        // one after the other
  std::optional<std::int64_t> asked_us_;  // when the repository was asked last
  std::optional<std::int64_t> observed_from_us_, trial_from_us_;
  std::int64_t observed_before_us_ = 0;  // in starts before this one, each with an orderly end
  std::uint64_t failed_start_ = 0;       // of the release on trial, when it was looked at last
  std::int64_t offered_us_ = 0;          // or the start, if that is later: is_stale() by this clock
  std::int64_t next_trial_check_us_ = 0, mend_us_ = 0;
  bool has_read_repository_ = false;  // this very process
  bool has_heard_ = false;            // it was asked in the middle of this update
  bool has_checked_ = false, is_kept_waiting_ = false;
  std::string check_error_, check_note_;
  std::int64_t checked_well_s_ = 0;
  std::vector<Refusal> refusals_;
  PastRefusals past_refusals_;
  std::set<std::string> recorded_;              // refusals: each once
  std::set<std::string> check_errors_;          // recorded since the last check that went well
  std::set<std::string> not_started_;           // units that could not be, the last time
  std::map<std::string, std::string> damaged_;  // units whose active slot seems to be, and why
  std::set<std::string> looping_;               // units that crash, seen by see_crash_loops()
  std::map<std::pair<std::string, Slot>, ReleaseId> verified_;  // slots, by this process
};

}  // namespace polder::agent
