// The life of an update as one table: in which phase, on which event, what comes next. No I/O and
// no clock: events carry what happened and when.
//
//   const Step step = next(state, event, policy);
//   if (step.changed) TRY(save_state(*storage, step.state));
//   ...then do what kActions says of step.state.phase, and say how it went in the next event
//
// A state is saved before its action is done, and every action may be done twice, so after a power
// cut the agent loads the state, says kStart, and does the action again. At any time the active
// slot of a unit holds a whole release: the one that was committed last or, from kActivate to
// kCommit, the one that is on trial, with the other in reach. A slot that the disk has damaged is
// given up (lose_active()).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/state.h"
#include "base/text.h"

namespace polder::agent {

// A release that a unit may take.
struct Offer {
  std::string unit;
  ReleaseId release;
  bool shadow = false;
  std::int64_t retry = 0;    // of the assignment; 0 where there is none
  trust::Sha256 settings{};  // that this device would try it with
  bool operator==(const Offer&) const = default;
};

enum class EventKind : std::uint8_t {
  kStart,     // the agent started; whatever was being done was cut off
  kDue,       // it is time to look for releases
  kOffer,     // there is one to install
  kNothing,   // there is none
  kDone,      // the phase's action is done
  kFailed,    // it could not be done, which may not be the release's fault
  kRejected,  // the release failed: a wrong result, a crash loop
  kLives,     // the release on trial has run for a while
  kEnd,       // the agent ends as it is told to: the machine goes down in good order
  kHeard,     // in the middle of an update the repository was asked again
};
inline constexpr int kEventKinds = 10;
std::string_view event_name(EventKind kind);

struct Event {
  EventKind kind = EventKind::kStart;
  std::int64_t now_s = 0;           // since 1970, as far as it is believed
  std::int64_t clock_s = 0;         // what the clock of the day says, for waits
  std::uint64_t random = 0;         // for jitter
  std::string reason = {};          // kFailed, kRejected; kHeard: for an update that is taken back
  std::optional<Code> code = {};    // of the reason, where there is one: for the record alone
  trust::Sha256 settings{};         // that the device has for the unit of the update
  std::optional<Offer> offer = {};  // kOffer
  std::int64_t observed_s = 0;      // kEnd: how long the release on trial was well
  bool is_taken_back = false;       // kHeard: see is_taken_back()
  // What a check learned: kOffer, kNothing, kHeard. Only what rises is taken.
  std::int64_t time_seen_s = 0;
  std::map<std::string, trust::Version> floors = {};
};

struct Policy {
  // After the n-th failure of a release it is left alone for a time that doubles, half of it by
  // chance.
  std::int64_t first_wait_s = 60, longest_wait_s = 24 * 3600;
  // How long what the repository said of a release holds, before it is activated.
  std::int64_t offer_holds_s = 24 * 3600;
  // Starts of the agent during a trial, other than after an orderly end, before the release on
  // trial is given up: it takes the machine down with it, which it is to blame for unless it ever
  // lived.
  std::int64_t runtime_tries = 3, model_tries = 8;
  // How exact time_seen_s is kept, so that it costs no write at each check.
  std::int64_t time_step_s = 3600;
};

// What is remembered when a transition is made.
enum class Effect : std::uint8_t {
  kNone,
  kLearn,      // time and floors
  kBegin,      // an update, into the slot that is not active
  kEmptySlot,  // that slot holds nothing from now on
  kFillSlot,   // it holds the release
  kSwitch,     // the slot is the active one
  kCountTry,   // one more start during the trial
  kNoteLife,   // the release on trial ran for a while
  kNoteEnd,    // the next start is after an orderly end
  kAccept,     // the release is the committed one, the one before is the way back
  kFinish,     // the update is over
  kGiveUp,     // it failed; the release may be tried again later
  kTakeBack,   // kLearn, and kGiveUp
  kBlame,      // it failed; the release is bad
  kGoBack,     // the slot before is the active one again; the release may be tried again later
  kGoBackBlaming,
};

// When a row of the table holds.
enum class When : std::uint8_t {
  kAlways,
  kMayInstall,
  kShadowWanted,
  kTriesLeft,
  kHasLived,
  kTakenBack,    // nobody wants it here any more
  kBelowFloors,  // or that, or it is below a floor that came with the event
};

struct Transition {
  Phase from;
  EventKind on;
  When when;
  Phase to;
  Effect effect;
};

// The first row that fits holds; where none does the event is ignored: it comes too late, or would
// begin a second update.
namespace table {
using enum Phase;
using enum EventKind;
using enum When;
using enum Effect;
inline constexpr Transition kTransitions[] = {
    // clang-format off
    // from     on         when           to         effect
    {kIdle,     kDue,      kAlways,       kCheck,    kNone},

    {kCheck,    kStart,    kAlways,       kIdle,     kNone},
    {kCheck,    kOffer,    kMayInstall,   kDownload, kBegin},
    {kCheck,    kOffer,    kAlways,       kIdle,     kLearn},
    {kCheck,    kNothing,  kAlways,       kIdle,     kLearn},
    {kCheck,    kFailed,   kAlways,       kIdle,     kNone},

    {kDownload, kHeard,    kBelowFloors,  kDiscard,  kTakeBack},
    {kDownload, kHeard,    kAlways,       kDownload, kLearn},
    {kDownload, kDone,     kAlways,       kVerify,   kNone},
    {kDownload, kFailed,   kAlways,       kDiscard,  kGiveUp},
    {kDownload, kRejected, kAlways,       kDiscard,  kBlame},

    {kVerify,   kHeard,    kBelowFloors,  kDiscard,  kTakeBack},
    {kVerify,   kHeard,    kAlways,       kVerify,   kLearn},
    {kVerify,   kDone,     kAlways,       kStage,    kEmptySlot},
    {kVerify,   kFailed,   kAlways,       kDiscard,  kGiveUp},
    {kVerify,   kRejected, kAlways,       kDiscard,  kBlame},

    {kStage,    kHeard,    kBelowFloors,  kDiscard,  kTakeBack},
    {kStage,    kHeard,    kAlways,       kStage,    kLearn},
    {kStage,    kDone,     kAlways,       kProbe,    kFillSlot},
    {kStage,    kFailed,   kAlways,       kDiscard,  kGiveUp},
    {kStage,    kRejected, kAlways,       kDiscard,  kBlame},

    {kProbe,    kStart,    kTriesLeft,    kProbe,    kCountTry},
    {kProbe,    kStart,    kAlways,       kDiscard,  kBlame},
    {kProbe,    kEnd,      kAlways,       kProbe,    kNoteEnd},
    {kProbe,    kHeard,    kBelowFloors,  kDiscard,  kTakeBack},
    {kProbe,    kHeard,    kAlways,       kProbe,    kLearn},
    {kProbe,    kDone,     kShadowWanted, kShadow,   kNone},
    {kProbe,    kDone,     kAlways,       kActivate, kSwitch},
    {kProbe,    kFailed,   kAlways,       kDiscard,  kGiveUp},
    {kProbe,    kRejected, kAlways,       kDiscard,  kBlame},

    {kShadow,   kStart,    kTriesLeft,    kShadow,   kCountTry},
    {kShadow,   kStart,    kAlways,       kDiscard,  kBlame},
    {kShadow,   kEnd,      kAlways,       kShadow,   kNoteEnd},
    {kShadow,   kHeard,    kBelowFloors,  kDiscard,  kTakeBack},
    {kShadow,   kHeard,    kAlways,       kShadow,   kLearn},
    {kShadow,   kDone,     kAlways,       kActivate, kSwitch},
    {kShadow,   kFailed,   kAlways,       kDiscard,  kGiveUp},
    {kShadow,   kRejected, kAlways,       kDiscard,  kBlame},

    {kActivate, kStart,    kTriesLeft,    kActivate, kCountTry},
    {kActivate, kStart,    kAlways,       kRollBack, kGoBackBlaming},
    {kActivate, kEnd,      kAlways,       kActivate, kNoteEnd},
    {kActivate, kDone,     kAlways,       kObserve,  kNone},
    {kActivate, kFailed,   kAlways,       kRollBack, kGoBack},
    {kActivate, kRejected, kAlways,       kRollBack, kGoBackBlaming},

    {kObserve,  kStart,    kTriesLeft,    kObserve,  kCountTry},
    {kObserve,  kStart,    kHasLived,     kRollBack, kGoBack},
    {kObserve,  kStart,    kAlways,       kRollBack, kGoBackBlaming},
    {kObserve,  kLives,    kAlways,       kObserve,  kNoteLife},
    {kObserve,  kEnd,      kAlways,       kObserve,  kNoteEnd},
    // A floor is learned by the check after the trial: what is below it too is no way back from it.
    {kObserve,  kHeard,    kTakenBack,    kRollBack, kGoBack},
    {kObserve,  kHeard,    kAlways,       kObserve,  kNone},
    {kObserve,  kDone,     kAlways,       kCommit,   kAccept},
    {kObserve,  kFailed,   kAlways,       kRollBack, kGoBack},
    {kObserve,  kRejected, kAlways,       kRollBack, kGoBackBlaming},

    // What these three do is tidying up: the decision is saved, and a failure changes nothing.
    {kCommit,   kDone,     kAlways,       kIdle,     kFinish},
    {kCommit,   kFailed,   kAlways,       kIdle,     kFinish},
    {kDiscard,  kDone,     kAlways,       kIdle,     kFinish},
    {kDiscard,  kFailed,   kAlways,       kIdle,     kFinish},
    {kRollBack, kDone,     kAlways,       kIdle,     kFinish},
    {kRollBack, kFailed,   kAlways,       kIdle,     kFinish},
    // clang-format on
};
}  // namespace table
using table::kTransitions;

// What is done in each phase, once its state is saved. Each may be done twice.
struct PhaseAction {
  Phase phase;
  std::string_view what;
};
inline constexpr PhaseAction kActions[kPhases] = {
    {Phase::kIdle, "waits until a check is due"},
    {Phase::kCheck, "asks the repository what this device should run"},
    {Phase::kDownload,
     "fetches the blobs that are not there, and parts of them that are not there"},
    {Phase::kVerify, "hashes every blob again as it is on the disk"},
    {Phase::kStage, "empties the slot and fills it"},
    {Phase::kProbe, "opens every model of the slot in a process of its own, runs the goldens"},
    {Phase::kShadow, "runs the new release beside the old one"},
    {Phase::kActivate, "starts the slot that is active now in place of the other"},
    {Phase::kObserve, "watches it"},
    {Phase::kCommit, "reports it, frees what nothing needs any more"},
    {Phase::kDiscard, "empties the slot, if the state says that it holds nothing"},
    {Phase::kRollBack, "starts the slot that is active again, empties the other"},
};

struct Step {
  AgentState state;
  bool changed = false;  // to be saved before anything else is done
  bool ignored = false;  // no row of the table fits
};

// `state` must be valid; so is what comes out. The same for the same arguments.
Step next(const AgentState& state, const Event& event, const Policy& policy);

// Why a release may not be installed, whoever offers it: the floor; a version that is not above
// what was committed, is not the one way back and was not lost. Errors: kDenied; kNotFound for a
// unit that this device does not have.
Status may_install(const AgentState& state, const std::string& unit, const ReleaseId& release);

// Whether the repository has to be asked again before the release is activated: it may have been
// withdrawn meanwhile, by a floor or by metadata that are not renewed.
bool is_stale(const Update& update, std::int64_t now_s, const Policy& policy);

struct Refusal {
  std::string unit;
  ReleaseId release;  // without a version where the repository has none
  std::string reason;
  // It is this device's own set-up that keeps it from the release: for its owner to mend, and for
  // nobody else to read.
  bool is_own = false;
  // It is tried again by itself: no refusal for whoever rolls out the release.
  bool is_put_off = false;
  std::string name() const { return release.version == trust::Version() ? unit : release.text(); }
  std::string text() const { return with_name(name(), reason); }
  // "refused: people 0.1: below the floor"
  std::string line() const {
    return std::string(is_own ? "not set up for: " : "refused: ") + text();
  }
};
// How long the release of such attempts is to be left alone yet, in seconds: agent/backoff.h.
using WaitLeft = std::function<std::int64_t(const Attempts&)>;
// Those of the offers that may be installed, are not what runs, and with these settings of the
// device are neither bad nor to be left alone for a while, in their order. The others are added to
// `refusals`; what runs already is no refusal.
std::vector<Offer> installable(const AgentState& state, std::span<const Offer> offers,
                               const WaitLeft& wait_left_s, std::vector<Refusal>& refusals);
// The first of them: one is installed at a time.
std::optional<Offer> choose_offer(const AgentState& state, std::span<const Offer> offers,
                                  const WaitLeft& wait_left_s, std::vector<Refusal>& refusals);

// Whether the repository has taken back what is being installed: of its unit it wants what ran
// before, what is lower, or nothing. What is higher waits for its turn, for where releases follow
// each other fast none would ever be installed else; what is refused for now may be had again; and
// what was committed and lost is installed again whether anybody wants it or not.
bool is_taken_back(const AgentState& state, std::span<const Offer> offers,
                   std::span<const Refusal> refusals);

// Whether an offer has to wait for the hours in which updates begin: not the way back, nor what
// brings back what was lost.
bool waits_for_window(const AgentState& state, const Offer& offer);

// What `unit` has committed and does not run, other than for an update: its slot was damaged.
std::optional<ReleaseId> lost(const AgentState& state, const std::string& unit);

// What `unit` would run if its active slot were lost: the release that it committed before, where
// the other slot holds it and the floor allows it.
std::optional<ReleaseId> way_back(const AgentState& state, const std::string& unit);

// The state of a device whose active slot of `unit` was found damaged or gone: the unit runs its
// way_back(), else nothing, until what was committed is installed again. Not in the middle of an
// update of it.
AgentState lose_active(AgentState state, const std::string& unit);

// What failed here is forgotten: everything may be tried again.
AgentState forgive(AgentState state);

// With the units of the configuration and no others, but for that of an update that is under way.
// The floors of those that go stay. Errors: kInvalid for a name that is none, or that is of
// the other kind; kExhausted above kMaxUnits.
Result<AgentState> with_units(AgentState state, std::span<const std::string> models,
                              const std::string& runtime);

}  // namespace polder::agent
