// polder repo add and remove: releases and other targets of a repository.
#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "platform/folder.h"
#include "trust/assignment.h"
#include "trust/release_folder.h"

namespace polder::cli {

namespace {

constexpr Option kAddOptions[] = {
    {"--target", "PATH", "the name under which clients ask for the file (default: its own name)"},
    {"--role", "ROLE", "the role that signs it (default: the one whose paths cover it)"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// The release's blobs, and its manifest as a target. A release never changes; whether it was there
// already.
Result<bool> add_release(trust::tuf::Repository& repository, const std::string& folder,
                         std::int64_t now_s, const std::string& role) {
  TRY_VALUE(const auto release, trust::open_release(folder));
  TRY_VALUE(const auto problems, trust::check_release(release));
  if (!problems.empty()) {
    return fail(Code::kCorrupt, "{}{}", problems[0],
                problems.size() == 1 ? "" : fmt::format("; and {} more", problems.size() - 1));
  }
  const trust::Manifest& manifest = release.manifest;
  TRY_VALUE(const trust::Floors floors, floors_of(repository));
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
  for (const auto& [digest, blob] : manifest.blobs)
    TRY(repository.add_blob(release.blob_path(digest), digest));
  for (const trust::Artifact& artifact : manifest.artifacts) {
    if (!artifact.sealed) continue;
    TRY(repository.add_file(trust::sealed_keys_target(manifest, artifact.sealed->file_id),
                            folder + "/" + trust::sealed_keys_place(artifact.sealed->file_id),
                            now_s, role));
  }
  TRY(repository.add_bytes(release.target(), release.manifest_bytes, now_s, role));
  if (!there) return false;
  fmt::print(stderr, "polder: {} {} is there already\n", manifest.model, manifest.version.text());
  return true;
}

Result<int> add(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  const std::string& file = args.positional()[1];
  TRY_VALUE(auto repository, trust::tuf::Repository::open(folder_of(args)));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY_VALUE(const EntryKind kind, entry_kind(file));
  if (kind == EntryKind::kFolder) {
    if (args.has("--target")) {
      return fail(Code::kInvalid, "--target: a release has its own, MODEL/VERSION/manifest.json");
    }
    TRY_VALUE(const bool there, add_release(repository, file, now_s, args.text("--role")));
    // As when a job is run again: there is nothing to sign.
    TRY_VALUE(const auto staged, repository.staged());
    if (there && staged.empty()) return show_staging(repository, args);
  } else {
    const std::string name = file.substr(file.rfind('/') + 1);
    TRY(repository.add_file(args.text("--target", name), file, now_s, args.text("--role")));
  }
  return finish_staging(repository, args, acts);
}

constexpr Option kRemoveOptions[] = {{"--force", "", "also a release that devices are to run"},
                                     POLDER_REPO_SIGN_OPTION,
                                     POLDER_PASSPHRASE_OPTION,
                                     {"--json", "", "prints what is staged as JSON"}};

// Devices that are to run what is not there take no update at all.
Status check_unassigned(const trust::tuf::Repository& repository, const std::string& target) {
  constexpr std::string_view kAssignments = "assignments/";
  if (!target.ends_with("/manifest.json")) return {};
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

Result<int> remove(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(auto repository, trust::tuf::Repository::open(folder_of(args)));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  const std::string& target = args.positional()[1];
  if (!args.has("--force")) TRY(check_unassigned(repository, target));
  TRY(repository.remove_target(target, now_s));
  return finish_staging(repository, args, acts);
}

}  // namespace

const Command kRepoAdd = {
    .name = "repo add",
    .summary =
        "Adds a release folder, or a file as a target, to a repository. It is copied, and the role "
        "that signs it\nis staged. Of a release its manifest is the target, "
        "MODEL/VERSION/manifest.json, and every blob is checked.\nA file's target of the same "
        "name is replaced. From 1,000 targets on a role's targets lie in 256 hash bins.",
    .arguments = "FOLDER FILE",
    .example =
        "  polder repo add repo people-1.2.0 --key targets.pem\n"
        "  polder repo add repo notes.txt --target people/notes.txt --key targets.pem",
    .options = kAddOptions,
    .min_positional = 2,
    .max_positional = 2,
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
