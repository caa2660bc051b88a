// polder keys passphrase: encrypts the key of a file with another passphrase.
#include "cli/passphrase.h"
#include "base/fail.h"
#include "cli/act_log.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--passphrase-fd", "N",
     "reads the old passphrase and, from the next line, the new one from file descriptor N "
     "(default: POLDER_PASSPHRASE and POLDER_NEW_PASSPHRASE, or prompts)",
     false, whole<0, 65535>},
    {"--no-passphrase", "", "the key is no longer encrypted: whoever reads the file has it"},
    POLDER_AUDIT_LOG_OPTION,
    {"--json", "", "prints what keys show prints, as JSON"}};

Result<int> run(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(CommandPassphrase before, CommandPassphrase::before(args));
  TRY_VALUE(CommandPassphrase after, CommandPassphrase::of(args, "POLDER_NEW_PASSPHRASE"));
  const std::string& path = args.positional()[0];
  TRY_VALUE(const trust::PublicKey key,
            trust::change_passphrase(path, before.source(), after.source()));
  const std::string key_id = key.id();
  TRY(acts.add(trust::Act::kKeyPassphraseChanged, path, {&key_id, 1},
               {{"encrypted", !args.has("--no-passphrase")}}));
  print_key(key, path, true, args.has("--json"));
  return 0;
}

}  // namespace

const Command kKeysPassphrase = {
    .name = "keys passphrase",
    .summary =
        "Changes the passphrase of a private key in a file. The file is replaced when the new one "
        "is\ncomplete; copies of the old file still open with the old passphrase.",
    .arguments = "FILE",
    .example =
        "  polder keys passphrase root-1.pem\n"
        "  polder keys passphrase root-1.pem --passphrase-fd 3 3<passphrases.txt",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
