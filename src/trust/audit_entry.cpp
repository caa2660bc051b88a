#include "trust/audit_entry.h"

#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "base/toml.h"
#include "trust/tuf_metadata.h"

namespace polder::trust {

namespace {

constexpr ActInfo kActs[] = {
    {Act::kLogCreated, "log_created", "the log begins; the object is its name"},
    {Act::kKeyCreated, "key_created", "a key was made"},
    {Act::kKeyPassphraseChanged, "key_passphrase_changed", "a key's file was encrypted anew"},
    {Act::kRepositoryCreated, "repository_created", "a repository was made"},
    {Act::kRoleSigned, "role_signed", "a key signed a role's metadata"},
    {Act::kRootRotated, "root_rotated", "who signs for root was changed"},
    {Act::kRoleRotated, "role_rotated", "who signs for a role was changed"},
    {Act::kRoleDelegated, "role_delegated", "a role was trusted with targets"},
    {Act::kReleaseCreated, "release_created", "a release was put together"},
    {Act::kReleaseSigned, "release_signed", "a key signed a release"},
    {Act::kReleasePublished, "release_published", "a release can be fetched"},
    {Act::kFloorRaised, "floor_raised", "older releases may not be installed any more"},
    {Act::kReleaseAssigned, "release_assigned", "a release was chosen for devices"},
    {Act::kArtifactSealed, "artifact_sealed", "an artifact was encrypted for devices"},
    {Act::kRecipientAdded, "recipient_added", "a further device may open a sealed artifact"},
    {Act::kUpdateInstalled, "update_installed", "a release was installed and activated"},
    {Act::kUpdateCommitted, "update_committed", "an installed release was found good"},
    {Act::kUpdateRolledBack, "update_rolled_back", "the release before runs again"},
    {Act::kUpdateFailed, "update_failed", "a release was not installed"},
    {Act::kMetadataRefused, "metadata_refused", "metadata failed verification"},
    {Act::kReleaseRefused, "release_refused", "a policy of the device forbids a release"},
    {Act::kIdentityCreated, "identity_created", "a device made its identity"},
    {Act::kWorkerFailed, "worker_failed", "the worker process ended or hung"},
    {Act::kRootTrusted, "root_trusted", "a device took a new root of its repository"},
    {Act::kReleaseLost, "release_lost", "what ran was damaged, and given up"},
    {Act::kStateRestored, "state_restored", "a damaged state was replaced by the one before"},
    {Act::kRetryAsked, "retry_asked", "somebody lets what failed be tried again"},
    {Act::kShadowPassedOver, "shadow_passed_over", "a release could not be run beside the old one"},
    {Act::kTokenCreated, "token_created", "a token of a person, or for one device, was made"},
    {Act::kTokenRevoked, "token_revoked",
     "a token of a person, or for one device, holds no longer"},
    {Act::kDeviceEnrolled, "device_enrolled", "a device got its first certificate"},
    {Act::kDeviceRenewed, "device_renewed", "a device got its next certificate"},
    {Act::kDeviceRevoked, "device_revoked", "a device's certificates hold no longer"},
    {Act::kDuplicateFound, "duplicate_found", "two devices have one identity"},
    {Act::kDeviceTagged, "device_tagged", "a device got other tags"},
    {Act::kGroupSet, "group_set", "a query of devices got a name"},
    {Act::kGroupRemoved, "group_removed", "a name of a query of devices was removed"},
    {Act::kRolloutChanged, "rollout_changed", "a rollout began, went on, or ended"},
    {Act::kPublicationAsked, "publication_asked", "somebody asks for a publication"},
    {Act::kAliasAsked, "alias_asked", "somebody asks for an alias of a release"},
    {Act::kApproved, "approved", "a second person agreed to what was asked for"},
    {Act::kRejected, "rejected", "what was asked for was refused, taken back or superseded"},
    {Act::kAliasSet, "alias_set", "a release got an alias"},
    {Act::kHubRekeyed, "hub_rekeyed", "a hub put its keys and all tokens aside for others"},
    {Act::kHubRestored, "hub_restored", "a hub goes on from a backup; what came after it is lost"},
    {Act::kNote, "note", "what a person put on record"},
};

constexpr bool in_order() {
  for (int i = 0; i < int(std::size(kActs)); ++i) {
    if (int(kActs[i].act) != i) return false;
  }
  return std::size(kActs) == std::size_t(Act::kNote) + 1;
}
static_assert(in_order(), "the table follows the enumeration, whose last is kNote");

Status check_text(std::string_view what, std::string_view text) {
  if (!text.empty() && text.size() <= kMaxEntryTextBytes) return {};
  return fail(Code::kInvalid, "the {} of an audit entry: 1 to {} bytes expected, {} given", what,
              kMaxEntryTextBytes, text.size());
}

}  // namespace

std::span<const ActInfo> acts() { return kActs; }

std::string_view act_name(Act act) { return kActs[int(act)].name; }

Result<Act> act_from_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const ActInfo& info : kActs) {
    if (info.name == name) return info.act;
    names.push_back(info.name);
  }
  const std::string_view near = nearest_name(name, names);
  return fail(Code::kInvalid, "no act is called '{}'{}; there are {}", clipped(name),
              near.empty() ? std::string() : fmt::format("; is '{}' meant?", near),
              fmt::join(names, ", "));
}

Result<Entry> entry_of(const Record& record, std::uint64_t sequence) {
  TRY(check_text("actor", record.actor));
  TRY(check_text("object", record.object));
  return Entry{sequence,      tuf::time_text(record.time_s),
               record.actor,  std::string(act_name(record.act)),
               record.object, record.details};
}

Result<std::string> Entry::line() const {
  const Json json = Json::Members{{"act", act},
                                  {"actor", actor},
                                  {"details", details},
                                  {"object", object},
                                  {"sequence", std::int64_t(sequence)},
                                  {"time", time}};
  if (auto canonical = json.canonical(); !canonical) {
    return std::move(canonical).error().at("the details of an audit entry");
  }
  // Unlike the canonical text, this has no newline in it.
  std::string text = json.compact();
  if (text.size() > kMaxEntryBytes) {
    return fail(Code::kExhausted,
                "an audit entry of {} bytes; {} at most: put a digest of the "
                "details on record instead",
                text.size(), kMaxEntryBytes);
  }
  return text;
}

Result<Entry> Entry::parse(std::string_view line, std::string_view where) {
  if (line.size() > kMaxEntryBytes) {
    return fail(Code::kCorrupt, "{}: a line of {} bytes; {} at most", where, line.size(),
                kMaxEntryBytes);
  }
  TRY_VALUE(const Json json, Json::parse(line, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  TRY(object.only({"act", "actor", "details", "object", "sequence", "time"}));
  Entry entry;
  TRY_VALUE(const std::int64_t sequence, object.integer("sequence", 0, INT64_MAX));
  entry.sequence = std::uint64_t(sequence);
  TRY_VALUE(entry.time, object.text("time", 32));
  TRY_VALUE(entry.actor, object.text("actor", kMaxEntryTextBytes));
  TRY_VALUE(entry.act, object.text("act", 64));
  TRY_VALUE(entry.object, object.text("object", kMaxEntryTextBytes));
  TRY_VALUE(const Object details, object.object("details"));
  entry.details = details.members();
  TRY(tuf::parse_time(entry.time, object.place("time")));
  const auto again = entry.line();
  if (!again || *again != line) {
    return fail(Code::kCorrupt, "{}: not written as entries are (spaces, order or escapes differ)",
                where);
  }
  return entry;
}

}  // namespace polder::trust
