// The devices of rollouts: who takes part, what each has, and what each is to run.
//
// Who joins is found when a device tells of a model for the first time or gets other tags, never by
// a look through the fleet; likewise when it comes to run other artifacts than before.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/rollouts/able.h"
#include "hub/rollouts/row.h"

namespace polder::hub {

// Counts of so many are compared, and of whoever a stage of a number has chosen: a gate so costs
// the same however large the fleet is. Half of them are of the last stage, who are told when
// nothing is left to compare; the others are the first of each stage of a share before it.
inline constexpr std::int64_t kCompared = 400;
// Of a device: what it says of more is passed over.
inline constexpr std::int64_t kMaxModels = 256;
// A device that has said something within this time is there.
inline constexpr std::int64_t kThereS = 900;

// What a device has said of a model.
struct ModelNews {
  std::optional<std::string> running;  // a version; "": nothing
  std::optional<std::string> committed;
  std::optional<bool> is_well;
  bool is_trial = false;  // it runs since now, and goes back by itself where it is not well
  bool is_alarm = false;  // what went wrong, which may be over: not what it runs from now on
  bool operator==(const ModelNews&) const = default;
};
// All of these are parts of a Work. Errors: those of ask().
Status note_model(Database& database, std::string_view device, std::string_view model,
                  const ModelNews& news, std::int64_t now_s);

// The versions that are published, for the name of a model.
inline constexpr std::string_view kPublished =
    "SELECT version FROM model_release WHERE model = ? AND state = 'published'";
// Of all models.
inline constexpr std::string_view kPublishedModels =
    "SELECT DISTINCT model FROM model_release WHERE state = 'published'";
// Whether its releases are among those that are published of its model. Errors: kNotFound, naming
// the nearest that there is.
Status check_published(const RolloutOrder& order, const Rows& published, const Rows& models);
// Those of its releases that no device can fetch: until they are published nobody is told.
Result<std::vector<std::string>> not_published(Database& database, const Rollout& rollout);
// That it is for anybody, beside the devices that an earlier one has brought it to. Errors:
// kIncompatible.
Status check_any(const RolloutOrder& order, std::int64_t members, std::int64_t brought);
// What asks which devices of a model (its name, then the values of the condition on "m.device") are
// part of a rollout; and whether one that could take part in another is. Errors: kIncompatible,
// naming both.
std::string others_of(std::string_view condition);
// The first whose device can run the release; null: there is none.
const Row* taken_of(const Rows& others, Needs& needs);
Status check_free(const Rows& others, Needs& needs);
// Before it begins: of how many devices it is and what they go back to, of devices by their
// releases of before, and versions of the model that are published. Errors: kIncompatible for a
// release that no device could go back to; kInvalid as check_shadows().
Status take_stock(Rollout& rollout, const std::map<std::string, std::int64_t>& devices,
                  const Rows& published);
// All devices of its query that can run what it brings (able.h), with what it takes stock of, but
// for those that an earlier rollout has brought it to. Errors: kIncompatible, naming the rollout
// that has one of them; those of check_any() and take_stock().
Status enlist(Database& database, Rollout& rollout, std::int64_t now_s);
// The device has other tags than before.
Status enlist_anew(Database& database, std::string_view device, std::int64_t now_s);

// Of a stage that names a number: the device is to run its old release, another takes its place.
Status leave_stage(Database& database, Rollout& rollout, const std::string& device,
                   const Sentence& why, std::int64_t now_s);
// Takes out who is gone and has not heard of the new release.
Status replace(Database& database, Rollout& rollout, std::int64_t now_s);
// Adds those who are there to a stage that names a number.
Status choose(Database& database, Rollout& rollout, std::int64_t now_s);
// Tells devices what its state says of them; of those who are not told anything new, nothing is
// written. `may_grow`: whether any may be told to take the new release.
Status assign(Database& database, const Rollout& rollout, bool may_grow, std::int64_t now_s);
// It is over: its devices are free for others.
Status discharge(Database& database, const Rollout& rollout);

}  // namespace polder::hub
