#include "cli/repo/staging.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "cli/repo/changes.h"
#include "cli/repo/common.h"
#include "cli/repo/key_names.h"

namespace polder::cli {

namespace {

// What a key signed: each role with its version and the digest of its file then. Of hash bins,
// which come by the hundred, how many.
Status note_signature(Staging& staging, const std::string& key_id,
                      const std::vector<std::string>& roles) {
  constexpr std::size_t kNamed = 32;
  TRY_VALUE(const auto staged, staging.repository.staged());
  trust::Json::Members named;
  for (const trust::tuf::Staged& file : staged) {
    if (std::ranges::find(roles, file.role) == roles.end() || named.size() == kNamed) continue;
    named[file.role] =
        trust::Json::Members{{"version", file.version}, {"sha256", trust::hex(file.digest)}};
  }
  trust::Json::Members details{{"roles", std::move(named)}};
  if (roles.size() > kNamed) details["files"] = std::int64_t(roles.size());
  staging.note(trust::Act::kRoleSigned, staging.repository.folder(), std::move(details), {key_id});
  return {};
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

// Of those on a stick without the published files publishing takes care.
Status look_at_floors(const Staging& staging) {
  if (staging.may_lower_floors) return {};
  Status rise = staging.repository.check_floors();
  if (rise.ok() || rise.error().code != Code::kNotFound) return rise;
  fmt::print(stderr, "polder: whether floors only rise is not seen here: {}\n",
             one_line(rise.error().message));
  return {};
}

// Tells what is to be signed. Errors: for what nobody should sign unseen, or at all.
Status look_before_signing(const Staging& staging, const KeyNames& names, const Args& args) {
  TRY_VALUE(const auto changes, staging.repository.changes());
  std::size_t unseen = 0;
  for (const auto& change : changes.targets) {
    if (change.problem.empty()) continue;
    if (change.is_refused) return fail(Code::kCorrupt, "{}", change.problem);
    ++unseen;
    if (args.has("--without-files")) continue;
    return fail(Code::kDenied,
                "{} (are the files of targets elsewhere, say 'polder repo sign --without-files')",
                change.problem);
  }
  TRY(look_at_floors(staging));
  if (!args.has("--json")) print_changes(stderr, changes, names);
  if (unseen > 0) fmt::print(stderr, "polder: {} targets are signed unseen\n", unseen);
  return {};
}

Status sign_staged(Staging& staging, KeyNames& names, const Args& args) {
  if (!args.has("--key")) return {};
  TRY(look_before_signing(staging, names, args));
  TRY_VALUE(const GivenSigners signers, GivenSigners::of(args));
  for (std::size_t i = 0; i < signers.uris().size(); ++i) {
    trust::Signer& signer = *signers.pointers()[i];
    const std::string key_id = signer.public_key().id();
    names.set(key_id, signers.uris()[i]);
    auto roles = staging.repository.sign(signer);
    if (!roles.ok()) return names.beside(std::move(roles).error());
    TRY(note_signature(staging, key_id, *roles));
  }
  return {};
}

Status stage_and_sign(Staging& staging, const Args& args, const StagingBody& body) {
  if (Status done = body(staging); !done.ok())
    return beside_given_keys(std::move(done).error(), args);
  if (staging.has_nothing_to_sign) return {};
  TRY_VALUE(KeyNames names, KeyNames::of(staging.repository.folder()));
  TRY(set_given(names, args));
  if (Status done = sign_staged(staging, names, args); !done.ok())
    return fail(done.error().code, "{}; nothing was staged or signed", done.error().message);
  return names.save();
}

}  // namespace

void Staging::note(trust::Act act, std::string object, trust::Json::Members details,
                   std::vector<std::string> key_ids) {
  notes.push_back({act, std::move(object), std::move(key_ids), std::move(details)});
}

Error beside_given_keys(Error error, const Args& args) {
  KeyNames names;
  if (!set_given(names, args).ok()) return error;
  return names.beside(std::move(error));
}

Result<int> stage(const Args& args, trust::tuf::Repository& repository, ActLog& acts,
                  const StagingBody& body) {
  TRY_VALUE(const std::int64_t now_s, signing_time());
  Staging staging{.repository = repository, .now_s = now_s};
  if (Status done = stage_and_sign(staging, args, body); !done.ok()) {
    const Status undone = repository.undo();
    if (undone.ok()) return std::move(done).error();
    return fail(done.error().code,
                "{}; and what it has staged could not be taken back ({}): 'polder repo discard' "
                "forgets all that is staged",
                done.error().message, undone.error().message);
  }
  for (Staging::Note& note : staging.notes)
    TRY(acts.add(note.act, note.object, note.key_ids, std::move(note.details)));
  return show_staging(repository, args);
}

Result<int> stage(const Args& args, const StagingBody& body) {
  TRY_VALUE(ActLog acts, ActLog::open(args));
  TRY_VALUE(auto repository, trust::tuf::Repository::open(folder_of(args)));
  TRY_VALUE(const std::string old, outdated(repository));
  if (!old.empty())
    return fail(Code::kDenied,
                "{}: staged is {}, and no device would take more of it: 'polder repo discard {}', "
                "and stage it anew",
                repository.folder(), old, repository.folder());
  return stage(args, repository, acts, body);
}

}  // namespace polder::cli
