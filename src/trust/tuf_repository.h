// The releaser's side of TUF (specification 1.0.34): a folder that holds a repository, in which
// changes are staged, signed key by key and published as static files for any web server.
//
//   TRY_VALUE(Repository repository, Repository::create("repo", keys, profile("static"), now_s));
//   TRY(repository.add_file("people/1.0.0/manifest.json", "manifest.json", now_s));
//   TRY(repository.sign(root_1));       // each holder of a key in turn, offline
//   TRY(repository.sign(root_2));
//   TRY(repository.sign(targets_key));
//   TRY(repository.publish(online_keys, now_s));
//
// The folder:
//   repository.toml       the profile: how long each role's metadata hold
//   staged/ROLE.json      what was changed and is not published; carried to whoever signs it
//   staged/targets/, staged/blobs/   files that came with it, until they are published
//   metadata/             N.ROLE.json and timestamp.json: what clients fetch
//   targets/              files under the names of consistent snapshots, DIGEST.NAME
//   blobs/                content-addressed files that targets name
// Signing needs repository.toml, staged/ and metadata/ alone. Of these folders clients are served
// metadata/, targets/ and blobs/: what is added can be fetched by nobody before it is published.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/file_lock.h"
#include "trust/digest.h"
#include "trust/floors.h"
#include "trust/manifest.h"
#include "trust/tuf_changes.h"
#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

// From this number of targets on a role's targets are in hash bins.
constexpr std::size_t kTargetsBeforeBins = 1000;

// How long metadata hold from when they are made, in days.
struct Profile {
  std::string name;
  std::int64_t root_days = 365, targets_days = 180, snapshot_days = 7, timestamp_days = 1;
};
// "hub": snapshot and timestamp are made anew all the time by a server that holds their keys.
// "static": the releaser holds those two as well; they hold as long as releases may be apart.
// Errors: kInvalid for another name.
Result<Profile> profile(std::string_view name);

// Of a target "MODEL/VERSION/manifest.json": a release.
bool is_manifest(std::string_view path);

// Who signs for a role.
struct Trust {
  std::vector<PublicKey> keys;
  int threshold = 1;
};
struct TopLevelTrust {
  Trust root, targets, snapshot, timestamp;
};

// One staged file, and what it lacks.
struct Staged {
  std::string role;
  std::int64_t version = 0;
  int signatures = 0, threshold = 1;  // of root: of the one published before, or its own if none
  // The ids of the keys that have signed, and of those that still may where one is missing.
  std::vector<std::string> signed_keys, open_keys;
  bool complete = false;
  Sha256 digest{};  // of the file as it is
};

// A file that comes with what is staged.
struct StagedFile {
  std::string name;    // "targets/people/1.0.0/DIGEST.manifest.json", "blobs/sha256/ab/DIGEST"
  std::string place;   // where it waits, or is to
  std::string digest;  // SHA-256
  std::int64_t bytes = 0;
  bool is_here = false;
};

// What one role has, for showing.
struct RoleState {
  std::string role;
  std::int64_t version = 0, expires_s = 0;
  int threshold = 1, keys = 0;
  std::size_t targets = 0;
  std::size_t bytes = 0;
};

// A role that a key may sign for, and who says so.
struct KeyUse {
  std::string role, by;
  bool operator==(const KeyUse&) const = default;
};

// How long is waited for another process that changes the repository.
constexpr std::int64_t kRepositoryWaitMs = 10'000;

// Holds its folder, but for open_to_read(), until it is gone: no other process changes it meanwhile
// (what is copied by hand aside). Not thread-safe.
class Repository {
 public:
  // A folder that is empty or not there. Root and targets are staged, not signed. Of several that
  // begin there at once, one does. Errors: kDenied when something is there; kInvalid for thresholds
  // that the keys cannot reach, and for a key that would sign online and offline.
  static Result<Repository> create(const std::string& folder, const TopLevelTrust& trust,
                                   const Profile& profile, std::int64_t now_s);
  // `staged`: a folder in place of staged/, on the same file system, for changes that wait apart
  // from each other. Errors: kNotFound, kCorrupt, naming the file; kUnavailable when another
  // process still holds it after `wait_ms`.
  static Result<Repository> open(const std::string& folder,
                                 std::int64_t wait_ms = kRepositoryWaitMs,
                                 const std::string& staged = {});
  // For those who only look; what they see may change.
  static Result<Repository> open_to_read(const std::string& folder, const std::string& staged = {});
  // A folder in which nothing is staged or published: the first root comes from elsewhere. One that
  // is there already is left as it is. Errors: kDenied when something else is there.
  static Status begin(const std::string& folder, const Profile& profile);

  // Who signs for a role with what is staged counted in.
  struct Signers {
    Keys keys;
    RoleKeys role;
  };

  const std::string& folder() const { return folder_; }
  const Profile& profile() const { return profile_; }

  // Copies the file to staged/targets/ and stages the role that is to sign it: `role`, or where
  // clients find such a target already, or the delegated role whose patterns cover the path, or the
  // top level's. A target of the same path is replaced; the same content changes nothing. Errors:
  // kInvalid for a path with empty parts, "." or "..", or that the role is not trusted for; kDenied
  // when clients would go on finding it in another role, for a file with a private key, and for
  // floors below the published ones; those of check_device_target() for what devices read.
  Status add_file(const std::string& path, const std::string& file, std::int64_t now_s,
                  std::string_view role = {});
  Status add_bytes(const std::string& path, std::string_view bytes, std::int64_t now_s,
                   std::string_view role = {});
  // Texts of a delegated role all at once, which read and stage each of its files a single time.
  // Errors: as above.
  Status add_texts(const std::map<std::string, std::string>& texts, std::int64_t now_s,
                   const std::string& role);
  // Copies the file to staged/blobs/, by its digest; where blobs/ has it and it is damaged, in its
  // place. Errors: kCorrupt when it has another digest.
  Status add_blob(const std::string& file, const Sha256& digest);
  // Takes it out of every role that lists it. Errors: kNotFound.
  Status remove_target(const std::string& path, std::int64_t now_s);

  // Trusts a role below the top level's targets for paths, or changes whom it trusts. A new role
  // is staged empty, one whose keys or threshold change with its bins, to be signed anew. Errors:
  // kDenied for a key that would sign online (snapshot, timestamp, assignments) and offline (all
  // others); not where `force` is given, but always of root.
  Status delegate(const std::string& role, const Trust& trust, std::vector<std::string> paths,
                  bool terminating, std::int64_t now_s, bool force = false);
  // Changes who signs for a role: "root", "targets", "snapshot", "timestamp" or a delegated one.
  // Its hash bins have its new keys at once, and are staged with it, to be signed by them.
  // Of several roles, where one key signs for them, all change or none. Errors: kNotFound for a key
  // to remove that a role has not; kInvalid when too few would be left; kDenied as of delegate().
  Status rotate(std::span<const std::string> roles, std::span<const PublicKey> add,
                std::span<const std::string> remove_ids, std::optional<int> threshold,
                std::int64_t now_s, bool force = false);
  // Says in root by whose certificates (PEM) devices know their hub (hub_authorities.h), in place
  // of those that were named; none: root says nothing. Errors: kInvalid for what is none of an
  // authority.
  Status trust_hub(const std::vector<std::string>& authorities, std::int64_t now_s);
  // Who signs for a role, with what is staged counted in. Errors: kNotFound.
  Result<RoleKeys> keys_of(std::string_view role) const;
  // The roles that a key signs for, with what is staged counted in.
  Result<std::vector<std::string>> roles_of_key(const std::string& key_id) const;
  // For which roles a key is trusted, and by whom: by root, or by a role that delegates, however
  // deep in the tree, under whatever id. Of bins that have no names of their own, as "PREFIX-*".
  Result<std::vector<KeyUse>> uses_of_key(const PublicKey& key) const;
  // Stages a role and its hash bins as they are, with a new expiry, for the role's keys to sign; a
  // delegated one that has never been, empty.
  Status renew(const std::string& role, std::int64_t now_s);
  // The same only where those who sign for it, with what is staged counted in, have not signed what
  // is published of it.
  Status renew_where_unsigned(const std::string& role, std::int64_t now_s);
  // Stages a file that was staged and signed elsewhere. Errors: kDenied for what only publishing
  // makes; kInvalid for a name that is none of a role.
  Status stage_signed(const std::string& role, std::string_view bytes);
  // What is staged of a role and its hash bins is staged no longer.
  Status unstage(std::string_view role);
  // What was staged, added and signed since it was opened or created is so no longer, and nothing
  // else of it has changed: where a command fails. Errors: kIo; then 'discard' is left.
  Status undo();
  // Forgets what is staged, also where its publication was cut off, and removes the files and blobs
  // that came with it and that no version names that was ever published.
  Status discard();

  // Signs every staged file that the key may sign; returns their roles. Errors: kDenied when there
  // is none, saying whose keys are missing.
  Result<std::vector<std::string>> sign(Signer& signer);
  // Publishes all that is staged, with new snapshot and timestamp metadata signed by these keys
  // (each used where it may sign). Nothing staged: snapshot where it is due, and timestamp. Clients
  // see all of it or nothing: files come to their places first, timestamp.json is replaced last.
  // What was cut off is made good by the next time, or by discard(). Errors: kDenied below a
  // threshold, naming role and keys, and for what is staged on an older state than the published
  // one; then nothing was published. kUnavailable for staged files that
  // somebody changes meanwhile.
  Status publish(std::span<Signer* const> signers, std::int64_t now_s);
  // What is staged and published from now on has versions above this one: for a repository that
  // goes on from a backup, while clients have seen later versions of it.
  void begin_above(std::int64_t version) { above_ = version; }

  // Removes versions of metadata that clients need no more, but of root, which they go through from
  // their own on: what the newest snapshot lists stays, what was listed by one that was replaced
  // after `before_s` too, as a client may be in the middle of it. Of `role` also the targets that
  // no version lists any more. At most `max_files`; how many went. Errors: kIo and the like.
  Result<std::size_t> prune(std::int64_t before_s, std::string_view role, std::size_t max_files);

  Result<std::vector<Staged>> staged() const;
  // What is staged against what is published.
  Result<Changes> changes() const;
  // Whether devices could take it when it is published now. Errors: kDenied for a role that has
  // expired and is not staged anew, for what is staged on an older state than the published one,
  // for a clock that is before the last publication, and as of check_floors(); kNotFound and
  // kCorrupt for a target, or a blob of a release, that is not here in its size, naming it; those
  // of check_device_target() for what is staged and for floors.
  Status check_publishable(std::int64_t now_s) const;
  // The floors that devices are held to, staged or published; none where there is no file. Errors:
  // kNotFound where its file is not here; those of Floors::parse().
  Result<Floors> floors() const;
  // What is published of them, or where no device can read that, what was before.
  Result<Floors> published_floors() const;
  // That none of them is lower, or dropped, in what is staged. Errors: kDenied, naming the model;
  // those of floors().
  Status check_floors() const;
  // What is wrong with the files that are staged, blobs of releases among them, each naming its
  // file; empty: nothing is.
  Result<std::vector<std::string>> staged_problems() const;
  // What staged roles list, and their releases need, that is not served yet, each once; or all of
  // it.
  enum class Files { kNotServed, kAll };
  Result<std::vector<StagedFile>> staged_files(Files which = Files::kNotServed) const;
  // Of what is published.
  Result<std::vector<RoleState>> roles() const;
  // Published and staged targets, with the role in which clients find each.
  Result<std::map<std::string, std::string>> targets() const;
  // The file of a role that is published. Errors: kNotFound before its first publication; kCorrupt.
  Result<std::string> read_published(std::string_view role) const;
  // Takes in what another copy has published: files of metadata/, by name, which the caller has
  // verified as a client does. What is staged and among them is staged no longer. Returns the roles
  // that are staged on an older state. What is staged of `theirs`, a role that the other copy
  // signs, gives way where that has published it. Errors: kIo and the like.
  Result<std::vector<std::string>> adopt(const std::map<std::string, std::string>& metadata,
                                         std::string_view theirs = {});
  // The bytes of a target, staged or published, as clients find it, or of `role` alone. Errors:
  // kNotFound, kCorrupt.
  Result<std::string> read_target(const std::string& path, std::size_t cap_bytes,
                                  std::string_view role = {}) const;
  // Those of all targets whose paths begin so. Errors: as read_target(), and the visitor's.
  using TargetVisitor = std::function<Status(const std::string& path, const std::string& bytes)>;
  Status read_targets(std::string_view prefix, std::size_t cap_bytes,
                      const TargetVisitor& visit) const;

 private:
  Repository(std::string folder, std::string staged, Profile profile)
      : folder_(std::move(folder)),
        staged_(staged.empty() ? folder_ + "/staged" : std::move(staged)),
        profile_(std::move(profile)) {}

  std::string staged_path(std::string_view role) const;
  std::string published_path(std::string_view role, std::int64_t version) const;
  // What clients are led to by timestamp.json, and of root the newest; 0 for none.
  Result<std::int64_t> published_version(std::string_view role) const;
  Result<std::int64_t> listed_version(std::string_view role) const;
  // Staged, or else published.
  template <class Body>
  Result<Metadata<Body>> current(std::string_view role) const;
  template <class Body>
  Result<Metadata<Body>> published(std::string_view role) const;
  bool is_staged(std::string_view role) const;
  template <class Body>
  Status stage(std::string_view role, Body body, std::int64_t now_s);
  // The metadata that say who signs for a role, each read once.
  struct Delegators {
    std::optional<Metadata<Root>> root;
    std::map<std::string, Metadata<Targets>, std::less<>> targets;
  };
  Result<Signers> signers_of(std::string_view role, Delegators& delegators) const;
  // Of root, those of the published root as well.
  Result<std::vector<Signers>> all_signers_of(std::string_view role, Delegators& delegators) const;
  Result<std::vector<std::string>> staged_roles() const;
  Result<std::string> role_for(const std::string& path, std::string_view wanted) const;
  // Where clients find a target, if anywhere.
  struct FoundTarget {
    std::string role;
    TargetFile file;
  };
  Result<std::optional<FoundTarget>> find_target(const std::string& path) const;
  Status check_texts(const std::map<std::string, std::string>& texts,
                     const std::string& role) const;
  Result<std::string> holder_of(const std::string& path, std::string_view wanted) const;
  // The roles that list targets, in the order in which clients look into them.
  using TargetsVisitor = std::function<Status(const std::string& role, Targets& body)>;
  Status visit_targets(const TargetsVisitor& visit) const;
  // Where a file "targets/..." or "blobs/..." is, or is to be taken in: where it is served, or
  // while it is not there, in staged/.
  std::string place_of(const std::string& name) const;
  std::string staged_place(const std::string& name) const;
  std::string target_place(const std::string& path, std::string_view digest) const;
  Status serve_listed() const;
  Status forget_files() const;
  // Of every version that was published, the newest ones too.
  Status visit_all_published(
      const std::function<void(const std::string& path, const TargetFile& target)>& visit) const;
  Status empty_staged() const;
  // Of the release whose manifest the target is.
  using Blobs = std::map<Sha256, Blob>;
  Result<const Blobs*> blobs_of(const std::string& path, const TargetFile& target) const;
  // What is wrong with a target's file; empty: nothing.
  std::string problem_of(const std::string& path, const TargetFile& target,
                         bool* is_refused = nullptr) const;
  // Whether devices take the target's file, which is here, under its name.
  Status check_taken(const std::string& path, const TargetFile& target) const;
  // That no published floor would be lower, or none.
  Status check_rise(const Floors& floors) const;
  void compare_floors(const std::optional<TargetFile>& before,
                      const std::optional<TargetFile>& after, Changes& changes) const;
  Status check_file(const std::string& name, std::int64_t bytes, const std::string& digest) const;
  Status check_release_blobs(const std::string& path, const TargetFile& target) const;
  Result<std::string> read_target_file(const std::string& path, const TargetFile& target,
                                       std::size_t cap_bytes) const;
  // Hash bins are signed by whoever signs for their role.
  static void trust_bins(Targets& metadata, const Signers& signers);
  Status split_into_bins(const std::string& role, std::int64_t now_s);
  Status record(const std::string& path, const TargetFile& target, std::int64_t now_s,
                std::string holder);
  // The one before, or a new one where something changed, also who signs it.
  Result<Snapshot> next_snapshot(const Signers& signers, std::span<const Staged> staged,
                                 bool& changed, std::int64_t now_s) const;
  // That clients can go from what is published to what is staged.
  Status check_follows(const Staged& file) const;
  // As staged() has seen it.
  Result<std::string> read_staged(const Staged& file) const;
  // Takes a file in under the name of its digest.
  Status keep_file(const std::string& file, const std::string& place, const Sha256& digest);
  // Of a staged file that is about to change, for undo().
  Status remember(const std::string& path);
  Status lock(std::int64_t wait_ms);

  // The snapshot that was read last, which has the version of each of hundreds of bins: what has
  // these bytes is not parsed again.
  struct ParsedSnapshot {
    std::string bytes;
    Snapshot body;
  };

  std::string folder_, staged_;
  Profile profile_;
  std::int64_t above_ = 0;
  mutable ParsedSnapshot snapshot_;
  // By the SHA-256 of their manifests, of which each is parsed once.
  mutable std::map<std::string, Blobs> blobs_;
  // For undo(), by path: what was there before; of files that came with it, nothing.
  std::map<std::string, std::optional<std::string>> before_;
  std::optional<FileLock> lock_;
};

}  // namespace polder::trust::tuf
