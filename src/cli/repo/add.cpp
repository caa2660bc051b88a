// polder repo add and remove: releases and other targets of a repository.
#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "cli/repo/staging.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/assignment.h"
#include "trust/release_folder.h"
#include "trust/sealed_file.h"

namespace polder::cli {

namespace {

constexpr int kMaxAdded = 1'000;  // at once

constexpr Option kAddOptions[] = {
    {"--target", "PATH", "the name under which clients ask for the file (default: its own name)"},
    {"--role", "ROLE", "the role that signs it (default: the one whose paths cover it)"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

struct NewRelease {
  std::string folder;
  trust::ReleaseFolder release;
  bool is_there = false;  // already
};

// A release never changes.
Result<NewRelease> look_at(const trust::tuf::Repository& repository, const std::string& folder) {
  TRY_VALUE(auto release, trust::open_release(folder));
  TRY_VALUE(const auto problems, trust::check_release(release));
  if (!problems.empty()) {
    return fail(Code::kCorrupt, "{}{}", problems[0],
                problems.size() == 1 ? "" : fmt::format("; and {} more", problems.size() - 1));
  }
  const trust::Manifest& manifest = release.manifest;
  TRY_VALUE(const trust::Floors floors, repository.floors());
  if (!floors.allows(manifest.model, manifest.version)) {
    return fail(Code::kDenied, "{} {} is below its floor {}: no device would take it",
                manifest.model, manifest.version.text(), floors.floors.at(manifest.model).text());
  }
  const auto there = repository.read_target(release.target(), trust::kMaxManifestBytes);
  if (there.ok() && *there != release.manifest_bytes) {
    return fail(Code::kDenied,
                "{} {} is there already and another: a release does not change; give it a new "
                "version",
                manifest.model, manifest.version.text());
  }
  return NewRelease{folder, std::move(release), there.ok()};
}

// All of them, before anything of one is copied.
Result<std::vector<NewRelease>> look_at_all(const trust::tuf::Repository& repository,
                                            std::span<const std::string> folders) {
  std::vector<NewRelease> all;
  for (const std::string& folder : folders) {
    TRY_VALUE(NewRelease one, look_at(repository, folder));
    for (const NewRelease& other : all)
      if (other.release.target() == one.release.target() &&
          other.release.manifest_bytes != one.release.manifest_bytes)
        return fail(Code::kDenied, "{} and {}: are both {} {}, and differ", other.folder, folder,
                    one.release.manifest.model, one.release.manifest.version.text());
    all.push_back(std::move(one));
  }
  return all;
}

// The release's blobs, and its manifest as a target.
Status add_release(const Staging& staging, const NewRelease& added, const std::string& role) {
  trust::tuf::Repository& repository = staging.repository;
  const trust::Manifest& manifest = added.release.manifest;
  for (const auto& [digest, blob] : manifest.blobs)
    TRY(repository.add_blob(added.release.blob_path(digest), digest));
  for (const trust::Artifact& artifact : manifest.artifacts) {
    if (!artifact.sealed) continue;
    TRY(repository.add_file(trust::sealed_keys_target(manifest, artifact.sealed->file_id),
                            added.folder + "/" + trust::sealed_keys_place(artifact.sealed->file_id),
                            staging.now_s, role));
  }
  TRY(repository.add_bytes(added.release.target(), added.release.manifest_bytes, staging.now_s,
                           role));
  if (added.is_there)
    fmt::print(stderr, "polder: {} {} is there already\n", manifest.model, manifest.version.text());
  return {};
}

// Of the releases that are here and have the sealed file of these keys.
Result<std::vector<std::string>> targets_of_keys(const trust::tuf::Repository& repository,
                                                 const trust::SealedKeys& keys) {
  std::vector<std::string> found;
  TRY_VALUE(const auto targets, repository.targets());
  for (const auto& [path, role] : targets) {
    if (!trust::tuf::is_manifest(path)) continue;
    TRY_VALUE(const std::string bytes, repository.read_target(path, trust::kMaxManifestBytes));
    TRY_VALUE(const trust::Manifest manifest, trust::Manifest::parse(bytes, path));
    for (const trust::Artifact& artifact : manifest.artifacts)
      if (artifact.sealed && artifact.sealed->file_id == keys.file_id())
        found.push_back(trust::sealed_keys_target(manifest, keys.file_id()));
  }
  std::ranges::sort(found);
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// Where clients look for the file: by what it is, where devices read such files, or as it is asked
// for. Errors: kInvalid for what they would never find there, saying where it belongs.
Result<std::vector<std::string>> targets_of(const trust::tuf::Repository& repository,
                                            const std::string& file, const Args& args) {
  const std::string target = args.text("--target", file.substr(file.rfind('/') + 1));
  TRY_VALUE(const auto opened, open_readable(file));
  if (opened->size() > trust::kMaxManifestBytes) return std::vector<std::string>{target};
  TRY_VALUE(const std::string bytes, read_file(file, trust::kMaxManifestBytes));
  if (const auto keys = trust::SealedKeys::parse(bytes, file); keys.ok()) {
    TRY_VALUE(auto found, targets_of_keys(repository, *keys));
    if (found.empty())
      return fail(Code::kInvalid,
                  "{}: the keys of the sealed file {}, and no release of it is here: 'polder repo "
                  "add' a release's folder first",
                  file, trust::hex(keys->file_id()));
    if (!args.has("--target") || std::ranges::find(found, target) != found.end())
      return args.has("--target") ? std::vector<std::string>{target} : std::move(found);
    return fail(Code::kInvalid,
                "{}: the keys of the sealed file {}, which devices look for as target '{}': leave "
                "out --target",
                file, trust::hex(keys->file_id()), found.front());
  }
  const auto manifest = trust::Manifest::parse(bytes, file);
  const std::string own =
      manifest.ok() ? fmt::format("{}/{}/manifest.json", manifest->model, manifest->version.text())
                    : target;
  if (target != own || target == "manifest.json")
    return fail(Code::kInvalid,
                "{}: the manifest of a release, which is added with its files: 'polder repo add {} "
                "{}'",
                file, repository.folder(),
                file.find('/') == file.npos ? "." : file.substr(0, file.rfind('/')));
  return std::vector<std::string>{target};
}

Status add_to(Staging& staging, const Args& args) {
  trust::tuf::Repository& repository = staging.repository;
  const auto given = args.positional().subspan(1);
  std::vector<std::string> folders, files;
  for (const std::string& one : given) {
    TRY_VALUE(const EntryKind kind, entry_kind(one));
    (kind == EntryKind::kFolder ? folders : files).push_back(one);
  }
  if (args.has("--target") && !folders.empty())
    return fail(Code::kInvalid, "--target: a release has its own, MODEL/VERSION/manifest.json");
  if (args.has("--target") && files.size() > 1)
    return fail(Code::kInvalid, "--target: is the name of one file, and {} are given",
                files.size());
  TRY_VALUE(const auto releases, look_at_all(repository, folders));
  for (const NewRelease& release : releases)
    TRY(add_release(staging, release, args.text("--role")));
  // The keys of a sealed file may be of a release that comes with them.
  for (const std::string& file : files) {
    TRY_VALUE(const auto targets, targets_of(repository, file, args));
    for (const std::string& target : targets)
      TRY(repository.add_file(target, file, staging.now_s, args.text("--role")));
  }
  // As when a job is run again: there is nothing to sign.
  TRY_VALUE(const auto staged, repository.staged());
  staging.has_nothing_to_sign =
      files.empty() && staged.empty() && std::ranges::all_of(releases, &NewRelease::is_there);
  return {};
}

Result<int> add(const Args& args) {
  return stage(args, [&](Staging& staging) { return add_to(staging, args); });
}

constexpr Option kRemoveOptions[] = {
    {"--force", "", "also a release that devices are to run, or floors"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// Devices that are to run what is not there take no update at all.
Status check_unassigned(const trust::tuf::Repository& repository, const std::string& target) {
  constexpr std::string_view kAssignments = "assignments/";
  if (!target.ends_with("/manifest.json")) return {};
  // Who is to run what the hub knows, and looks before it asks anybody.
  if (was_pulled(repository.folder())) return {};
  return repository.read_targets(
      kAssignments, trust::kMaxAssignmentBytes,
      [&](const std::string& path, const std::string& bytes) -> Status {
        TRY_VALUE(const auto assignment, trust::Assignment::parse(bytes, path));
        for (const trust::AssignedRelease& release : assignment.releases) {
          if (fmt::format("{}/{}/manifest.json", release.model, release.version.text()) != target)
            continue;
          return fail(Code::kDenied,
                      "target '{}': device '{}' is to run it: 'polder repo assign' another release "
                      "first, or say --force",
                      clipped(target), assignment.device);
        }
        return {};
      });
}

// Whoever has read them holds to them, and whoever comes later would not.
Status check_no_floors(const trust::tuf::Repository& repository, const std::string& target) {
  if (target != trust::kFloorsTarget) return {};
  TRY_VALUE(const trust::Floors floors, repository.published_floors());
  if (floors.floors.empty()) return {};
  return fail(Code::kDenied,
              "target '{}': has the published floors of {} models, and floors only rise: 'polder "
              "repo floor' raises one; to take all of them away, from devices that come later, say "
              "--force",
              target, floors.floors.size());
}

// With the one that may be meant: of a release its manifest.
Error not_there(const trust::tuf::Repository& repository, const std::string& target) {
  std::vector<std::string_view> names;
  const auto targets = repository.targets();
  if (!targets.ok()) return targets.error();
  for (const auto& [name, role] : *targets) names.push_back(name);
  std::string near = target + "/manifest.json";
  if (!targets->contains(near)) near = nearest_name(target, names);
  return fail(Code::kNotFound, "TARGET: '{}' is not there; {}'polder repo show {}' lists releases",
              clipped(target),
              near.empty() ? std::string() : fmt::format("did you mean '{}'? ", one_line(near)),
              one_line(repository.folder()));
}

Result<int> remove(const Args& args) {
  return stage(args, [&](Staging& staging) -> Status {
    const std::string& target = args.positional()[1];
    staging.may_lower_floors = args.has("--force");
    if (!args.has("--force")) {
      TRY(check_unassigned(staging.repository, target));
      TRY(check_no_floors(staging.repository, target));
    }
    Status done = staging.repository.remove_target(target, staging.now_s);
    if (!done.ok() && done.error().code == Code::kNotFound)
      return not_there(staging.repository, target);
    return done;
  });
}

}  // namespace

const Command kRepoAdd = {
    .name = "repo add",
    .summary =
        "Adds release folders, or files as targets, to a repository: all of them or none. They are "
        "copied, and the role\nthat signs them is staged. Of a release its manifest is the target, "
        "MODEL/VERSION/manifest.json, and every blob is checked.\nThe keys of a sealed file "
        "(FILE.keys) go to the releases that have it. A target of the same name is replaced.\n"
        "From 1,000 targets on a role's targets lie in 256 hash bins.",
    .arguments = "FOLDER FILE...",
    .example =
        "  polder repo add repo people-1.2.0 doors-2.0.0 --key targets.pem\n"
        "  polder repo add repo notes.txt --target people/notes.txt --key targets.pem",
    .options = kAddOptions,
    .min_positional = 2,
    .max_positional = 1 + kMaxAdded,
    .run = add};

const Command kRepoRemove = {
    .name = "repo remove",
    .summary = "Takes a target out of a repository. Its file stays for clients that are at it.",
    .arguments = "FOLDER TARGET",
    .example = "  polder repo remove repo people/1.0.0/manifest.json",
    .options = kRemoveOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = remove};

}  // namespace polder::cli
