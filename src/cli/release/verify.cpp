// polder release verify: checks a release folder, or a model against its signature in the OpenSSF
// model-signing format.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/release/common.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/model_signing.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr std::size_t kMaxPemBytes = 16 * 1024;

constexpr Option kOptions[] = {
    {"--public-key", "FILE", "the public key in PEM, ECDSA P-256, of a model's signature"},
    {"--signature", "FILE", "the signature (default: MODEL/model.sig, or MODEL.sig)"},
    {"--json", "", "prints what was found as JSON"}};

Result<trust::SignedModel> verify_signature(const Args& args, const std::string& path,
                                            EntryKind kind) {
  TRY_VALUE(const std::string pem, read_file(args.text("--public-key"), kMaxPemBytes));
  auto key = trust::PublicKey::from_pem(pem);
  if (!key) return std::move(key).error().at(args.text("--public-key"));
  const std::string beside = path + (kind == EntryKind::kFolder ? "/model.sig" : ".sig");
  return trust::verify_model(path, args.text("--signature", beside), *key);
}

Json::Members signature_json(const trust::SignedModel& model) {
  Json::Array files;
  for (const trust::SignedFile& file : model.files) {
    files.emplace_back(Json::Members{{"path", file.path}, {"sha256", trust::hex(file.sha256)}});
  }
  return {{"model", model.name}, {"files", std::move(files)}};
}

void print_signature(const std::string& path, const trust::SignedModel& model) {
  fmt::print("{}: {} file{}, all as signed\n", one_line(path), model.files.size(),
             model.files.size() == 1 ? "" : "s");
}

// What a release folder is made of, and what its models compute.
Result<int> verify_folder(const Args& args, const std::string& path, Json::Members json) {
  TRY_VALUE(const auto release, trust::open_release(path));
  TRY_VALUE(const auto problems, trust::check_release(release));
  std::vector<release::GoldenResult> goldens;
  std::vector<release::LimitsResult> limits;
  if (problems.empty()) {
    TRY_VALUE(goldens, release::try_goldens(release));
  }
  // What this machine misses is nothing that is wrong with the folder.
  if (problems.empty() && all_hold(goldens)) {
    TRY_VALUE(limits, release::try_limits(release));
  }
  const bool good = problems.empty() && all_hold(goldens);
  if (args.has("--json")) {
    Json::Array list;
    for (const std::string& problem : problems) list.emplace_back(problem);
    json.merge(release_json(release));
    json["good"] = good;
    json["problems"] = std::move(list);
    json["goldens"] = goldens_json(goldens);
    json["limits"] = limits_json(limits);
    fmt::print("{}", Json(std::move(json)).pretty());
    return good ? 0 : 1;
  }
  for (const std::string& problem : problems) fmt::print("  {}\n", one_line(problem));
  print_goldens(goldens);
  print_limits(limits);
  fmt::print("{}: {} {}, {} blobs: {}\n", one_line(path), release.manifest.model,
             release.manifest.version.text(), release.manifest.blobs.size(),
             good ? "good" : "not good");
  return good ? 0 : 1;
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const EntryKind kind, entry_kind(path));
  const bool is_release = kind == EntryKind::kFolder && entry_kind(path + "/manifest.json").ok();
  const bool json = args.has("--json"), has_key = args.has("--public-key");
  if (!has_key && (!is_release || args.has("--signature"))) {
    return fail(Code::kInvalid, "whose signature is expected? --public-key FILE");
  }
  Json::Members found;
  if (has_key) {
    TRY_VALUE(const trust::SignedModel model, verify_signature(args, path, kind));
    found = signature_json(model);
    if (!json) print_signature(path, model);
  }
  if (is_release) return verify_folder(args, path, std::move(found));
  if (json) fmt::print("{}\n", Json(std::move(found)).pretty());
  return 0;
}

}  // namespace

const Command kReleaseVerify = {
    .name = "release verify",
    .summary =
        "Checks that a release folder is whole, or a model exactly what was signed.\nOf a release "
        "every blob is hashed, every golden and limit tried again. With a public key it reads "
        "signatures "
        "of\n'polder release sign' and of model-signing, of a file or a folder.",
    .arguments = "MODEL",
    .example =
        "  polder release verify people-1.2.0\n"
        "  polder release verify people --public-key release.pub.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
