#include "hub/repository/online_repository.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "hub/repository/title.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/signer.h"
#include "trust/tuf_limits.h"

namespace polder::hub {
namespace {

using trust::tuf::Staged;

constexpr std::size_t kMaxWaiting = 1'000;  // proposals

// What the hub's key may sign: what publishing makes, assignments, and their hash bins, which
// nobody finds but by them.
bool is_online(const trust::tuf::KeyUse& use) {
  if (use.by == "root") return trust::tuf::is_made_by_publishing(use.role);
  if (use.by == "targets") return use.role == trust::kAssignmentsRole;
  return is_of_assignments(use.by);
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

// What was released stays as it is, and a floor never falls: devices remember both.
Status check_history(const trust::tuf::Changes& changes) {
  for (const trust::tuf::TargetChange& change : changes.targets)
    if (trust::tuf::is_manifest(change.path) && !change.before.empty() && !change.after.empty())
      return fail(Code::kDenied,
                  "{}: is published and another: a release does not change; give it a new version",
                  change.path);
  for (const trust::tuf::FloorChange& floor : changes.floors) {
    if (floor.before.empty()) continue;
    const auto before = trust::Version::parse(floor.before, "floor");
    const auto after = trust::Version::parse(floor.after, "floor");
    if (before.ok() && after.ok() && *after >= *before) continue;
    return fail(Code::kDenied, "the floor of {} is {}: it cannot be lowered or taken away",
                floor.model, floor.before);
  }
  return {};
}

}  // namespace

// --- Looking -------------------------------------------------------------------------------------

Result<std::unique_ptr<OnlineRepository>> OnlineRepository::open(
    const std::string& folder, std::unique_ptr<trust::Signer> key) {
  auto made = std::unique_ptr<OnlineRepository>(new OnlineRepository(folder, std::move(key)));
  TRY_VALUE(made->profile_, trust::tuf::profile("hub"));
  TRY(Repository::begin(made->folder(), made->profile_));
  TRY(make_folders(folder + "/waiting"));
  TRY(made->look());
  return made;
}

// What is published now.
Status OnlineRepository::look() {
  TRY_VALUE(const Repository repository, Repository::open_to_read(folder()));
  auto roles = repository.roles();
  if (!roles.ok() && roles.error().code == Code::kNotFound) return {};
  TRY_VALUE(auto found, std::move(roles));
  TRY_VALUE(const auto own, repository.roles_of_key(key().id()));
  std::int64_t version = 0, renewal_s = INT64_MAX;
  bool has_assignments = false;
  const trust::tuf::Profile& profile = repository.profile();
  const auto due = [&](const trust::tuf::RoleState& role, std::int64_t days) {
    renewal_s = std::min(renewal_s, role.expires_s - days * trust::tuf::kDayS / 2 + 1);
  };
  for (const trust::tuf::RoleState& role : found) {
    if (role.role == "timestamp") version = role.version, due(role, profile.timestamp_days);
    if (role.role == "snapshot") due(role, profile.snapshot_days);
    if (!is_of_assignments(role.role) || !contains(own, trust::kAssignmentsRole)) continue;
    has_assignments = true;
    due(role, profile.targets_days);
  }
  const std::lock_guard lock(looking_);
  profile_ = profile;
  roles_ = std::move(found);
  version_ = version;
  renewal_s_ = renewal_s;
  may_assign_ = has_assignments;
  return {};
}

Result<RepositoryState> OnlineRepository::state(std::int64_t now_s) const {
  const std::lock_guard lock(looking_);
  return RepositoryState{
      roles_, trust::tuf::expiring(trust::tuf::expiry_of(roles_), profile_, "REPO", now_s)};
}

Status OnlineRepository::read_manifests(
    const std::function<bool(const std::string& target)>& wanted,
    const std::function<Status(const std::string& target, const std::string& bytes)>& visit) {
  if (version_ == 0) return {};
  TRY_VALUE(const Repository repository, Repository::open_to_read(folder()));
  TRY_VALUE(const auto targets, repository.targets());
  for (const auto& [path, role] : targets) {
    if (!trust::tuf::is_manifest(path) || !wanted(path)) continue;
    TRY_VALUE(const std::string bytes, repository.read_target(path, trust::kMaxManifestBytes));
    TRY(visit(path, bytes));
  }
  return {};
}

// --- What people have signed ---------------------------------------------------------------------

Status OnlineRepository::check_key(const Repository& repository) const {
  const std::string id = key().id();
  TRY_VALUE(const auto uses, repository.uses_of_key(key()));
  for (const std::string role : {"snapshot", "timestamp"}) {
    TRY_VALUE(const auto keys, repository.keys_of(role));
    const bool is_trusted = std::ranges::count(uses, trust::tuf::KeyUse{role, "root"}) > 0;
    if (is_trusted && keys.threshold == 1 && contains(keys.key_ids, id)) continue;
    return fail(
        Code::kDenied,
        "role '{}': the hub's key {} must sign it by itself: 'polder repo init "
        "--timestamp-key', or 'polder repo rotate', with the key that 'polder hub repository' "
        "shows",
        role, id);
  }
  for (const trust::tuf::KeyUse& use : uses)
    if (!is_online(use))
      return fail(Code::kDenied,
                  "role '{}': the hub's key {} would sign for it, as '{}' says, and so whoever "
                  "breaks in here: give it a key of its own",
                  use.role, id, use.by);
  return {};
}

// Assignments are the hub's own: it makes them anew where what is staged changes who signs them.
Status OnlineRepository::sign_own(Repository& repository, std::int64_t now_s) {
  TRY_VALUE(const auto roles, repository.roles_of_key(key().id()));
  if (!contains(roles, trust::kAssignmentsRole)) return {};
  const std::string role(trust::kAssignmentsRole);
  TRY(repository.unstage(role));
  TRY(repository.renew_where_unsigned(role, now_s));
  return sign_staged(repository);
}

Status OnlineRepository::sign_staged(Repository& repository) {
  TRY_VALUE(const auto staged, repository.staged());
  if (!std::ranges::any_of(staged, is_of_assignments, &Staged::role)) return {};
  const std::lock_guard lock(signing_);
  const auto done = repository.sign(*key_);
  return done.ok() ? Status() : Status(done.error());
}

namespace {

// What people have staged and is above a cap is theirs to mend: this machine's room is not the
// trouble.
template <class T>
Result<T> of_people(Result<T> read) {
  if (!read.ok() && read.error().code == Code::kExhausted)
    return Error{Code::kInvalid, std::move(read).error().message};
  return read;
}

// Whoever approves sees what changes from what is published: nothing may come in between, and a
// role that is the hub's to sign is for nothing but what it signs.
Status check_shown(const trust::tuf::Changes& changes, std::int64_t lost_versions) {
  for (const trust::tuf::StagedVersion& role : changes.files)
    if (role.version > role.version_before + 1 + lost_versions)
      return fail(Code::kDenied,
                  "role '{}' version {}: version {} is published: 'polder hub pull', and stage it "
                  "anew on that",
                  role.role, role.version, role.version_before);
  const auto is_odd = [](const std::string& name) { return one_line(name) != name; };
  const auto odd = [](std::string_view what, const std::string& name) {
    return fail(Code::kInvalid, "{} '{}': has control characters; give it another name", what,
                clipped(one_line(name)));
  };
  for (const trust::tuf::TrustChange& role : changes.trust) {
    if (role.threshold > 0 && is_odd(role.role)) return odd("role", role.role);
    for (const std::string& path : role.paths)
      if (is_odd(path)) return odd("path", path);
    for (const std::string& id : role.added_keys)
      if (id.find_first_not_of("0123456789abcdef") != id.npos)
        return fail(Code::kInvalid, "role '{}': a key whose id is hexadecimal expected, '{}' found",
                    clipped(role.role), clipped(one_line(id)));
  }
  for (const trust::tuf::TargetChange& target : changes.targets)
    if (!target.after.empty() && is_odd(target.path)) return odd("target", target.path);
  for (const trust::tuf::TrustChange& role : changes.trust)
    if (role.role == trust::kAssignmentsRole && role.threshold > 0 &&
        (role.paths.size() != 1 || role.paths[0] != trust::kAssignmentsPattern))
      return fail(Code::kDenied, "role '{}': is for '{}' and nothing else", role.role,
                  trust::kAssignmentsPattern);
  return {};
}

}  // namespace

Result<Proposal> OnlineRepository::hold(Repository& repository, std::int64_t now_s) {
  TRY(check_key(repository));
  TRY(sign_own(repository, now_s));
  Proposal proposal;
  TRY_VALUE(proposal.roles, repository.staged());
  for (const Staged& role : proposal.roles)
    if (!role.complete)
      return fail(
          Code::kDenied,
          "role '{}' version {}: {} of {} signatures are there; 'polder repo sign' with one "
          "of {}",
          role.role, role.version, role.signatures, role.threshold,
          fmt::join(role.open_keys, ", "));
  TRY_VALUE(proposal.changes, repository.changes());
  TRY(check_shown(proposal.changes, lost_versions_));
  TRY(check_history(proposal.changes));
  TRY_VALUE(const auto problems, of_people(repository.staged_problems()));
  if (!problems.empty()) return fail(Code::kCorrupt, "{}", problems.front());
  TRY(repository.check_publishable(now_s));
  for (const trust::tuf::TargetChange& change : proposal.changes.targets) {
    if (change.after.empty()) continue;
    if (change.path.starts_with(fmt::format("{}/", trust::kAssignmentsRole))) {
      TRY_VALUE(const std::string bytes,
                of_people(repository.read_target(change.path, trust::kMaxAssignmentBytes)));
      TRY_VALUE(auto assignment, trust::Assignment::parse(bytes, change.path));
      proposal.assignments.emplace(change.path, std::move(assignment));
    }
    if (!trust::tuf::is_manifest(change.path)) continue;
    ProposedRelease release{change.path, change.after, "", change.role};
    TRY_VALUE(release.manifest,
              of_people(repository.read_target(change.path, trust::kMaxManifestBytes)));
    proposal.releases.push_back(std::move(release));
  }
  return proposal;
}

// Twice: once manifests are here they say which blobs they need.
Status OnlineRepository::take_files(const Repository& repository, const Uploads& uploads) const {
  for (int round = 0; round < 2; ++round) {
    TRY_VALUE(const auto files, of_people(repository.staged_files()));
    for (const trust::tuf::StagedFile& file : files) {
      if (file.is_here) continue;
      Status linked = link_file(uploads.path(file.digest), file.place);
      if (!linked.ok() && linked.error().code == Code::kNotFound)
        return fail(Code::kNotFound, "{}: has not come: push it again", file.name);
      TRY(std::move(linked));
      if (trust::holds_private_key(file.place))
        return fail(Code::kDenied, "{}: holds a private key, and a repository is public",
                    file.name);
    }
  }
  return {};
}

Result<Proposal> OnlineRepository::propose(const std::string& id,
                                           const std::map<std::string, std::string>& roles,
                                           const Uploads& uploads, std::int64_t now_s) {
  const auto begin = [&]() -> Result<Proposal> {
    TRY_VALUE(Repository repository, Repository::open_to_read(folder(), waiting_place(id)));
    for (const auto& [role, bytes] : roles) TRY(repository.stage_signed(role, bytes));
    TRY(of_people(repository.staged()));
    TRY(take_files(repository, uploads));
    return hold(repository, now_s);
  };
  auto proposal = begin();
  if (!proposal.ok()) TRY(drop(id));
  return proposal;
}

Result<Proposal> OnlineRepository::check(const std::string& id, std::int64_t now_s) {
  TRY_VALUE(Repository repository, Repository::open_to_read(folder(), waiting_place(id)));
  TRY_VALUE(const auto staged, repository.staged());
  if (staged.empty())
    return fail(Code::kNotFound, "nothing of it waits any more: reject it, and push again");
  return hold(repository, now_s);
}

Result<std::string> OnlineRepository::superseded(const std::string& id) const {
  TRY_VALUE(const Repository repository, Repository::open_to_read(folder(), waiting_place(id)));
  TRY_VALUE(const auto staged, repository.staged());
  TRY_VALUE(const auto changes, repository.changes());
  for (const trust::tuf::StagedVersion& file : changes.files) {
    if (is_of_assignments(file.role)) continue;  // the hub makes them anew
    if (file.version > file.version_before) continue;
    TRY_VALUE(const std::string published, repository.read_published(file.role));
    const auto role = std::ranges::find(staged, file.role, &Staged::role);
    const bool is_same = role != staged.end() && trust::sha256(published) == role->digest;
    if (!is_same) return fmt::format("{} version {}", file.role, file.version_before);
  }
  return std::string();
}

Status OnlineRepository::publish(const std::string& id, std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  TRY_VALUE(Repository repository,
            Repository::open(folder(), trust::tuf::kRepositoryWaitMs, waiting_place(id)));
  TRY_VALUE(const auto staged, repository.staged());
  // Nothing is left of one that was ended between its publication and this.
  if (!staged.empty()) {
    TRY_VALUE(const Proposal proposal, hold(repository, now_s));
    TRY(publish_own(repository, now_s));
  }
  return drop(id);
}

Status OnlineRepository::drop(const std::string& id) { return remove_folder(waiting_place(id)); }

Result<std::vector<std::string>> OnlineRepository::waiting() const {
  const std::string place = folder_ + "/waiting";
  TRY_VALUE(auto paths, list_folder(place, kMaxWaiting));
  for (std::string& path : paths) path.erase(0, place.size() + 1);
  return paths;
}

// --- What the hub signs itself -------------------------------------------------------------------

Status OnlineRepository::publish_own(Repository& repository, std::int64_t now_s) {
  {
    const std::lock_guard lock(signing_);
    std::array<trust::Signer*, 1> signers = {key_.get()};
    TRY(repository.publish(signers, now_s));
  }
  return look();
}

bool OnlineRepository::is_clock_behind(std::int64_t now_s) const {
  const std::lock_guard lock(looking_);
  return std::ranges::any_of(roles_, [&](const trust::tuf::RoleState& role) {
    return role.role == "timestamp" &&
           now_s + profile_.timestamp_days * trust::tuf::kDayS < role.expires_s;
  });
}

// By a clock that is years ahead all has ended: what was published by it would bind the right one.
Status OnlineRepository::check_clock(std::int64_t now_s) const {
  {
    const std::lock_guard lock(looking_);
    for (const trust::tuf::RoleState& role : roles_)
      if ((role.role == "root" || role.role == "targets") && role.expires_s <= now_s)
        return fail(
            Code::kDenied,
            "by this machine's clock, which says {}, role '{}' has ended at {}, and no device "
            "would take what is published: set the clock, or let people renew that role",
            trust::tuf::time_text(now_s), role.role, trust::tuf::time_text(role.expires_s));
  }
  if (trusts_clock_ || !is_clock_behind(now_s)) return {};
  return fail(
      Code::kDenied,
      "this machine's clock says {}, which is before the last publication: set it; where it "
      "is right, and was ahead then, 'polder-hub serve --clock-is-right' once",
      trust::tuf::time_text(now_s));
}

// Whatever an earlier one left in staged/ when it was cut off is made anew.
Result<trust::tuf::Repository> OnlineRepository::open_own() const {
  TRY_VALUE(Repository repository, Repository::open(folder()));
  TRY_VALUE(const auto left, repository.staged());
  if (!left.empty()) TRY(repository.discard());
  return repository;
}

Status OnlineRepository::assign(const std::vector<trust::Assignment>& assignments,
                                std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  TRY(check_clock(now_s));
  TRY_VALUE(Repository repository, open_own());
  std::map<std::string, std::string> texts;
  for (const trust::Assignment& assignment : assignments)
    texts.emplace(trust::assignment_target(assignment.device), assignment.bytes());
  TRY(repository.add_texts(texts, now_s, std::string(trust::kAssignmentsRole)));
  TRY_VALUE(const auto staged, repository.staged());
  if (staged.empty()) return {};
  TRY(sign_staged(repository));
  return publish_own(repository, now_s);
}

Status OnlineRepository::renew(std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  const bool is_ahead = trusts_clock_ && is_clock_behind(now_s);
  if (version_ == 0 || (now_s < renewal_s_ && !is_ahead)) return {};
  TRY(check_clock(now_s));
  TRY_VALUE(Repository repository, open_own());
  if (has_old_assignments(now_s)) {
    TRY(repository.renew(std::string(trust::kAssignmentsRole), now_s));
    TRY(sign_staged(repository));
  }
  TRY(publish_own(repository, now_s));
  trusts_clock_ = false;
  return {};
}

Result<std::size_t> OnlineRepository::prune(std::int64_t now_s) {
  constexpr std::int64_t kNeededS = 3'600;
  constexpr std::size_t kAtOnce = 2'000;
  const std::lock_guard lock(mutex_);
  TRY_VALUE(Repository repository, Repository::open(folder()));
  return repository.prune(now_s - kNeededS, trust::kAssignmentsRole, kAtOnce);
}

Status OnlineRepository::raise(std::int64_t version, std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  if (version_ == 0 || version_ > version) return {};
  TRY(check_clock(now_s));
  TRY_VALUE(Repository repository, open_own());
  repository.begin_above(version);
  if (may_assign_) {
    TRY(repository.renew(std::string(trust::kAssignmentsRole), now_s));
    TRY(sign_staged(repository));
  }
  return publish_own(repository, now_s);
}

bool OnlineRepository::has_old_assignments(std::int64_t now_s) const {
  const std::lock_guard lock(looking_);
  return may_assign_ && std::ranges::any_of(roles_, [&](const trust::tuf::RoleState& role) {
           return is_of_assignments(role.role) &&
                  role.expires_s - now_s < profile_.targets_days * trust::tuf::kDayS / 2;
         });
}

}  // namespace polder::hub
