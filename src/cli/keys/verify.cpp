// polder keys verify: whether a signature over a file is a key's.
#include <cstdio>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "cli/passphrase.h"
#include "platform/file.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxFileBytes = 256u << 20, kMaxSignatureBytes = 8192;

constexpr Option kOptions[] = {POLDER_PASSPHRASE_OPTION,
                               {"--json", "", "prints the key as JSON when the signature is its"}};

Result<int> run(const Args& args) {
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  const std::string &uri = args.positional()[0], &file = args.positional()[1],
                    &signature_file = args.positional()[2];
  TRY_VALUE(const std::string message, read_file(file, kMaxFileBytes));
  TRY_VALUE(const std::string signature, read_file(signature_file, kMaxSignatureBytes));
  TRY_VALUE(const trust::OpenedPublicKey opened, trust::open_public_key(uri, passphrase.source()));
  if (!opened.key.verify(message, signature).ok()) {
    return fail(Code::kDenied,
                "{}: no signature of {} over {}; another key, another file, or one of them has "
                "changed",
                signature_file, uri, file);
  }
  if (args.has("--json")) print_key(opened.key, uri, opened.from_private, true);
  else fmt::print("{}: signed by {}\n", file, opened.key.id());
  return 0;
}

}  // namespace

const Command kKeysVerify = {
    .name = "keys verify",
    .summary =
        "Tells whether SIGNATURE, as 'polder keys sign --output' writes it, is KEY's over FILE.",
    .arguments = "KEY FILE SIGNATURE",
    .example = "  polder keys verify device.pub.pem notes.txt notes.sig",
    .options = kOptions,
    .min_positional = 3,
    .max_positional = 3,
    .run = run};

}  // namespace polder::cli
