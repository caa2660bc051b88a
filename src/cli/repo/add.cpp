// polder repo add and remove: targets of a repository.
#include "base/fail.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"

namespace polder::cli {

namespace {

constexpr Option kAddOptions[] = {
    {"--target", "PATH", "the name under which clients ask for the file (default: its own name)"},
    {"--role", "ROLE", "the role that signs it (default: the one whose paths cover it)"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

Result<int> add(const Args& args) {
  const std::string& file = args.positional()[1];
  TRY_VALUE(auto repository, trust::tuf::Repository::open(args.positional()[0]));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  const std::string name = file.substr(file.rfind('/') + 1);
  TRY(repository.add_file(args.text("--target", name), file, now_s, args.text("--role")));
  return finish_staging(repository, args);
}

constexpr Option kRemoveOptions[] = {POLDER_REPO_SIGN_OPTION,
                                     POLDER_PASSPHRASE_OPTION,
                                     {"--json", "", "prints what is staged as JSON"}};

Result<int> remove(const Args& args) {
  TRY_VALUE(auto repository, trust::tuf::Repository::open(args.positional()[0]));
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY(repository.remove_target(args.positional()[1], now_s));
  return finish_staging(repository, args);
}

}  // namespace

const Command kRepoAdd = {
    .name = "repo add",
    .summary =
        "Adds a file to a repository as a target. It is copied, and the role that signs it is "
        "staged.\nA target of the same name is replaced. From 1,000 targets on a role's targets "
        "lie in 256 hash bins.",
    .arguments = "FOLDER FILE",
    .example =
        "  polder repo add repo manifest.json --target people/1.0.0/manifest.json --key t.pem",
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
