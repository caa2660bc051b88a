// A rollout as the database has it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/record.h"
#include "hub/rollout.h"
#include "hub/rollouts/order.h"
#include "hub/store/database.h"

namespace polder::hub {

struct Rollout {
  std::string id;
  RolloutOrder order;
  RolloutState state;
  std::int64_t created_s = 0;
  std::string created_by;
  std::optional<std::int64_t> ended_s;
  // Of its assignments: higher than that of any rollout of the model before.
  std::int64_t retry = 0;
  bool has_old = false;     // whether any of its devices had a release before
  std::string old_version;  // that most of them go back to; empty: most had none
  std::int64_t members = 0;
  std::int64_t looks = 0;                  // in which something was counted
  std::string gate;                        // the verdict that stood last, in JSON
  std::string trouble;                     // why it could not be carried on; empty: it could
  std::optional<std::int64_t> due_s = {};  // when it is looked at next, of one that is active

  bool is_active() const {
    return state.phase == RolloutPhase::kRunning || state.phase == RolloutPhase::kPaused;
  }
  // A stage of more devices than there are is one of all of them; margins that nobody has given are
  // those that so many devices can prove. The last stage only looks for what gets worse.
  RolloutPlan plan() const;
  Stage stage() const { return plan().stages[state.stage]; }
  // The share of devices that the stages before this one hold, from 0 to 1, by their places.
  double share_before() const;
  // Which of its releases that version is: 1, or 2 of A/B; 0 for any other.
  int arm_of(std::string_view version) const;
  // Whether anything is compared.
  bool has_statistics() const { return has_old && !order.measures.empty(); }
  // Whether a stage of a number takes only devices that have counted something by the old release.
  bool waits_for_counts() const { return has_statistics() && order.history_looks > 0; }
  // Why no device may be told to change now; nothing: it may.
  std::optional<Reason> waits_for(std::int64_t now_s) const;
  bool is_a_b() const { return !order.other_version.empty(); }
};

// Why nothing is compared of one that has_statistics() not.
Reason without_statistics(const Rollout& rollout);

// As parts of a Work. Errors: those of ask(); kNotFound; kCorrupt.
Result<Rollout> load_rollout(Database& database, std::string_view id);
Result<Rollout> load_legible(Database& database, std::string_view id);
// What changes of it: state, gate, members; when it is due to be looked at next.
Status save_rollout(Database& database, const Rollout& rollout, std::int64_t now_s);

// A row of its history, and of the audit log: "stage 2 (1 device)", by whom.
Status note(Database& database, const Rollout& rollout, const Reason& what, std::string_view actor,
            std::int64_t now_s);

// Of a query "SELECT kRolloutColumns FROM rollout".
inline constexpr std::string_view kRolloutColumns =
    "id, plan, phase, stage, stage_since_s, reason, created_s, created_by, ended_s, retry, "
    "has_old, "
    "members, looks, gate, old_version, trouble, model, version, other_version, due_s";
Result<Rollout> rollout_of(const Row& row);
// For who lists, and for an abort: of a plan that cannot be read what its row says, without stages;
// why is its trouble.
Rollout legible(const Row& row);

}  // namespace polder::hub
