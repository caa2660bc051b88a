// polder repo sign, publish and discard: what is staged becomes public, or is forgotten.
#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/changes.h"
#include "cli/repo/common.h"
#include "cli/repo/expiry.h"
#include "cli/repo/pushed.h"
#include "cli/repo/staging.h"
#include "platform/file.h"
#include "trust/tuf_limits.h"

namespace polder::cli {

namespace {

constexpr Option kSignOptions[] = {
    {"--key", "KEY", "the private key: FILE, pkcs11:... or tpm:HANDLE", true},
    {"--force", "", "also floors that are lower than the published ones, or gone"},
    {"--without-files", "", "the files of targets are elsewhere: signs without a look at them"},
    POLDER_AUDIT_LOG_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

Result<int> sign(const Args& args) {
  if (!args.has("--key")) return fail(Code::kInvalid, "--key names the key that is to sign");
  return stage(args, [&](Staging& staging) -> Status {
    staging.may_lower_floors = args.has("--force");
    TRY_VALUE(const auto staged, staging.repository.staged());
    if (!staged.empty()) return {};
    return fail(Code::kNotFound, "{}: nothing is staged to be signed", staging.repository.folder());
  });
}

constexpr Option kPublishOptions[] = {
    {"--key", "KEY", "a private key of snapshot and timestamp", true},
    {"--force", "",
     "also what no device would take (expired, without its files, of an early clock), and what a "
     "hub has published so far"},
    POLDER_AUDIT_LOG_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what was published, and the roles, as JSON"}};

// The timestamp names all else that was published by its digest.
Status record_published(const trust::tuf::Repository& repository,
                        const std::vector<trust::tuf::RoleState>& roles,
                        const std::vector<std::string>& key_ids, ActLog& acts) {
  constexpr std::size_t kNamed = 64;
  TRY_VALUE(const std::string timestamp, read_file(repository.folder() + "/metadata/timestamp.json",
                                                   trust::tuf::kMaxTimestampBytes));
  trust::Json::Members versions;
  for (const trust::tuf::RoleState& role : roles) {
    if (versions.size() < kNamed) versions[role.role] = role.version;
  }
  return acts.add(trust::Act::kReleasePublished, repository.folder(), key_ids,
                  {{"timestamp_sha256", trust::hex(trust::sha256(timestamp))},
                   {"versions", std::move(versions)}});
}

Result<int> publish(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(auto repository, trust::tuf::Repository::open(folder_of(args)));
  if (was_pulled(repository.folder()) && !args.has("--force"))
    return fail(Code::kDenied,
                "{}: was pulled from a hub, which publishes it: 'polder hub push {}' asks for what "
                "is staged; to publish it without the hub from here, say --force",
                repository.folder(), repository.folder());
  TRY_VALUE(const GivenSigners signers, GivenSigners::of(args));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY_VALUE(const KeyNames names, KeyNames::of(repository.folder()));
  if (!args.has("--force")) {
    if (Status good = repository.check_publishable(now_s); !good.ok()) {
      return fail(good.error().code, "{}; nothing was published", good.error().message);
    }
  }
  TRY_VALUE(const auto changes, repository.changes());
  // What is in them was told to whoever signed it.
  if (!args.has("--json")) print_versions(stderr, changes);
  if (Status done = repository.publish(signers.pointers(), now_s); !done.ok()) {
    return names.beside(std::move(done).error());
  }
  TRY_VALUE(const auto roles, repository.roles());
  TRY(record_published(repository, roles, signers.ids(), acts));
  const auto warnings = trust::tuf::expiring(trust::tuf::expiry_of(roles), repository.profile(),
                                             repository.folder(), now_s);
  if (args.has("--json")) {
    trust::Json::Members versions, expires;
    for (const trust::tuf::RoleState& role : roles) {
      versions[role.role] = role.version;
      expires[role.role] = trust::tuf::time_text(role.expires_s);
    }
    fmt::print("{}",
               trust::Json(trust::Json::Members{{"repository", repository.folder()},
                                                {"changes", trust::tuf::to_json(changes)},
                                                {"versions", std::move(versions)},
                                                {"expires", std::move(expires)},
                                                {"warnings", trust::tuf::expiring_json(warnings)}})
                   .pretty());
    return 0;
  }
  for (const trust::tuf::RoleState& role : roles) {
    if (role.role != "timestamp") continue;
    fmt::print("published: timestamp version {}, good until {}; {} roles\n", role.version,
               trust::tuf::time_text(role.expires_s), roles.size());
  }
  print_expiring(stderr, warnings);
  return 0;
}

constexpr Option kDiscardOptions[] = {{"--json", "", "prints what is staged as JSON"}};

// What is forgotten, before it is.
std::string waiting(const trust::tuf::Repository& repository) {
  const auto staged = repository.staged();
  if (!staged.ok()) return "what was staged, and could not be read, is forgotten";
  if (staged->empty()) return "nothing was staged, so nothing is forgotten";
  constexpr std::size_t kNamed = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(staged->size(), kNamed); ++i)
    names +=
        fmt::format("{}{} version {}", i == 0 ? "" : ", ", (*staged)[i].role, (*staged)[i].version);
  return fmt::format("forgotten, and never published: {}{}", names,
                     staged->size() > kNamed ? ", ..." : "");
}

Result<int> discard(const Args& args) {
  TRY_VALUE(auto repository, trust::tuf::Repository::open(folder_of(args)));
  const std::string what = waiting(repository);
  const auto staged = repository.staged();
  const auto asked = staged.ok() ? pushed(repository.folder(), *staged) : std::vector<Pushed>();
  TRY(repository.discard());
  TRY(forget_pushed(repository.folder()));
  if (!args.has("--json")) fmt::print("{}: {}\n", one_line(repository.folder()), what);
  for (const Pushed& one : asked)
    fmt::print(args.has("--json") ? stderr : stdout,
               "pushed to {}, where it waits unless that was decided: 'polder hub reject {}' takes "
               "it back\n",
               one_line(one.hub), one_line(one.approval));
  return args.has("--json") ? show_staging(repository, args) : Result<int>(0);
}

}  // namespace

const Command kRepoSign = {
    .name = "repo sign",
    .summary =
        "Signs what is staged with a key, on whichever machine has it. It needs repository.toml, "
        "staged/\nand metadata/ of the folder alone, and to look at new targets their files: carry "
        "these to an offline\nmachine, and staged/ back. What changes by it is shown first.",
    .arguments = "FOLDER",
    .example =
        "  polder repo sign repo --key root-1.pem\n"
        "  polder repo sign repo --key 'pkcs11:token=release;object=targets-1'",
    .options = kSignOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = sign};

const Command kRepoPublish = {
    .name = "repo publish",
    .summary =
        "Makes what is staged public, with a new snapshot and timestamp. Nothing staged: a new "
        "timestamp.\nWhich roles change is told first, and 'polder repo show' tells what in them. "
        "All is checked before the first file is "
        "written, and "
        "clients see all\nof it or nothing. Any web server or a USB stick can serve metadata/, "
        "targets/ and blobs/.",
    .arguments = "FOLDER",
    .example = "  polder repo publish repo --key online.pem",
    .options = kPublishOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = publish};

const Command kRepoDiscard = {
    .name = "repo discard",
    .summary =
        "Forgets what is staged and not published, and removes the "
        "files that came with it.\nWhat is published stays as it is, and "
        "what was pushed to a hub waits there: 'polder hub\nreject' takes "
        "it back.",
    .arguments = "FOLDER",
    .example = "  polder repo discard repo",
    .options = kDiscardOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = discard};

}  // namespace polder::cli
