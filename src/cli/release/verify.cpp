// polder release verify: checks a model against its signature in the OpenSSF model-signing format.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/model_signing.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxPemBytes = 16 * 1024;

constexpr Option kOptions[] = {
    {"--public-key", "FILE", "the public key in PEM, ECDSA P-256"},
    {"--signature", "FILE", "the signature (default: MODEL/model.sig, or MODEL.sig)"},
    {"--json", "", "prints the files and their digests as JSON"}};

void print_json(const trust::SignedModel& model) {
  trust::Json::Array files;
  for (const trust::SignedFile& file : model.files) {
    const trust::Json entry =
        trust::Json::Members{{"path", file.path}, {"sha256", trust::hex(file.sha256)}};
    files.push_back(entry);
  }
  const trust::Json::Members result{{"model", model.name}, {"files", std::move(files)}};
  fmt::print("{}\n", trust::Json(result).pretty());
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  if (!args.has("--public-key")) {
    return fail(Code::kInvalid, "whose signature is expected? --public-key FILE");
  }
  TRY_VALUE(const std::string pem, read_file(args.text("--public-key"), kMaxPemBytes));
  auto key = trust::PublicKey::from_pem(pem);
  if (!key) return std::move(key).error().at(args.text("--public-key"));
  TRY_VALUE(const EntryKind kind, entry_kind(path));
  const std::string beside = path + (kind == EntryKind::kFolder ? "/model.sig" : ".sig");
  TRY_VALUE(const trust::SignedModel model,
            trust::verify_model(path, args.text("--signature", beside), *key));
  if (args.has("--json")) {
    print_json(model);
  } else {
    fmt::print("{}: {} file{}, all as signed\n", one_line(path), model.files.size(),
               model.files.size() == 1 ? "" : "s");
  }
  return 0;
}

}  // namespace

const Command kReleaseVerify = {
    .name = "release verify",
    .summary =
        "Checks that a model, a file or a folder, is exactly what was signed.\nReads signatures "
        "of 'polder release sign' and of model-signing with a key.",
    .arguments = "MODEL",
    .example = "  polder release verify people --public-key release.pub.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
