// The verifier of one update (TUF specification 1.0.34, section 5): bytes and the time in, trusted
// metadata or an error out. It reads and writes nothing; tuf_updater.h brings it what it needs.
//
//   TRY_VALUE(TrustedSet set, TrustedSet::start(stored_root, now_s));
//   while (there is a next one) TRY(set.update_root(bytes));
//   TRY(set.end_roots());
//   (void)set.load_timestamp(stored);  // what was trusted before, if it still is
//   TRY(set.update_timestamp(bytes));
//   (void)set.load_snapshot(stored);
//   if (!set.has_snapshot()) TRY(set.update_snapshot(bytes));
//   TRY(set.update_targets("targets", "root", bytes));
//   TRY_VALUE(const Lookup lookup, set.find("people.plan"));
//
// Errors: kCorrupt for what breaks its format, or is not what another file says of it (length,
// hash, version); kDenied for missing signatures and for rollback; kTimeout for expired metadata;
// kExhausted above a cap. After an error the set is as it was, and the update may not go on but
// with other bytes of the same role. Not thread-safe.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "trust/digest.h"
#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

// What a search for a target came to.
struct Lookup {
  // The target, and the role that lists it. nullptr: see the next two.
  const TargetFile* file = nullptr;
  std::string role;
  // The role that the search needs next, and who delegates to it: update_targets() with them, then
  // search again. Both empty and no file: no role that is trusted for the target lists it.
  std::string missing_role, delegator;

  bool needs_more() const { return !missing_role.empty(); }
};

class TrustedSet {
 public:
  // 5.1, 5.2. `now_s` is the fixed time of the update, in seconds since 1970. The root is trusted
  // because the caller trusts it; that it is signed by itself is checked. It may have expired.
  static Result<TrustedSet> start(std::string_view root_bytes, std::int64_t now_s);

  // 5.3.4 to 5.3.7: the next version, which may have expired.
  Status update_root(std::string_view bytes);
  // 5.3.10: no root comes after this one.
  Status end_roots();
  // 5.3.11: whether a key of the timestamp or snapshot role that was trusted at the start is no
  // longer. What is stored of both must be deleted then; it is no longer loaded.
  bool keys_were_rotated() const { return rotated_; }

  // What an earlier update has trusted, held against the root of today. It may have expired.
  Status load_timestamp(std::string_view bytes);
  // 5.4.2 to 5.4.4. false: the version is the one that was loaded, which stays and is still good.
  Result<bool> update_timestamp(std::string_view bytes);

  // As load_timestamp(). When it is what the timestamp asks for it becomes the snapshot.
  Status load_snapshot(std::string_view bytes);
  // 5.5.2 to 5.5.6.
  Status update_snapshot(std::string_view bytes);
  bool has_snapshot() const { return snapshot_is_current_; }

  // 5.6.2 to 5.6.5, for "targets" (delegator "root") and delegated roles: from the network or what
  // was stored alike. The delegator must be there. A role that another has delegated to as well is
  // verified again, by the keys that this delegator names; its bytes must be the same.
  Status update_targets(std::string_view role, std::string_view delegator, std::string_view bytes);

  // 5.6.7. Errors: kExhausted when kMaxVisitedRoles have not come to an end.
  Result<Lookup> find(std::string_view target_path) const;

  const Root& root() const { return root_; }
  // nullptr before they are there. Snapshot: not before has_snapshot().
  const Timestamp* timestamp() const { return timestamp_ ? &*timestamp_ : nullptr; }
  const Snapshot* snapshot() const { return snapshot_is_current_ ? &*snapshot_ : nullptr; }
  // nullptr when the role was not needed yet.
  const Targets* targets(std::string_view role = "targets") const;
  // What the snapshot says of a role's file. Errors: kCorrupt when it says nothing.
  Result<MetaFile> meta_of(std::string_view role) const;
  std::int64_t now_s() const { return now_s_; }

 private:
  struct Delegate {
    Targets body;
    Sha256 digest;                                  // of its file
    std::set<std::string, std::less<>> delegators;  // that it was verified for
  };
  enum class Stage { kRoots, kTimestamp, kSnapshot, kTargets };

  TrustedSet(Root root, std::int64_t now_s);
  Status expect(Stage stage, std::string_view what) const;
  Status check_fresh(const Common& body, std::string_view name) const;
  template <class Body>
  Result<Metadata<Body>> verified(std::string_view bytes) const;
  Status check_snapshot_rollback(const Snapshot& next) const;
  Status verify_delegate(const Envelope& envelope, std::string_view role,
                         std::string_view delegator) const;

  std::int64_t now_s_;
  Stage stage_ = Stage::kRoots;
  Root root_;
  std::set<std::string> first_keys_;  // of timestamp and snapshot, at the start
  bool rotated_ = false;
  std::optional<Timestamp> timestamp_;
  std::optional<Snapshot> snapshot_;  // that of an earlier update, until it is current
  bool snapshot_is_current_ = false;
  std::map<std::string, Delegate, std::less<>> targets_;
  std::size_t loaded_bytes_ = 0;  // of targets_
};

}  // namespace polder::trust::tuf
