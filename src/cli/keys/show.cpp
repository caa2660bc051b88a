// polder keys show: what a key is, and by which identifiers it is known.
#include "base/fail.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "cli/passphrase.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {POLDER_PASSPHRASE_OPTION,
                               {"--json", "", "prints the same as JSON, with the public key"}};

Result<int> run(const Args& args) {
  const std::string& uri = args.positional()[0];
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const trust::OpenedPublicKey opened, trust::open_public_key(uri, passphrase.source()));
  print_key(opened.key, uri, opened.from_private, args.has("--json"));
  return 0;
}

}  // namespace

const Command kKeysShow = {
    .name = "keys show",
    .summary =
        "Shows what a key is and by which identifiers it is known. These are its scheme, its id in "
        "TUF\nmetadata and the SHA-256 fingerprint of its public half (SubjectPublicKeyInfo). KEY "
        "is a "
        "private\nkey (FILE, pkcs11:..., tpm:HANDLE) or a public one in PEM.",
    .arguments = "KEY",
    .example =
        "  polder keys show root-1.pub.pem\n"
        "  polder keys show 'pkcs11:token=release;object=targets-1' --json",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
