// polder release sign: signs a model in the OpenSSF model-signing format.
#include <cstdio>

#include "base/fail.h"
#include "cli/act_log.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/passphrase.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/model_signing.h"
#include "trust/signer.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--key", "KEY", "the private key, ECDSA P-256: FILE, pkcs11:... or tpm:HANDLE"},
    {"--signature", "FILE", "where the signature goes (default: MODEL/model.sig, or MODEL.sig)"},
    POLDER_AUDIT_LOG_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what was signed as JSON"}};

// What is there already is a signature, which is replaced, and no file of a model.
Status check_signature_place(const std::string& path) {
  if (!open_readable(path)) return {};  // nothing, or a device
  const auto there = read_file(path, trust::kMaxBundleBytes);
  if (there && trust::is_bundle(*there)) return {};
  return fail(Code::kDenied, "{}: is there and no signature: give the signature another name",
              path);
}

Result<int> run(const Args& args) {
  const std::string& model = args.positional()[0];
  if (!args.has("--key")) {
    return fail(Code::kInvalid,
                "which key is to sign? --key KEY; 'polder keys create --type p256' makes one");
  }
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(const EntryKind kind, entry_kind(model));
  const std::string beside = model + (kind == EntryKind::kFolder ? "/model.sig" : ".sig");
  const std::string path = args.text("--signature", beside);
  TRY(check_output(path, args, "--signature"));
  TRY(check_signature_place(path));
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  TRY_VALUE(const auto signer, trust::open_signer(args.text("--key"), passphrase.source()));
  TRY_VALUE(const std::string bundle, trust::sign_model(model, path, *signer));
  // A token or TPM that errs must not be believed.
  TRY_VALUE(const trust::SignedModel signed_model,
            trust::verify_bundle(bundle, signer->public_key(), path));
  TRY(write_file_atomic(path, bundle));
  const std::string key_id = signer->public_key().id();
  TRY(acts.add(trust::Act::kReleaseSigned, model, {&key_id, 1},
               {{"signature", path}, {"signature_sha256", trust::hex(trust::sha256(bundle))}}));
  if (args.has("--json")) {
    const trust::Json::Members result{{"signature", path},
                                      {"keyid", signer->public_key().id()},
                                      {"files", std::int64_t(signed_model.files.size())}};
    fmt::print("{}\n", trust::Json(result).pretty());
  } else {
    fmt::print("{}: {} file{} signed\n", path, signed_model.files.size(),
               signed_model.files.size() == 1 ? "" : "s");
  }
  return 0;
}

}  // namespace

const Command kReleaseSign = {
    .name = "release sign",
    .summary =
        "Signs a model, a file or a folder, in the OpenSSF model-signing format.\nThe signature "
        "lists every file with its SHA-256; model-signing and Sigstore's verifiers read it.",
    .arguments = "MODEL",
    .example =
        "  polder release sign people.onnx --key release.pem\n"
        "  model_signing verify key people.onnx --signature people.onnx.sig --public_key r.pub.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
