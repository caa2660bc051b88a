// Entries of an audit log: who did what to what, when.
//
// An entry is a line of JSON:
//   {"act":"release_signed","actor":"key:5f0e...","details":{"version":"1.2.0"},
//    "object":"people 1.2.0","sequence":7,"time":"2026-11-28T18:41:40Z"}
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trust/json.h"

namespace polder::trust {

inline constexpr std::size_t kMaxEntryBytes = 16 * 1024;
inline constexpr std::size_t kMaxEntryTextBytes = 1024;  // of the actor and of the object

// Every kind of act that is put on record. A new one: here, and a line in the table of
// audit_entry.cpp. Names are never changed or given away: logs hold them.
enum class Act {
  kLogCreated,
  kKeyCreated,
  kKeyPassphraseChanged,
  kRepositoryCreated,
  kRoleSigned,
  kRootRotated,
  kRoleRotated,
  kRoleDelegated,
  kReleaseCreated,
  kReleaseSigned,
  kReleasePublished,
  kFloorRaised,
  kReleaseAssigned,
  kArtifactSealed,
  kRecipientAdded,
  kUpdateInstalled,
  kUpdateCommitted,
  kUpdateRolledBack,
  kUpdateFailed,
  kMetadataRefused,
  kReleaseRefused,
  kIdentityCreated,
  kWorkerFailed,
  kRootTrusted,
  kReleaseLost,
  kStateRestored,
  kRetryAsked,
  kShadowPassedOver,
  kTokenCreated,
  kTokenRevoked,
  kDeviceEnrolled,
  kDeviceRenewed,
  kDeviceRevoked,
  kDuplicateFound,
  kDeviceTagged,
  kGroupSet,
  kGroupRemoved,
  kRolloutChanged,
  kPublicationAsked,
  kAliasAsked,
  kApproved,
  kRejected,
  kAliasSet,
  kHubRekeyed,
  kHubRestored,
  kNote,
};

struct ActInfo {
  Act act;
  std::string_view name;     // in entries
  std::string_view meaning;  // for people
};
std::span<const ActInfo> acts();
std::string_view act_name(Act act);
// Errors: kInvalid, with the nearest name.
Result<Act> act_from_name(std::string_view name);

// What is put on record. Times are seconds since 1970 in UTC, as the machine's clock had them: a
// log proves the order of its entries, not their times.
struct Record {
  std::int64_t time_s = 0;
  std::string actor;  // a person, a key, a program
  Act act = Act::kNote;
  std::string object;  // what it was done to
  Json::Members details = {};
};

// A record in its place. The act is text: a log may hold acts that this build does not know.
struct Entry {
  std::uint64_t sequence = 0;
  std::string time, actor, act, object;
  Json::Members details;

  // Without its newline. Errors: kExhausted above kMaxEntryBytes; kUnsupported for a fraction in
  // the details.
  Result<std::string> line() const;
  // Errors: kCorrupt for what line() would not have written, to the byte.
  static Result<Entry> parse(std::string_view line, std::string_view where);
};

// Errors: kInvalid for an empty or overlong actor or object.
Result<Entry> entry_of(const Record& record, std::uint64_t sequence);

}  // namespace polder::trust
