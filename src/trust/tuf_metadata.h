// What TUF metadata hold (specification 1.0.34, section 4): read from bytes, made, signed, written.
//
//   TRY_VALUE(const Metadata<Root> root, parse_metadata<Root>(bytes, "root.json"));
//   TRY(root.envelope.check(root.body.keys, root.body.roles.at("root"), "root.json"));
//
//   Targets targets;
//   targets.expires_s = now_s + 90 * kDayS;
//   targets.targets["people.plan"] = TargetFile{.length = 1024, .hashes = {{"sha256", digest}}};
//   TRY_VALUE(const std::string bytes, sign_metadata(to_json(targets), {&signer}));
//
// Members that this file does not know are kept in `other` and written again; signatures are
// checked over all that was read. Times are seconds since 1970 (UTC). Caps: tuf_limits.h.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trust/json.h"
#include "trust/key.h"
#include "trust/tuf_limits.h"

namespace polder::trust::tuf {

constexpr std::string_view kSpecVersion = "1.0.34";
constexpr std::int64_t kDayS = 24 * 60 * 60;
inline constexpr std::string_view kTopLevel[] = {"root", "timestamp", "snapshot", "targets"};

// "2030-01-01T00:00:00Z" (section 4.2.3). Errors: kCorrupt for every other form.
Result<std::int64_t> parse_time(std::string_view text, std::string_view where);
// From year 0 to 9999; times beyond are written as the nearest of them.
std::string time_text(std::int64_t time_s);

// A key as the metadata give it. `key` is absent when the scheme is one that this build does not
// know, or the value is none of its scheme: such a key verifies nothing, and harms nothing.
struct Key {
  Json json;
  std::optional<PublicKey> key;
};
using Keys = std::map<std::string, Key, std::less<>>;  // by key id
Key to_key(const PublicKey& key);

// Who signs for a role: `threshold` different keys of these. There may be too few.
struct RoleKeys {
  std::vector<std::string> key_ids;  // none twice
  std::int64_t threshold = 1;
  Json::Members other;
};

using Hashes = std::map<std::string, std::string, std::less<>>;  // "sha256" -> lower-case digits

// Holds bytes against a length and hashes. Every hash of a known kind (sha256, sha512) must fit,
// and when there are hashes, one must be of a known kind. Errors: kCorrupt, naming `where`.
Status check_bytes(std::string_view bytes, std::optional<std::int64_t> length, const Hashes& hashes,
                   std::string_view where);

// What timestamp and snapshot metadata say of another file.
struct MetaFile {
  std::int64_t version = 1;
  std::optional<std::int64_t> length;
  Hashes hashes;  // may be empty
  Json::Members other;
};

struct TargetFile {
  std::int64_t length = 0;
  Hashes hashes;  // at least one
  std::optional<Json> custom;
  Json::Members other;
};

struct Common {
  std::string spec_version{kSpecVersion};  // 1.*
  std::int64_t version = 1;
  std::int64_t expires_s = 0;
  Json::Members other;
};

// How many days a timestamp or snapshot is made to hold, as it says itself, so that who reads it
// knows how early its end is worth a word; nothing is trusted for it. 0: it does not say.
inline constexpr char kLifeMember[] = "x-polder-life-days";
std::int64_t life_days(const Json::Members& signed_part);

struct Root : Common {
  static constexpr std::string_view kType = "root";
  static constexpr std::size_t kMaxBytes = kMaxRootBytes;
  std::optional<bool> consistent_snapshot;
  Keys keys;
  // "root", "timestamp", "snapshot" and "targets" are there; others are kept and mean nothing.
  std::map<std::string, RoleKeys, std::less<>> roles;
};

struct Timestamp : Common {
  static constexpr std::string_view kType = "timestamp";
  static constexpr std::size_t kMaxBytes = kMaxTimestampBytes;
  MetaFile snapshot;
};

struct Snapshot : Common {
  static constexpr std::string_view kType = "snapshot";
  static constexpr std::size_t kMaxBytes = kMaxSnapshotBytes;
  std::map<std::string, MetaFile, std::less<>> meta;  // by file: "targets.json"
};

// A role that another trusts for some targets: by patterns of their paths or by prefixes of the
// SHA-256 of their paths, in lower-case digits. With neither it is trusted for none.
struct DelegatedRole : RoleKeys {
  std::string name;
  bool terminating = false;
  std::optional<std::vector<std::string>> paths;
  std::optional<std::vector<std::string>> path_hash_prefixes;

  // Whether the role is trusted for that target. In a pattern '*' and '?' do not match '/'.
  bool covers(std::string_view target_path) const;
};

// 2^bit_length bins with the same keys (TAP 15): a target is in the bin of the first bits of the
// SHA-256 of its path.
struct SuccinctRoles : RoleKeys {
  int bit_length = 1;  // 1 to kMaxSuccinctBits
  std::string name_prefix;

  std::string bin_of(std::string_view target_path) const;
  // "PREFIX-0a": as many digits as the last bin's number needs.
  std::string bin_name(unsigned number) const;
  // Whether it is the name of one of the bins.
  bool has_bin(std::string_view name) const;
};

struct Delegations {
  Keys keys;
  std::vector<DelegatedRole> roles;       // in the order of their priority
  std::optional<SuccinctRoles> succinct;  // then there are no roles
  Json::Members other;
};

struct Targets : Common {
  static constexpr std::string_view kType = "targets";
  static constexpr std::size_t kMaxBytes = kMaxTargetsBytes;
  std::map<std::string, TargetFile, std::less<>> targets;  // by path
  std::optional<Delegations> delegations;
};

// The "signed" part.
Json to_json(const Root& root);
Json to_json(const Timestamp& timestamp);
Json to_json(const Snapshot& snapshot);
Json to_json(const Targets& targets);

struct Signature {
  std::string key_id;
  std::string digits;  // hexadecimal; whatever text stood there
  Json::Members other;
};

// A file: what is signed, and the signatures.
struct Envelope {
  Json signed_part;
  std::vector<Signature> signatures;  // none twice by one key id
  Json::Members other;

  // "root", "timestamp", "snapshot", "targets" or what else stands in "_type"; empty: nothing.
  std::string_view type() const;
  // The ids of the role's keys that have signed. A key counts once, under however many ids.
  Result<std::vector<std::string>> signers(const Keys& keys, const RoleKeys& role) const;
  // How many they are.
  Result<int> count(const Keys& keys, const RoleKeys& role) const;
  // Errors: kDenied below the role's threshold, naming `where` and both numbers.
  Status check(const Keys& keys, const RoleKeys& role, std::string_view where) const;
  // Signs what is signed already, under the key's own id or another; replaces what stood there.
  // Errors: those of the signer.
  Status add_signature(Signer& signer, std::string_view key_id = {});
  // The file's bytes.
  std::string bytes() const;
};

// Errors: kCorrupt for what is no envelope and for a key id twice, kExhausted above `max_bytes`.
Result<Envelope> parse_envelope(std::string_view bytes, std::size_t max_bytes,
                                std::string_view where);

template <class Body>
struct Metadata {
  Envelope envelope;
  Body body;
};

// Body: Root, Timestamp, Snapshot or Targets. Nothing is verified but the form. Errors: kCorrupt,
// saying where what was expected; kUnsupported for another major version of the specification;
// kExhausted above a cap.
template <class Body>
Result<Metadata<Body>> parse_metadata(std::string_view bytes, std::string_view where);

// A file with the signatures of these keys. Errors: those of the signers, kInvalid for fractions.
Result<std::string> sign_metadata(Json signed_part, std::span<Signer* const> signers);

}  // namespace polder::trust::tuf
