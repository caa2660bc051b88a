// polder keys sign: signs the bytes of a file, to see that a key works.
#include <cstdio>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "cli/output_file.h"
#include "cli/passphrase.h"
#include "platform/file.h"
#include "trust/digest.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxFileBytes = 256u << 20;

constexpr Option kOptions[] = {
    {"--output", "FILE", "writes the signature's bytes there (default: base64 on stdout)"},
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints the key's id, scheme and the signature in base64 as JSON"}};

Result<int> run(const Args& args) {
  TRY(check_output(args, "--output"));
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const std::string message, read_file(args.positional()[1], kMaxFileBytes));
  TRY_VALUE(const auto signer, trust::open_signer(args.positional()[0], passphrase.source()));
  TRY_VALUE(const std::string signature, signer->sign(message));
  // A token or TPM that errs must not be believed.
  TRY(signer->public_key().verify(message, signature));
  if (args.has("--output")) TRY(write_file_atomic(args.text("--output"), signature));
  if (args.has("--json")) {
    const trust::PublicKey& key = signer->public_key();
    fmt::print("{}\n",
               trust::Json(trust::Json::Members{{"keyid", key.id()},
                                                {"scheme", trust::scheme_name(key.scheme())},
                                                {"signature", trust::base64(signature)}})
                   .pretty());
  } else if (!args.has("--output")) {
    fmt::print("{}\n", trust::base64(signature));
  }
  return 0;
}

}  // namespace

const Command kKeysSign = {
    .name = "keys sign",
    .summary =
        "Signs the bytes of a file with a private key. Ed25519, ECDSA (SHA-256, in DER) or RSA-PSS "
        "(SHA-256).\nIt shows that a key works; releases are signed with 'polder repo' and 'polder "
        "release'.",
    .arguments = "KEY FILE",
    .example =
        "  polder keys sign tpm:0x81000001 notes.txt --output notes.sig\n"
        "  openssl dgst -sha256 -verify device.pub.pem -signature notes.sig notes.txt",
    .options = kOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = run};

}  // namespace polder::cli
