#include "cli/repo/common.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/fail.h"
#include "base/text.h"
#include "cli/passphrase.h"
#include "cli/repo/changes.h"
#include "platform/clock.h"
#include "platform/file.h"

namespace polder::cli {

namespace {

constexpr std::size_t kMaxPemBytes = 64 * 1024;

}  // namespace

std::string folder_of(const Args& args) {
  std::string folder = args.positional()[0];
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

Result<std::vector<trust::PublicKey>> public_keys(const Args& args, std::string_view option) {
  std::vector<trust::PublicKey> keys;
  for (const std::string& path : args.all(option)) {
    TRY_VALUE(const std::string pem, read_file(path, kMaxPemBytes));
    auto key = trust::PublicKey::from_pem(pem);
    if (!key) {
      return fail(key.error().code, "{}: {}; 'polder keys public KEY --output FILE' writes one",
                  path, key.error().message);
    }
    keys.push_back(*std::move(key));
  }
  return keys;
}

Result<trust::tuf::Trust> trust_of(const Args& args, std::string_view keys_option,
                                   std::string_view threshold_option, int fallback) {
  trust::tuf::Trust trust;
  TRY_VALUE(trust.keys, public_keys(args, keys_option));
  if (trust.keys.empty()) {
    return fail(Code::kInvalid, "{}: at least one public key in PEM is needed", keys_option);
  }
  trust.threshold = int(args.integer(threshold_option, fallback));
  return trust;
}

trust::Json ids_json(std::span<const trust::PublicKey> keys) {
  trust::Json::Array ids;
  for (const trust::PublicKey& key : keys) ids.emplace_back(key.id());
  return ids;
}

Result<GivenSigners> GivenSigners::of(const Args& args) {
  GivenSigners result;
  TRY_VALUE(CommandPassphrase passphrase, CommandPassphrase::of(args));
  result.uris_ = args.all("--key");
  for (const std::string& uri : result.uris_) {
    TRY_VALUE(auto signer, trust::open_signer(uri, passphrase.source()));
    result.signers_.push_back(std::move(signer));
  }
  return result;
}

std::vector<trust::Signer*> GivenSigners::pointers() const {
  std::vector<trust::Signer*> pointers;
  pointers.reserve(signers_.size());
  for (const auto& signer : signers_) pointers.push_back(signer.get());
  return pointers;
}

std::vector<std::string> GivenSigners::ids() const {
  std::vector<std::string> ids;
  ids.reserve(signers_.size());
  for (const auto& signer : signers_) ids.push_back(signer->public_key().id());
  return ids;
}

Result<std::int64_t> signing_time() {
  const char* given = std::getenv("SOURCE_DATE_EPOCH");
  if (given == nullptr) return SystemWallClock().now_s();
  const std::string_view text = given;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return fail(Code::kInvalid, "SOURCE_DATE_EPOCH: seconds since 1970 expected, '{}' found",
                clipped(text));
  }
  return seconds;
}

Result<trust::Floors> floors_of(const trust::tuf::Repository& repository) {
  const std::string path(trust::kFloorsTarget);
  auto bytes = repository.read_target(path, trust::kMaxFloorsBytes, "targets");
  if (!bytes.ok() && bytes.error().code == Code::kNotFound) return trust::Floors();
  if (!bytes) return std::move(bytes).error();
  return trust::Floors::parse(*bytes, path);
}

trust::Json staged_json(const std::vector<trust::tuf::Staged>& staged) {
  trust::Json::Array list;
  for (const trust::tuf::Staged& file : staged) {
    trust::Json::Array has_signed(file.signed_keys.begin(), file.signed_keys.end());
    trust::Json::Array open(file.open_keys.begin(), file.open_keys.end());
    list.emplace_back(trust::Json::Members{{"role", file.role},
                                           {"version", file.version},
                                           {"signatures", file.signatures},
                                           {"threshold", file.threshold},
                                           {"complete", file.complete},
                                           {"signed_keys", std::move(has_signed)},
                                           {"open_keys", std::move(open)}});
  }
  return list;
}

void print_staged(const std::vector<trust::tuf::Staged>& staged, const KeyNames& names) {
  constexpr std::size_t kShown = 12;  // hash bins come by the hundred
  if (staged.empty()) {
    fmt::print("nothing is staged\n");
    return;
  }
  std::size_t shown = 0, complete = 0;
  for (const trust::tuf::Staged& file : staged) {
    complete += file.complete;
    if (file.complete && shown >= kShown) continue;
    if (shown++ >= 2 * kShown) continue;
    fmt::print("  staged {} version {}: {} of {} signatures\n", file.role, file.version,
               file.signatures, file.threshold);
    for (const std::string& id : file.signed_keys) fmt::print("    by {}\n", names.beside(id));
    if (file.complete) continue;
    fmt::print("    sign with {} of:\n", file.threshold - file.signatures);
    for (const std::string& id : file.open_keys) fmt::print("      {}\n", names.beside(id));
  }
  if (staged.size() > shown) fmt::print("  ... {} files in all\n", staged.size());
  const bool all = complete == staged.size();
  fmt::print("{}\n", all ? "complete: 'polder repo publish' makes it public"
                         : "not complete: 'polder repo sign' adds signatures, then 'polder repo "
                           "publish'");
}

namespace {

// What a key signed: each role with its version and the digest of its file then. Of hash bins,
// which come by the hundred, how many.
Status record_signature(const trust::tuf::Repository& repository, const std::string& key_id,
                        const std::vector<std::string>& roles, ActLog& acts) {
  constexpr std::size_t kNamed = 32;
  TRY_VALUE(const auto staged, repository.staged());
  trust::Json::Members named;
  for (const trust::tuf::Staged& file : staged) {
    if (std::ranges::find(roles, file.role) == roles.end() || named.size() == kNamed) continue;
    named[file.role] =
        trust::Json::Members{{"version", file.version}, {"sha256", trust::hex(file.digest)}};
  }
  trust::Json::Members details{{"roles", std::move(named)}};
  if (roles.size() > kNamed) details["files"] = std::int64_t(roles.size());
  return acts.add(trust::Act::kRoleSigned, repository.folder(), {&key_id, 1}, std::move(details));
}

// The files of the public keys that a command was given.
Status set_given(KeyNames& names, const Args& args) {
  for (const std::string_view option : {"--root-key", "--targets-key", "--snapshot-key",
                                        "--timestamp-key", "--role-key", "--add"}) {
    TRY_VALUE(const auto keys, public_keys(args, option));
    const std::vector<std::string> files = args.all(option);
    for (std::size_t i = 0; i < keys.size(); ++i) names.set(keys[i].id(), files[i]);
  }
  return {};
}

// Tells what is to be signed. Errors: kDenied for a target whose file is not here or another.
Status look_before_signing(const trust::tuf::Changes& changes, const KeyNames& names,
                           const Args& args) {
  std::size_t unseen = 0;
  for (const auto& change : changes.targets) {
    if (change.problem.empty()) continue;
    ++unseen;
    if (args.has("--without-files")) continue;
    return fail(Code::kDenied,
                "{}; nothing was signed: are the files of targets elsewhere, say 'polder repo sign "
                "--without-files'",
                change.problem);
  }
  if (!args.has("--json")) print_changes(stderr, changes, names);
  if (unseen > 0) fmt::print(stderr, "polder: {} targets are signed unseen\n", unseen);
  return {};
}

}  // namespace

Error beside_given_keys(Error error, const Args& args) {
  KeyNames names;
  if (!set_given(names, args).ok()) return error;
  return names.beside(std::move(error));
}

Result<int> finish_staging(trust::tuf::Repository& repository, const Args& args, ActLog& acts) {
  TRY_VALUE(KeyNames names, KeyNames::of(repository.folder()));
  TRY(set_given(names, args));
  TRY(names.save());
  if (args.has("--key")) {
    TRY_VALUE(const auto changes, repository.changes());
    TRY(look_before_signing(changes, names, args));
  }
  TRY_VALUE(const GivenSigners signers, GivenSigners::of(args));
  for (std::size_t i = 0; i < signers.uris().size(); ++i) {
    trust::Signer& signer = *signers.pointers()[i];
    const std::string key_id = signer.public_key().id();
    names.set(key_id, signers.uris()[i]);
    auto roles = repository.sign(signer);
    if (!roles.ok()) return names.beside(std::move(roles).error());
    TRY(record_signature(repository, key_id, *roles, acts));
  }
  TRY(names.save());
  return show_staging(repository, args);
}

Result<int> show_staging(const trust::tuf::Repository& repository, const Args& args) {
  TRY_VALUE(const KeyNames names, KeyNames::of(repository.folder()));
  TRY_VALUE(const auto staged, repository.staged());
  if (args.has("--json")) {
    TRY_VALUE(const auto changes, repository.changes());
    fmt::print("{}", trust::Json(trust::Json::Members{{"repository", repository.folder()},
                                                      {"key_names", names.json()},
                                                      {"changes", trust::tuf::to_json(changes)},
                                                      {"staged", staged_json(staged)}})
                         .pretty());
  } else {
    print_staged(staged, names);
  }
  return 0;
}

}  // namespace polder::cli
