// polder keys create: makes a private key in a file, on a token or in the TPM.
#include <cstdio>

#include "base/fail.h"
#include "cli/act_log.h"
#include "cli/commands.h"
#include "cli/keys/describe.h"
#include "cli/passphrase.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr std::string_view kTypes[] = {"ed25519", "p256", "rsa"};

Status check_pkcs11(std::string_view option, const std::string& value) {
  if (value.starts_with("pkcs11:")) return {};
  return fail(Code::kInvalid, "{}: pkcs11:token=NAME;object=KEY is expected, '{}' given", option,
              value);
}

constexpr Option kOptions[] = {
    {"--type", "TYPE", "ed25519, p256 or rsa (default: ed25519 in a file, else p256)", false,
     one_of<kTypes>},
    {"--output", "FILE", "the file to make, of mode 0600; never one that is there"},
    {"--pkcs11", "URI", "makes it on this token: pkcs11:token=NAME;object=KEY", false,
     check_pkcs11},
    {"--tpm", "HANDLE", "makes it in the TPM, under this persistent handle: 0x81000001"},
    POLDER_PASSPHRASE_OPTION,
    POLDER_NO_PASSPHRASE_OPTION,
    POLDER_AUDIT_LOG_OPTION,
    {"--json", "", "prints the public key and its identifiers as JSON"}};

// Where the key is to be, as a URI.
Result<std::string> place_of(const Args& args) {
  const int count = args.has("--output") + args.has("--pkcs11") + args.has("--tpm");
  if (count != 1)
    return fail(Code::kInvalid,
                "one of --output FILE, --pkcs11 URI and --tpm HANDLE says where the "
                "key is to be; {} given",
                count);
  if (args.has("--output")) return "file:" + args.text("--output");
  if (args.has("--tpm")) return "tpm:" + args.text("--tpm");
  return args.text("--pkcs11");
}

trust::Scheme scheme_of(const Args& args) {
  const std::string type = args.text("--type", args.has("--output") ? "ed25519" : "p256");
  if (type == "ed25519") return trust::Scheme::kEd25519;
  if (type == "p256") return trust::Scheme::kEcdsaP256;
  return trust::Scheme::kRsaPss;
}

Result<int> run(const Args& args) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(const std::string uri, place_of(args));
  const trust::Scheme scheme = scheme_of(args);
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const trust::PublicKey key, trust::create_key(uri, scheme, passphrase.source()));
  const std::string key_id = key.id();
  TRY(acts.add(trust::Act::kKeyCreated, uri, {&key_id, 1},
               {{"scheme", std::string(trust::scheme_name(key.scheme()))}}));
  // A TPM does not tell whether a key has a passphrase; its name does.
  const bool asks = args.has("--tpm") && !args.has("--no-passphrase") && !uri.ends_with("?pass");
  print_key(key, asks ? uri + "?pass" : uri, true, args.has("--json"));
  return 0;
}

}  // namespace

const Command kKeysCreate = {
    .name = "keys create",
    .summary =
        "Makes a private key in a file, on a PKCS#11 token or in the TPM. A file is encrypted "
        "with "
        "a\npassphrase, which is asked for; on a token and in a TPM the key is made there and "
        "never "
        "leaves it.\nAn RSA key has 3,072 bits.",
    .arguments = "",
    .example =
        "  polder keys create --output root-1.pem\n"
        "  polder keys create --type p256 --output device.pem --no-passphrase\n"
        "  polder keys create --pkcs11 'pkcs11:token=release;object=targets-1'\n"
        "  polder keys create --tpm 0x81000001 --no-passphrase",
    .options = kOptions,
    .run = run};

}  // namespace polder::cli
