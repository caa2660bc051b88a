#include "cli/repo/common.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/fail.h"
#include "base/text.h"
#include "cli/passphrase.h"
#include "platform/clock.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/assignment.h"
#include "trust/tuf_limits.h"

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

Result<std::string> outdated(const trust::tuf::Repository& repository) {
  TRY_VALUE(const auto staged, repository.staged());
  for (const trust::tuf::Staged& file : staged) {
    if (is_of_hub(repository) && is_of_assignments(file.role)) continue;  // made anew there
    const auto published = repository.read_published(file.role);
    if (!published.ok() && published.error().code == Code::kNotFound) continue;
    if (!published.ok()) return published.error();
    TRY_VALUE(const trust::Json json, trust::Json::parse(*published, file.role));
    TRY_VALUE(const trust::Object document, trust::Object::of(json, file.role));
    TRY_VALUE(const trust::Object body, document.object("signed"));
    TRY_VALUE(const std::int64_t version, body.integer("version", 1, trust::tuf::kMaxInteger));
    if (file.version > version || trust::sha256(*published) == file.digest) continue;
    return fmt::format("{} version {}, of which version {} is published", file.role, file.version,
                       version);
  }
  return std::string();
}

namespace {
std::string pulled_place(const std::string& folder) { return folder + "/pulled.json"; }
}  // namespace

bool was_pulled(const std::string& folder) { return entry_kind(pulled_place(folder)).ok(); }

Status note_pulled(const std::string& folder, const std::string& hub_url) {
  return write_file_atomic(pulled_place(folder),
                           trust::Json(trust::Json::Members{{"hub", hub_url}}).pretty());
}

bool is_of_hub(const trust::tuf::Repository& repository) {
  return repository.profile().name == "hub";
}

bool is_of_assignments(std::string_view role) {
  return role.substr(0, role.find(".bin-")) == trust::kAssignmentsRole;
}

Status print_staged(const trust::tuf::Repository& repository,
                    const std::vector<trust::tuf::Staged>& staged, const KeyNames& names) {
  const bool has_hub = is_of_hub(repository);
  constexpr std::size_t kShown = 12;  // hash bins come by the hundred
  if (staged.empty()) {
    fmt::print("nothing is staged\n");
    return {};
  }
  std::size_t shown = 0, complete = 0;
  for (const trust::tuf::Staged& file : staged) {
    if (has_hub && file.signatures == 0 && is_of_assignments(file.role)) {
      fmt::print("  staged {} version {}: the hub signs it\n", file.role, file.version);
      ++complete, ++shown;
      continue;
    }
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
  TRY_VALUE(const std::string old, outdated(repository));
  if (!old.empty()) {
    fmt::print("outdated: {}: 'polder repo discard {}', and stage it anew\n", old,
               one_line(repository.folder()));
    return {};
  }
  const bool all = complete == staged.size();
  const char* const publishes = has_hub ? "polder hub push" : "polder repo publish";
  if (all)
    fmt::print("complete: '{}' {}\n", publishes,
               has_hub ? "asks the hub to publish it" : "makes it public");
  else fmt::print("not complete: 'polder repo sign' adds signatures, then '{}'\n", publishes);
  return {};
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
    TRY(print_staged(repository, staged, names));
  }
  return 0;
}

}  // namespace polder::cli
