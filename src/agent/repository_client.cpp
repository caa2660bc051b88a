#include "agent/repository_client.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "agent/clock_floor.h"
#include "agent/device_pin.h"
#include "agent/sealed_models.h"
#include "agent/slots.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/release_folder.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

using trust::Artifact;
using trust::ArtifactKind;
using trust::Manifest;
using trust::Version;
using trust::tuf::DelegatedRole;
using trust::tuf::Target;
using trust::tuf::Updater;

constexpr std::size_t kMaxStoredNameBytes = 128;

// The online role that chooses; nullptr where the repository has none.
const DelegatedRole* assignments_role(const Updater& updater) {
  const auto& delegations = updater.trusted().targets()->delegations;
  if (!delegations) return nullptr;
  for (const DelegatedRole& role : delegations->roles)
    if (role.name == trust::kAssignmentsRole) return &role;
  return nullptr;
}

Result<std::string> download(Updater& updater, const Target& target, std::size_t cap_bytes) {
  if (target.file.length < 0 || std::uint64_t(target.file.length) > cap_bytes) {
    return fail(Code::kExhausted, "{}: {} bytes; at most {} are accepted", clipped(target.path),
                target.file.length, cap_bytes);
  }
  std::string bytes;
  TRY(updater.download(target, [&](std::string_view piece) { return bytes += piece, Status(); }));
  return bytes;
}

// The version of "people/1.2.0/manifest.json"; nothing for another path.
std::optional<Version> version_of(std::string_view path, const std::string& model) {
  const std::size_t start = model.size() + 1, end = path.find('/', start);
  if (end == path.npos) return {};
  auto version = Version::parse(path.substr(start, end - start), path);
  if (!version.ok() || manifest_target(model, *version) != path) return {};
  return std::move(*version);
}

}  // namespace

std::string manifest_target(const std::string& model, const Version& version) {
  return fmt::format("{}/{}/manifest.json", model, version.text());
}

// --- Metadata ------------------------------------------------------------------------------------

namespace {

// Names of roles may hold what a storage's names may not.
std::string name_in_storage(const std::string& name) {
  std::string stored = fmt::format("{}/{}", kMetadataFolder, name);
  if (name.size() <= kMaxStoredNameBytes && check_storage_name(stored).ok()) return stored;
  return fmt::format("{}/role-{}.json", kMetadataFolder, trust::hex(trust::sha256(name)));
}

// The trusted root is kept twice, and its version beside it: an older root in its place would make
// keys good again that were replaced since. Names of roles' files end with ".json": the others meet
// none.
constexpr char kRootName[] = "metadata/root.json", kRootCopyName[] = "metadata/root.copy",
               kRootVersionName[] = "metadata/root.version";

Result<StoredMetadata::Root> read_root(Storage& storage, const char* name) {
  TRY_VALUE(std::string bytes, read_stored(storage, name, trust::tuf::kMaxRootBytes));
  const auto set = trust::tuf::TrustedSet::start(bytes, 0);
  if (!set.ok()) return fail(Code::kCorrupt, "{}: {}", name, set.error().message);
  return StoredMetadata::Root{std::move(bytes), set->root().version};
}

std::string root_version_text(std::int64_t version) {
  const std::string number = std::to_string(version);
  return number + " " + trust::hex(trust::sha256(number)) + "\n";
}

// The highest that was ever trusted here.
Result<std::int64_t> read_root_version(Storage& storage) {
  TRY_VALUE(const std::string text, read_stored(storage, kRootVersionName, 128));
  std::int64_t version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  if (version < 1 || text != root_version_text(version))
    return fail(Code::kCorrupt, "{}: is damaged", kRootVersionName);
  return version;
}

Status replace_where_other(Storage& storage, const char* name, std::string_view bytes) {
  const auto there = read_stored(storage, name, trust::tuf::kMaxRootBytes);
  if (there.ok() && *there == bytes) return {};
  return replace_stored(storage, name, bytes);
}

}  // namespace

Result<StoredMetadata::Root> StoredMetadata::root() {
  Result<Root> root = read_root(*storage_, kRootName), copy = read_root(*storage_, kRootCopyName);
  const auto known = read_root_version(*storage_);
  const auto is_there = [](const auto& file) {
    return file.ok() || file.error().code != Code::kNotFound;
  };
  if (!is_there(root) && !is_there(copy) && !is_there(known))
    return fail(Code::kNotFound,
                "no root is trusted yet: set 'root' in polderd.toml to the first root.json of the "
                "repository, from a way that you trust");
  std::string why = root.ok() ? fmt::format("{} has version {} only", kRootName, root->version)
                              : root.error().message;
  if (copy.ok() && (!root.ok() || copy->version > root->version)) root = std::move(copy);
  if (root.ok() && (!known.ok() || root->version >= *known)) return root;
  if (known.ok()) {
    return fail(
        Code::kCorrupt,
        "{}: no update before 'root' in polderd.toml is {}.root.json of the repository or a "
        "later one: version {} was trusted here, and keys may have been replaced since an "
        "earlier one",
        why, *known, *known);
  }
  return fail(
      Code::kCorrupt,
      "{}: and nothing says which version was trusted here; no update before 'root' in "
      "polderd.toml is the newest root.json of the repository and {}, {} and {} are removed",
      why, kRootName, kRootCopyName, kRootVersionName);
}

Status StoredMetadata::start(std::string_view first_root) {
  TRY(storage_->make_folder(kMetadataFolder));
  const auto there = root();
  if (there.ok()) return keep_root(*there);
  const auto set = trust::tuf::TrustedSet::start(first_root, 0);
  if (!set.ok()) return Error(set.error());
  const auto known = read_root_version(*storage_);
  const bool is_enough =
      there.error().code == Code::kNotFound || (known.ok() && set->root().version >= *known);
  if (!is_enough) return Error(there.error());
  return keep_root({std::string(first_root), set->root().version});
}

// The version last: a power cut before it leaves one that both fulfil.
Status StoredMetadata::keep_root(const Root& root) {
  TRY(replace_where_other(*storage_, kRootCopyName, root.bytes));
  TRY(replace_where_other(*storage_, kRootName, root.bytes));
  return replace_where_other(*storage_, kRootVersionName, root_version_text(root.version));
}

Result<std::string> StoredMetadata::read(const std::string& name, std::size_t cap_bytes) {
  if (name_in_storage(name) != kRootName)
    return read_stored(*storage_, name_in_storage(name), cap_bytes);
  TRY_VALUE(Root trusted, root());
  return std::move(trusted.bytes);
}

Status StoredMetadata::replace(const std::string& name, std::string_view bytes) {
  if (name_in_storage(name) != kRootName)
    return replace_stored(*storage_, name_in_storage(name), bytes);
  TRY_VALUE(const auto set, trust::tuf::TrustedSet::start(bytes, 0));
  return keep_root({std::string(bytes), set.root().version});
}

Status StoredMetadata::remove(const std::string& name) {
  TRY(storage_->remove(name_in_storage(name)));
  return storage_->sync(kMetadataFolder);
}

// --- Releases ------------------------------------------------------------------------------------

Result<std::vector<const Artifact*>> choose_for_unit(const Manifest& manifest,
                                                     const trust::Device& device, bool is_runtime) {
  std::set<std::string> names;
  for (const Artifact& artifact : manifest.artifacts)
    if ((artifact.kind == ArtifactKind::kRuntime) == is_runtime) names.insert(artifact.name);
  if (names.empty()) {
    return fail(
        Code::kIncompatible, "{} {}: has no {}", manifest.model, manifest.version.text(),
        is_runtime ? "artifact of kind 'runtime', which polderd's own releases hold" : "model");
  }
  std::vector<const Artifact*> chosen;
  for (const std::string& name : names) {
    TRY_VALUE(const Artifact* artifact, trust::choose_artifact(manifest, device, name));
    if ((artifact->kind == ArtifactKind::kRuntime) != is_runtime) {
      return fail(Code::kIncompatible, "{} {}: '{}' is a model and polderd as well", manifest.model,
                  manifest.version.text(), name);
    }
    chosen.push_back(artifact);
  }
  return chosen;
}

Result<Manifest> read_manifest(BlobStore& blobs, const ReleaseId& release, std::string* bytes) {
  TRY_VALUE(std::string text, blobs.get(release.manifest, trust::kMaxManifestBytes));
  TRY_VALUE(Manifest manifest, Manifest::parse(text, release.text()));
  if (bytes) *bytes = std::move(text);
  return manifest;
}

bool RepositoryClient::has_unit(const std::string& name, bool is_runtime) const {
  if (is_runtime) return !config_.runtime.empty() && config_.runtime == name;
  return std::find(config_.models.begin(), config_.models.end(), name) != config_.models.end();
}

Status RepositoryClient::is_allowed(const Wish& wish) const {
  if (!has_unit(wish.unit, wish.is_runtime)) {
    return fail(Code::kDenied, "'{}' is not among the {} of this device's configuration",
                clipped(wish.unit), wish.is_runtime ? "runtimes" : "models");
  }
  const auto pin = config_.pins.find(wish.unit);
  if (pin == config_.pins.end() || pin->second == wish.version) return {};
  return fail(Code::kDenied, "this device's configuration pins '{}' to {}", wish.unit,
              pin->second.text());
}

// Floors of this device's units, raised to those of the repository.
Status RepositoryClient::add_floors(Updater& updater, std::map<std::string, Version>& floors) {
  // Straight from the top level: no delegated role may lower a floor.
  const auto& listed = updater.trusted().targets()->targets;
  const auto found = listed.find(trust::kFloorsTarget);
  if (found == listed.end()) return {};
  const Target target{std::string(trust::kFloorsTarget), "targets", found->second};
  TRY_VALUE(const std::string bytes, download(updater, target, trust::kMaxFloorsBytes));
  TRY_VALUE(const trust::Floors all, trust::Floors::parse(bytes, trust::kFloorsTarget));
  for (const auto& [model, floor] : all.floors) {
    if (!has_unit(model, false) && !has_unit(model, true)) continue;
    Version& ours = floors.emplace(model, floor).first->second;
    ours = std::max(ours, floor);
  }
  return {};
}

// This device's, else the default one, else one that names nothing.
Result<trust::Assignment> RepositoryClient::assignment(Updater& updater) {
  for (const std::string& device : {config_.device, std::string(trust::kDefaultDevice)}) {
    const std::string path = trust::assignment_target(device);
    auto target = updater.find(path);
    if (!target.ok() && target.error().code == Code::kNotFound) continue;
    if (!target.ok()) return std::move(target).error();
    TRY_VALUE(const std::string bytes, download(updater, *target, trust::kMaxAssignmentBytes));
    TRY_VALUE(trust::Assignment assignment, trust::Assignment::parse(bytes, path));
    TRY(assignment.check_device(config_.device));
    return assignment;
  }
  return trust::Assignment();
}

// Which of this device's models nobody has chosen a release of; empty: none.
std::string RepositoryClient::unassigned(const trust::Assignment& assignment) const {
  std::vector<std::string> missing;
  for (const std::string& model : config_.models) {
    const auto names = [&](const trust::AssignedRelease& release) {
      return release.model == model;
    };
    if (std::ranges::none_of(assignment.releases, names)) missing.push_back(model);
  }
  if (missing.empty()) return "";
  const std::string what = assignment.releases.empty()
                               ? "nothing"
                               : fmt::format("no release of {}", fmt::join(missing, ", "));
  // Of a rollout that runs no device knows anything before its turn.
  const std::string how =
      config_.is_of_hub()
          ? fmt::format(
                "a rollout does: 'polder rollout list --phase running' says which there are "
                "and what they wait for, 'polder rollout create {} VERSION' begins one",
                missing.front())
          : fmt::format("'polder repo assign REPO {} {}=VERSION --key ONLINE' does", config_.device,
                        missing.front());
  return fmt::format("the repository assigns {} to '{}': {}", what, config_.device, how);
}

// What a repository without assignments has for the unit. Errors: kNotFound.
Result<RepositoryClient::Wish> RepositoryClient::highest(Updater& updater, const std::string& unit,
                                                         bool is_runtime) {
  TRY_VALUE(const auto paths, updater.list(unit + "/"));
  std::optional<Version> highest;
  const auto pin = config_.pins.find(unit);
  for (const std::string& path : paths) {
    auto version = version_of(path, unit);
    if (version && (pin == config_.pins.end() || pin->second == *version) &&
        (!highest || *highest < *version))
      highest = std::move(version);
  }
  if (highest) return Wish{unit, *std::move(highest), is_runtime};
  return fail(Code::kNotFound, "the repository has no release of '{}'{}", unit,
              pin == config_.pins.end()
                  ? ""
                  : ", " + pin->second.text() + ", to which the configuration pins it");
}

Result<std::vector<RepositoryClient::Wish>> RepositoryClient::wishes(
    Updater& updater, std::int64_t now_s, trust::Assignment& assignment,
    std::vector<Refusal>& refusals) {
  std::vector<Wish> all;
  if (assignments_role(updater) != nullptr) {
    TRY_VALUE(assignment, this->assignment(updater));
    for (const trust::AssignedRelease& release : assignment.releases) {
      const Wish wish{release.model, release.version, release.is_runtime};
      if (assignment.not_before_s <= now_s) all.push_back(wish);
      else
        refusals.push_back({wish.unit,
                            {wish.unit, wish.version, {}},
                            fmt::format("assigned, but not before {}",
                                        trust::tuf::time_text(assignment.not_before_s))});
    }
    return all;
  }
  std::vector<std::pair<std::string, bool>> units;
  for (const std::string& model : config_.models) units.emplace_back(model, false);
  if (!config_.runtime.empty()) units.emplace_back(config_.runtime, true);
  for (const auto& [unit, is_runtime] : units) {
    auto wish = highest(updater, unit, is_runtime);
    if (wish.ok()) all.push_back(std::move(*wish));
    else refusals.push_back({unit, {unit, {}, {}}, wish.error().message});
  }
  return all;
}

// The bytes, verified; kept as a blob.
Result<std::string> RepositoryClient::fetch_manifest(Updater& updater, const Target& target) {
  const auto listed = target.file.hashes.find("sha256");
  const auto digits = listed == target.file.hashes.end() ? Result<std::string>(std::string())
                                                         : trust::from_hex(listed->second);
  trust::Sha256 digest{};
  if (digits.ok() && digits->size() == digest.size()) {
    std::copy(digits->begin(), digits->end(), digest.begin());
    auto there = blobs_.get(digest, trust::kMaxManifestBytes);
    if (there.ok() && std::int64_t(there->size()) == target.file.length) return there;
  }
  TRY_VALUE(std::string bytes, download(updater, target, trust::kMaxManifestBytes));
  TRY(blobs_.put(bytes));
  return bytes;
}

// The keys of its sealed models, as they are now: the releaser may have added this device.
Status RepositoryClient::fetch_sealed_keys(Updater& updater, const Manifest& manifest,
                                           std::span<const Artifact* const> chosen) {
  std::unique_ptr<trust::Decrypter> device;
  for (const Artifact* artifact : chosen) {
    if (!artifact->sealed) continue;
    if (!device) {
      TRY_VALUE(device, open_device_decrypter(config_, blobs_.storage()));
    }
    TRY_VALUE(const Target target,
              updater.find(trust::sealed_keys_target(manifest, artifact->sealed->file_id)));
    TRY_VALUE(const std::string bytes, download(updater, target, trust::SealedKeys::kMaxBytes));
    TRY(keep_sealed_keys(blobs_.storage(), *artifact, bytes, device->public_key()));
  }
  return {};
}

// A release without a pipeline would end the one that runs, and all would seem well.
Status RepositoryClient::leaves_something_to_run(const Unit& unit, const Manifest& manifest) const {
  if (manifest.pipeline || unit.runtime || !unit.running()) return {};
  if (config_.without_pipeline.contains(manifest.model)) return {};
  const auto now = read_manifest(blobs_, *unit.running());
  if (!now.ok() || !now->pipeline) return {};
  return fail(Code::kDenied,
              "has no pipeline, and {} runs one: nothing would run; publish it with a [pipeline], "
              "or list '{}' in 'without_pipeline' of polderd.toml where other programs open it",
              unit.running()->text(), manifest.model);
}

// Whether the release may be offered.
Result<ReleaseId> RepositoryClient::accept(Updater& updater, const Unit& unit, const Wish& wish) {
  TRY(is_allowed(wish));
  const std::string path = manifest_target(wish.unit, wish.version);
  TRY_VALUE(const Target target, updater.find(path));
  const DelegatedRole* online = assignments_role(updater);
  if (online && (target.role == online->name || online->covers(path))) {
    return fail(Code::kDenied,
                "{}: the role '{}', which only chooses, could sign it; the repository has to "
                "delegate 'assignments/*' to it and nothing else",
                path, online->name);
  }
  TRY_VALUE(const std::string bytes, fetch_manifest(updater, target));
  TRY_VALUE(const Manifest manifest, Manifest::parse(bytes, path));
  if (manifest.model != wish.unit || manifest.version != wish.version) {
    return fail(Code::kCorrupt, "{}: is the manifest of {} {}", path, clipped(manifest.model),
                manifest.version.text());
  }
  TRY_VALUE(const auto chosen, choose_for_unit(manifest, device_, wish.is_runtime));
  TRY(leaves_something_to_run(unit, manifest));
  TRY(fetch_sealed_keys(updater, manifest, chosen));
  TRY(check_slot_names(manifest));
  ReleaseId release = release_id(manifest, bytes);
  if (wish.lost && *wish.lost != release)
    return fail(Code::kDenied, "{}: is another manifest than what this device had", path);
  return release;
}

void RepositoryClient::add_lost(const AgentState& state, std::vector<Wish>& wishes) {
  for (const auto& [name, unit] : state.units) {
    const auto gone = lost(state, name);
    // clang 14 takes no structured binding into a lambda as it is.
    const auto is_enough = [&, name = name, running = unit.running()](const Wish& wish) {
      return wish.unit == name &&
             (wish.version == gone->version || (running && wish.version == running->version));
    };
    if (gone && std::ranges::none_of(wishes, is_enough))
      wishes.push_back({name, gone->version, unit.runtime, gone});
  }
}

std::string RepositoryClient::reason_of(const Wish& wish, const Error& error) {
  if (!wish.lost) return error.message;
  return fmt::format(
      "this device has committed it, its slot is lost, and it cannot be installed again: {}; {}",
      error.message,
      error.code == Code::kNotFound
          ? "put it back ('polder repo add', 'publish'), or publish and assign a newer release"
          : "a newer release takes its place");
}

namespace {

// The next check may find it otherwise: what the release says could not be had.
bool is_passing(const Error& error) {
  return error.code == Code::kIo || error.code == Code::kUnavailable ||
         error.code == Code::kTimeout;
}

Result<ReleaseId> above_floor(ReleaseId release, const std::map<std::string, Version>& floors) {
  const auto floor = floors.find(release.model);
  if (floor == floors.end() || !(release.version < floor->second)) return release;
  return fail(Code::kDenied, "below the floor {}, which only rises", floor->second.text());
}

}  // namespace

Result<CheckOutcome> RepositoryClient::check(const AgentState& state, std::int64_t now_s) {
  StoredMetadata metadata(blobs_.storage());
  Updater updater(fetcher_, metadata, now_s);
  const auto root_before = metadata.root();
  Status refreshed = updater.refresh();
  if (const auto root = metadata.root();
      root.ok() && root_before.ok() && root->version > root_before->version)
    new_root_ = root->version;
  TRY(std::move(refreshed));
  CheckOutcome outcome;
  outcome.time_seen_s =
      raised_time_seen_s(state.time_seen_s, now_s, updater.trusted().timestamp()->expires_s);
  outcome.floors = state.floors;
  TRY(add_floors(updater, outcome.floors));
  trust::Assignment assignment;
  TRY_VALUE(auto all, wishes(updater, now_s, assignment, outcome.refusals));
  if (assignments_role(updater)) outcome.note = unassigned(assignment);
  add_lost(state, all);
  for (const Wish& wish : all) {
    const auto unit = state.units.find(wish.unit);
    auto release = accept(updater, unit == state.units.end() ? Unit() : unit->second, wish);
    ReleaseId id{wish.unit, wish.version, {}};
    if (release.ok()) id = *release, release = above_floor(*release, outcome.floors);
    if (!release.ok())
      outcome.refusals.push_back(
          {wish.unit, id, reason_of(wish, release.error()), false, is_passing(release.error())});
    else if (wish.lost) outcome.offers.push_back({wish.unit, id});
    else outcome.offers.push_back({wish.unit, id, assignment.shadow, assignment.retry});
  }
  return outcome;
}

}  // namespace polder::agent
