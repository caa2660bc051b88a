// polder repo init: begins a repository.
#include "base/fail.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "cli/repo/staging.h"

namespace polder::cli {

namespace {

constexpr std::string_view kProfiles[] = {"hub", "static"};

constexpr Option kOptions[] = {
    {"--root-key", "PUB.pem", "a public key of root", true},
    {"--root-threshold", "N", "how many of them must sign (default: 2)", false, whole<1, 256>,
     true},
    {"--targets-key", "PUB.pem", "a public key that signs releases, offline", true},
    {"--targets-threshold", "N", "how many of them must sign (default: 1)", false, whole<1, 256>,
     true},
    {"--snapshot-key", "PUB.pem", "a public key of snapshot (default: those of timestamp)", true},
    {"--timestamp-key", "PUB.pem", "a public key of timestamp, of the hub or of the releaser",
     true},
    {"--profile", "NAME",
     "hub: timestamps hold a day; static: the releaser makes them, they hold half a year (default: "
     "static)",
     false, one_of<kProfiles>},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

Result<int> run(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  trust::tuf::TopLevelTrust trust;
  TRY_VALUE(trust.root, trust_of(args, "--root-key", "--root-threshold", 2));
  TRY_VALUE(trust.targets, trust_of(args, "--targets-key", "--targets-threshold", 1));
  TRY_VALUE(trust.timestamp, trust_of(args, "--timestamp-key", "", 1));
  trust.snapshot = trust.timestamp;
  if (args.has("--snapshot-key")) {
    TRY_VALUE(trust.snapshot, trust_of(args, "--snapshot-key", "", 1));
  }
  TRY_VALUE(const trust::tuf::Profile profile,
            trust::tuf::profile(args.text("--profile", "static")));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  auto created = trust::tuf::Repository::create(folder_of(args), trust, profile, now_s);
  if (!created.ok()) return beside_given_keys(std::move(created).error(), args);
  trust::tuf::Repository repository = *std::move(created);
  return stage(args, repository, acts, [&](Staging& staging) -> Status {
    staging.note(trust::Act::kRepositoryCreated, repository.folder(),
                 {{"profile", profile.name},
                  {"root_keys", ids_json(trust.root.keys)},
                  {"targets_keys", ids_json(trust.targets.keys)}});
    return {};
  });
}

}  // namespace

const Command kRepoInit = {
    .name = "repo init",
    .summary =
        "Begins a TUF repository in a folder that is empty or not there. Root and targets are "
        "staged;\nwhoever holds a key signs them with 'polder repo sign', 'polder repo publish' "
        "makes them public.\nFor root give three keys of three people: two of them must agree to "
        "change whom devices trust.",
    .arguments = "FOLDER",
    .example =
        "  polder repo init repo --root-key r1.pub.pem --root-key r2.pub.pem --root-key r3.pub.pem "
        "\\\n    --targets-key t.pub.pem --timestamp-key online.pub.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
