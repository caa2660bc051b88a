// polder repo delegate, rotate, renew and trust-hub: who signs for what, for how long, and by whose
// certificates devices know their hub.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/passphrase.h"
#include "cli/repo/common.h"
#include "cli/repo/staging.h"
#include "platform/file.h"
#include "trust/certificate.h"

namespace polder::cli {

namespace {

constexpr Option kDelegateOptions[] = {
    {"--role-key", "PUB.pem", "a public key of the role", true},
    {"--threshold", "N", "how many of them must sign (default: 1)", false, whole<1, 256>, true},
    {"--path", "PATTERN", "targets that it signs, such as 'people/*/*'; '*' stops at '/'", true},
    {"--go-on", "", "a target that the role does not list is looked for in the roles after it"},
    {"--force", "", "also a key that signs online (snapshot, timestamp, assignments) and offline"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// Devices find first what the roles before it list, whatever a delegation says.
Status tell_of_covered(const trust::tuf::Repository& repository, const std::string& role,
                       const std::vector<std::string>& paths) {
  constexpr std::size_t kNamed = 20;
  trust::tuf::DelegatedRole delegated;
  delegated.paths = paths;
  TRY_VALUE(const auto targets, repository.targets());
  std::size_t count = 0;
  for (const auto& [path, holder] : targets) {
    if (holder == role || holder.starts_with(role + ".bin-") || !delegated.covers(path)) continue;
    if (++count > kNamed) continue;
    fmt::print(stderr, "polder: {} is there already and stays with role '{}'\n", one_line(path),
               holder);
  }
  if (count > kNamed) fmt::print(stderr, "polder: ... {} such targets in all\n", count);
  return {};
}

Result<int> delegate(const Args& args) {
  return stage(args, [&](Staging& staging) -> Status {
    const std::string& role = args.positional()[1];
    TRY_VALUE(const trust::tuf::Trust trust, trust_of(args, "--role-key", "--threshold", 1));
    TRY(staging.repository.delegate(role, trust, args.all("--path"), !args.has("--go-on"),
                                    staging.now_s, args.has("--force")));
    TRY(tell_of_covered(staging.repository, role, args.all("--path")));
    staging.note(trust::Act::kRoleDelegated, role,
                 {{"repository", staging.repository.folder()},
                  {"keys", ids_json(trust.keys)},
                  {"threshold", trust.threshold}});
    return {};
  });
}

constexpr int kMaxRotated = 64;  // roles at once

constexpr Option kRotateOptions[] = {
    {"--add", "PUB.pem", "a public key that is to sign as well", true},
    {"--remove", "KEYID", "the id of a key that is to sign no more", true},
    {"--threshold", "N", "how many keys must sign from now on", false, whole<1, 256>, true},
    {"--force", "", "also a key that signs online and offline; none of root and of an online role"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

// A key that is lost is often the key of another role too.
Status warn_of_other_roles(const trust::tuf::Repository& repository,
                           const std::vector<std::string>& removed) {
  TRY_VALUE(const KeyNames names, KeyNames::of(repository.folder()));
  for (const std::string& id : removed) {
    TRY_VALUE(const auto roles, repository.roles_of_key(id));
    if (roles.empty()) continue;
    fmt::print(stderr, "polder: key {} signs {} too: is it lost, rotate that as well\n",
               names.beside(id), fmt::join(roles, ", "));
  }
  return {};
}

Status rotate_in(Staging& staging, const Args& args) {
  TRY_VALUE(const auto add, public_keys(args, "--add"));
  std::optional<int> threshold;
  if (args.has("--threshold")) threshold = int(args.integer("--threshold", 1));
  const std::vector<std::string> remove = args.all("--remove");
  if (add.empty() && remove.empty() && !threshold) {
    return fail(Code::kInvalid, "nothing to change: give --add, --remove or --threshold");
  }
  TRY(staging.repository.rotate(args.positional().subspan(1), add, remove, threshold, staging.now_s,
                                args.has("--force")));
  for (const std::string& role : args.positional().subspan(1)) {
    trust::Json::Members details{{"repository", staging.repository.folder()},
                                 {"added", ids_json(add)},
                                 {"removed", trust::Json::Array(remove.begin(), remove.end())}};
    if (threshold) details["threshold"] = *threshold;
    staging.note(role == "root" ? trust::Act::kRootRotated : trust::Act::kRoleRotated, role,
                 std::move(details));
  }
  return warn_of_other_roles(staging.repository, remove);
}

Result<int> rotate(const Args& args) {
  return stage(args, [&](Staging& staging) { return rotate_in(staging, args); });
}

constexpr Option kRenewOptions[] = {POLDER_REPO_SIGN_OPTION,
                                    POLDER_PASSPHRASE_OPTION,
                                    {"--json", "", "prints what is staged as JSON"}};

Result<int> renew(const Args& args) {
  return stage(args, [&](Staging& staging) {
    return staging.repository.renew(args.positional()[1], staging.now_s);
  });
}

constexpr Option kTrustHubOptions[] = {
    {"--ca", "CA.pem", "the certificate of an authority of the hub: its ca.pem", true},
    {"--none", "", "root names none: each device goes by its own [hub] 'ca_file' again"},
    POLDER_REPO_SIGN_OPTION,
    POLDER_PASSPHRASE_OPTION,
    {"--json", "", "prints what is staged as JSON"}};

Status trust_hub_in(Staging& staging, const Args& args) {
  if (args.has("--ca") == args.has("--none"))
    return fail(Code::kInvalid, "give --ca FILE, once for each authority, or --none");
  std::vector<std::string> authorities;
  trust::Json::Array fingerprints;
  for (const std::string& file : args.all("--ca")) {
    TRY_VALUE(const std::string text, read_file(file, trust::kMaxCertificateBytes));
    auto pem = trust::only_certificate(text);
    if (!pem.ok())
      return fail(Code::kInvalid, "{}: {}; give --ca FILE once for each authority", file,
                  pem.error().message);
    auto facts = trust::read_certificate(*pem);
    if (!facts.ok()) return std::move(facts).error().at(file);
    if (!facts->is_authority)
      return fail(Code::kInvalid, "{}: the certificate of '{}' is none of an authority", file,
                  one_line(facts->common_name));
    fingerprints.emplace_back(facts->fingerprint);
    authorities.push_back(*std::move(pem));
  }
  TRY(staging.repository.trust_hub(authorities, staging.now_s));
  staging.note(
      trust::Act::kRootRotated, "root",
      {{"repository", staging.repository.folder()}, {"authorities", std::move(fingerprints)}});
  return {};
}

Result<int> trust_hub(const Args& args) {
  return stage(args, [&](Staging& staging) { return trust_hub_in(staging, args); });
}

}  // namespace

const Command kRepoDelegate = {
    .name = "repo delegate",
    .summary =
        "Trusts a role with some targets, as the releases of a model family. Its keys can sign "
        "nothing\nelse. Of a role that is there keys, threshold and paths are replaced.",
    .arguments = "FOLDER ROLE",
    .example =
        "  polder repo delegate repo people --role-key family.pub.pem --path 'people/*/*' --key "
        "t.pem",
    .options = kDelegateOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = delegate};

const Command kRepoRotate = {
    .name = "repo rotate",
    .summary =
        "Changes who signs for roles: root, targets, snapshot, timestamp or a delegated one. A "
        "new root\nneeds signatures of the old keys and of the new, so that devices follow. Where "
        "one key signs for several\nroles, as for timestamp and snapshot by default, name them "
        "all.",
    .arguments = "FOLDER ROLE...",
    .example =
        "  polder repo rotate repo timestamp snapshot --add new.pub.pem --remove 3fa1... --key "
        "r1.pem --key r2.pem",
    .options = kRotateOptions,
    .min_positional = 2,
    .max_positional = 1 + kMaxRotated,
    .run = rotate};

const Command kRepoRenew = {
    .name = "repo renew",
    .summary = "Stages root, targets or a delegated role as it is, to be signed before it expires.",
    .arguments = "FOLDER ROLE",
    .example = "  polder repo renew repo targets --key t.pem",
    .options = kRenewOptions,
    .min_positional = 2,
    .max_positional = 2,
    .run = renew};

const Command kRepoTrustHub = {
    .name = "repo trust-hub",
    .summary =
        "Says in root by whose certificates devices know their hub, in place of [hub] 'ca_file' of "
        "each.\nSo a hub gets another authority, and devices follow. Those that are not named "
        "again are trusted no more.",
    .arguments = "FOLDER",
    .example = "  polder repo trust-hub repo --ca ca.pem --key r1.pem --key r2.pem",
    .options = kTrustHubOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = trust_hub};

}  // namespace polder::cli
