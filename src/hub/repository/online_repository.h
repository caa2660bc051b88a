// The hub's TUF repository (trust/tuf_repository.h): the folder from which devices fetch, and the
// hub's own key, which signs snapshot, timestamp and assignments and nothing else. What root and
// targets sign comes from people who keep those keys elsewhere.
//
//   TRY_VALUE(const auto repository, OnlineRepository::open(folder, std::move(key), now_s));
//   TRY_VALUE(const Proposal proposal, repository->propose("5f0e", roles, find_upload, now_s));
//   TRY(repository->publish("5f0e", now_s));
//
//   FOLDER/repository/   metadata/, targets/ and blobs/ are served
//   FOLDER/waiting/ID/   what somebody has proposed and nobody has approved yet
#pragma once

#include <polder/error.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "hub/repository/uploads.h"
#include "trust/assignment.h"
#include "trust/key.h"
#include "trust/tuf_expiry.h"
#include "trust/tuf_repository.h"

namespace polder::hub {

// A release that a proposal brings.
struct ProposedRelease {
  std::string target;  // "people/1.2.0/manifest.json"
  std::string digest;  // SHA-256 of the manifest
  std::string manifest;
  std::string role;  // that lists it
};

// What would be published, held to all that devices hold it to.
struct Proposal {
  trust::tuf::Changes changes;
  std::vector<trust::tuf::Staged> roles;
  std::vector<ProposedRelease> releases;
  // That people make and sign, by target, where the hub does not.
  std::map<std::string, trust::Assignment> assignments;
};

// What a repository looks like from outside.
struct RepositoryState {
  std::vector<trust::tuf::RoleState> roles;  // empty before the first publication
  std::vector<trust::tuf::Expiring> warnings;
};

// Thread-safe.
class OnlineRepository {
 public:
  // Makes what is not there. Errors: those of Repository.
  static Result<std::unique_ptr<OnlineRepository>> open(const std::string& folder,
                                                        std::unique_ptr<trust::Signer> key);

  std::string folder() const { return folder_ + "/repository"; }
  const trust::PublicKey& key() const { return key_->public_key(); }
  // Of the timestamp; 0 before the first publication.
  std::int64_t version() const { return version_; }
  Result<RepositoryState> state(std::int64_t now_s) const;

  // --- What people have signed ---

  // Puts roles ("targets") with their files where they wait, and holds them to all that devices
  // hold them to. On an error nothing of it is left. Errors: kDenied below a threshold, for what
  // devices would not take, for a release or a floor that is there and another, for a private key,
  // and where the hub's key would sign more than it should, or not what it must; kNotFound for
  // files that have not come; kCorrupt; kInvalid.
  Result<Proposal> propose(const std::string& id, const std::map<std::string, std::string>& roles,
                           const Uploads& uploads, std::int64_t now_s);
  // Whether it can still be published: others may have been, meanwhile. Errors: as of propose().
  Result<Proposal> check(const std::string& id, std::int64_t now_s);
  // What was published since and it does not go on from, as "targets version 2": it can never be
  // published any more. Empty: nothing was. Errors: those of Repository.
  Result<std::string> superseded(const std::string& id) const;
  // Makes it public; what was cut off in the middle is made good. Errors: as of propose().
  Status publish(const std::string& id, std::int64_t now_s);
  Status drop(const std::string& id);
  // Of all that waits.
  Result<std::vector<std::string>> waiting() const;

  // --- What the hub signs itself ---

  // Whether anything is published, and people trust the hub's key with assignments.
  bool may_assign() const { return may_assign_; }
  // Publishes them, all at once; those that are as they were are none. Errors: those of Repository.
  Status assign(const std::vector<trust::Assignment>& assignments, std::int64_t now_s);
  // Publishes timestamp, snapshot and assignments anew where half of their time has gone. Errors:
  // kDenied for a clock that is behind.
  Status renew(std::int64_t now_s);
  // Publishes what the hub signs itself anew, with versions above that one: devices have seen it.
  // Errors: as of renew().
  Status raise(std::int64_t version, std::int64_t now_s);
  // Of a hub that goes on from a backup: people may push again what they published after it, though
  // versions of roles in between are lost: so many at most. Whoever approves is shown all of it.
  void allow_gaps(std::int64_t lost_versions) { lost_versions_ = lost_versions; }
  // Removes what no device needs any more of what was published more than an hour ago. How many
  // files. Errors: those of Repository.
  Result<std::size_t> prune(std::int64_t now_s);
  // The clock is right, though the last publication was made by one that was ahead: it is published
  // anew by this one.
  void trust_clock() { trusts_clock_ = true; }
  // When that is next; 0: nothing is published.
  std::int64_t renewal_s() const { return renewal_s_; }
  // The manifests of all that is published, by target, of which `wanted` says so.
  Status read_manifests(
      const std::function<bool(const std::string& target)>& wanted,
      const std::function<Status(const std::string& target, const std::string& bytes)>& visit);

 private:
  using Repository = trust::tuf::Repository;
  OnlineRepository(std::string folder, std::unique_ptr<trust::Signer> key)
      : folder_(std::move(folder)), key_(std::move(key)) {}
  std::string waiting_place(const std::string& id) const { return folder_ + "/waiting/" + id; }
  Status look();
  Result<Proposal> hold(Repository& repository, std::int64_t now_s);
  Status take_files(const Repository& repository, const Uploads& uploads) const;
  Status sign_own(Repository& repository, std::int64_t now_s);
  Status sign_staged(Repository& repository);
  Status check_key(const Repository& repository) const;
  bool is_clock_behind(std::int64_t now_s) const;
  Status check_clock(std::int64_t now_s) const;
  Result<Repository> open_own() const;
  Status publish_own(Repository& repository, std::int64_t now_s);
  bool has_old_assignments(std::int64_t now_s) const;

  const std::string folder_;
  const std::unique_ptr<trust::Signer> key_;
  std::mutex signing_;          // of the key
  std::mutex mutex_;            // of who changes the repository
  mutable std::mutex looking_;  // of what follows
  std::vector<trust::tuf::RoleState> roles_;
  trust::tuf::Profile profile_;
  std::atomic<std::int64_t> version_ = 0, renewal_s_ = 0, lost_versions_ = 0;
  std::atomic<bool> may_assign_ = false, trusts_clock_ = false;
};

}  // namespace polder::hub
