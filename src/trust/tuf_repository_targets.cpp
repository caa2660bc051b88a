// Targets of a repository: which role holds them, hash bins, blobs.
#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "trust/device_targets.h"
#include "trust/digest.h"
#include "trust/file_digest.h"
#include "trust/floors.h"
#include "trust/release_folder.h"
#include "trust/signer.h"
#include "trust/tuf_repository_files.h"

namespace polder::trust::tuf {

namespace {

// Bins that 1,000 targets go to and, from 16,000 on, no role holds more than it may.
constexpr int kBins = 256;

// What devices look for in the top level itself stays there.
bool goes_into_bins(std::string_view path) { return path != kFloorsTarget; }

}  // namespace

Status check_target_path(std::string_view path) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::kInvalid,
                "target '{}': {}; a relative path such as 'people/1.0.0/manifest."
                "json' expected",
                clipped(path), why);
  };
  if (path.empty() || path.size() > kMaxNameBytes) return bad("empty or too long");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return bad("an empty part, '.' or '..'");
    start = end + 1;
  }
  const auto odd = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\\'; };
  if (std::any_of(path.begin(), path.end(), odd)) return bad("a control character or '\\'");
  return {};
}

Status check_targets(const Targets& targets, const std::string& where) {
  constexpr std::size_t kSha256Digits = 64;
  for (const auto& [path, target] : targets.targets) {
    if (const Status good = check_target_path(path); !good.ok())
      return fail(Code::kCorrupt, "{}: {}", where, good.error().message);
    if (digest_of(target).size() == kSha256Digits) continue;
    return fail(Code::kCorrupt, "{}: target '{}' has no SHA-256", where, clipped(path));
  }
  return {};
}

// The role that holds targets of such a path: as a client looks for it, the first delegation that
// covers it, and the bin where a role has bins.
Result<std::string> Repository::role_for(const std::string& path, std::string_view wanted) const {
  std::string role = wanted.empty() ? "targets" : std::string(wanted);
  if (wanted.empty() || wanted != "targets") {
    TRY_VALUE(const auto top, current<Targets>("targets"));
    const DelegatedRole* found = nullptr;
    if (top.body.delegations) {
      for (const DelegatedRole& delegated : top.body.delegations->roles) {
        if (wanted.empty() ? delegated.covers(path) : delegated.name == wanted) {
          found = &delegated;
          break;
        }
      }
    }
    if (!wanted.empty() && found == nullptr) {
      return fail(Code::kNotFound, "no role '{}' is delegated; 'polder repo delegate' makes one",
                  wanted);
    }
    if (found != nullptr) {
      if (!found->covers(path)) {
        return fail(Code::kInvalid, "target '{}': role '{}' is not trusted for it", path, wanted);
      }
      role = found->name;
    }
  }
  TRY_VALUE(const auto metadata, current<Targets>(role));
  // The top level's own delegations are model families, which were looked at; its bins have
  // prefixes.
  if (metadata.body.delegations && goes_into_bins(path)) {
    for (const DelegatedRole& bin : metadata.body.delegations->roles) {
      if (bin.path_hash_prefixes && bin.covers(path)) return bin.name;
    }
  }
  return role;
}

// As a client looks for it: pre-order, depth first, no further than a terminating delegation that
// covers the path (specification, section 5.6.7).
Result<std::optional<Repository::FoundTarget>> Repository::find_target(
    const std::string& path) const {
  std::vector<std::string> open = {"targets"};
  std::set<std::string> seen;
  while (!open.empty()) {
    std::string role = std::move(open.back());
    open.pop_back();
    if (!seen.insert(role).second) continue;
    TRY_VALUE(const auto metadata, current<Targets>(role));
    const auto target = metadata.body.targets.find(path);
    if (target != metadata.body.targets.end()) {
      return std::optional(FoundTarget{std::move(role), target->second});
    }
    if (!metadata.body.delegations) continue;
    std::vector<std::string> next;
    for (const DelegatedRole& delegated : metadata.body.delegations->roles) {
      if (!delegated.covers(path)) continue;
      next.push_back(delegated.name);
      if (!delegated.terminating) continue;
      open.clear();
      break;
    }
    open.insert(open.end(), next.rbegin(), next.rend());
  }
  return std::optional<FoundTarget>();
}

// The role that is to list the target.
Result<std::string> Repository::holder_of(const std::string& path, std::string_view wanted) const {
  if (path == kFloorsTarget) {
    if (wanted.empty() || wanted == "targets") return std::string("targets");
    return fail(Code::kInvalid, "target '{}': devices read it of role 'targets' alone, not of '{}'",
                path, wanted);
  }
  TRY_VALUE(const auto found, find_target(path));
  if (found && wanted.empty()) return found->role;
  TRY_VALUE(std::string holder, role_for(path, wanted));
  if (!found || found->role == holder || holder == "targets") return holder;
  return fail(
      Code::kDenied,
      "target '{}': role '{}' lists it, where clients find it first: remove it there before "
      "'{}' is to",
      path, found->role, holder);
}

Status Repository::record(const std::string& path, const TargetFile& target, std::int64_t now_s,
                          std::string holder) {
  TRY_VALUE(auto metadata, current<Targets>(holder));
  const auto before = metadata.body.targets.find(path);
  if (before != metadata.body.targets.end() && before->second.length == target.length &&
      before->second.hashes == target.hashes) {
    return {};
  }
  if (before == metadata.body.targets.end() && metadata.body.targets.size() >= kTargetsBeforeBins &&
      !is_bin(holder) && goes_into_bins(path)) {
    TRY(split_into_bins(holder, now_s));
    TRY_VALUE(holder, role_for(path, holder));
    TRY_VALUE(metadata, current<Targets>(holder));
  }
  metadata.body.targets[path] = target;
  return stage(holder, std::move(metadata.body), now_s);
}

Status Repository::add_file(const std::string& path, const std::string& file, std::int64_t now_s,
                            std::string_view role) {
  TRY(check_target_path(path));
  TRY_VALUE(const std::string holder, holder_of(path, role));
  if (holds_private_key(file)) {
    return fail(Code::kDenied, "{}: holds a private key, and a repository is public", file);
  }
  if (const std::size_t cap = device_target_cap_bytes(device_target(path)); cap > 0) {
    TRY_VALUE(const std::string bytes, read_file(file, cap));
    return add_bytes(path, bytes, now_s, role);
  }
  TRY_VALUE(const FileDigest digest, digest_file(file, kMaxTargetBytes));
  const std::string sha256 = hex(digest.sha256);
  const std::string place = target_place(path, sha256);
  TRY(keep_file(file, place, digest.sha256));
  return record(path,
                TargetFile{.length = std::int64_t(digest.bytes), .hashes = {{"sha256", sha256}}},
                now_s, holder);
}

Status Repository::add_bytes(const std::string& path, std::string_view bytes, std::int64_t now_s,
                             std::string_view role) {
  TRY(check_target_path(path));
  TRY_VALUE(const std::string holder, holder_of(path, role));
  TRY(check_device_target(path, bytes));
  if (path == kFloorsTarget) {
    TRY_VALUE(const Floors floors, Floors::parse(bytes, path));
    TRY(check_rise(floors));
  }
  const std::string digest = hex(sha256(bytes));
  const std::string place = target_place(path, digest);
  if (!file_exists(place)) before_.try_emplace(place);
  TRY(make_folders(parent_of(place)));
  TRY(write_file_atomic(place, bytes));
  return record(path,
                TargetFile{.length = std::int64_t(bytes.size()), .hashes = {{"sha256", digest}}},
                now_s, holder);
}

// Who is trusted with the texts. Errors: kNotFound, kInvalid, kDenied, naming the target.
Status Repository::check_texts(const std::map<std::string, std::string>& texts,
                               const std::string& role) const {
  TRY_VALUE(const auto top, current<Targets>("targets"));
  const DelegatedRole* trusted = nullptr;
  if (top.body.delegations)
    for (const DelegatedRole& delegated : top.body.delegations->roles)
      if (delegated.name == role) trusted = &delegated;
  if (trusted == nullptr)
    return fail(Code::kNotFound, "no role '{}' is delegated; 'polder repo delegate' makes one",
                clipped(role));
  for (const auto& [path, bytes] : texts) {
    TRY(check_target_path(path));
    if (!trusted->covers(path))
      return fail(Code::kInvalid, "target '{}': role '{}' is not trusted for it", path, role);
    if (top.body.targets.contains(path))
      return fail(Code::kDenied,
                  "target '{}': role 'targets' lists it, where clients find it first: remove it "
                  "there before '{}' is to",
                  path, role);
  }
  return {};
}

Status Repository::add_texts(const std::map<std::string, std::string>& texts, std::int64_t now_s,
                             const std::string& role) {
  TRY(check_texts(texts, role));
  TRY_VALUE(auto metadata, current<Targets>(role));
  // Bins with prefixes, where there are any.
  std::vector<DelegatedRole> bins;
  const auto find_bins = [&] {
    if (!metadata.body.delegations) return;
    for (const DelegatedRole& bin : metadata.body.delegations->roles)
      if (bin.path_hash_prefixes) bins.push_back(bin);
  };
  find_bins();
  if (bins.empty() && metadata.body.targets.size() + texts.size() > kTargetsBeforeBins) {
    TRY(split_into_bins(role, now_s));
    TRY_VALUE(metadata, current<Targets>(role));
    find_bins();
  }
  std::map<std::string, std::pair<Targets, bool>> holders;  // and whether they change
  std::map<std::string, std::string> files;
  for (const auto& text : texts) {
    const std::string &path = text.first, &bytes = text.second;
    const auto bin =
        std::ranges::find_if(bins, [&](const DelegatedRole& each) { return each.covers(path); });
    const std::string& holder = bin == bins.end() ? role : bin->name;
    auto found = holders.find(holder);
    if (found == holders.end()) {
      TRY_VALUE(auto held, current<Targets>(holder));
      found = holders.emplace(holder, std::pair(std::move(held.body), false)).first;
    }
    auto& [body, is_changed] = found->second;
    const std::string digest = hex(sha256(bytes));
    TargetFile& target = body.targets[path];
    if (digest_of(target) == digest) continue;
    target = {.length = std::int64_t(bytes.size()), .hashes = {{"sha256", digest}}};
    is_changed = true;
    files.emplace(staged_place(target_name(path, digest)), bytes);
  }
  for (const auto& [place, bytes] : files)
    if (!file_exists(place)) before_.try_emplace(place);
  TRY(write_files(files));
  for (auto& [holder, held] : holders)
    if (held.second) TRY(stage(holder, std::move(held.first), now_s));
  return {};
}

Status Repository::add_blob(const std::string& file, const Sha256& digest) {
  return keep_file(file, place_of(blob_place(digest)), digest);
}

Status Repository::remove_target(const std::string& path, std::int64_t now_s) {
  // Where one role alone lets go of it, clients may find another's.
  std::vector<std::pair<std::string, Targets>> listing;
  TRY(visit_targets([&](const std::string& role, Targets& body) -> Status {
    if (body.targets.erase(path) > 0) listing.emplace_back(role, std::move(body));
    return {};
  }));
  if (listing.empty()) return fail(Code::kNotFound, "no target '{}'", clipped(path));
  for (auto& [role, body] : listing) TRY(stage(role, std::move(body), now_s));
  return {};
}

Status Repository::split_into_bins(const std::string& role, std::int64_t now_s) {
  Delegators delegators;
  TRY_VALUE(const Signers signers, signers_of(role, delegators));
  TRY_VALUE(auto metadata, current<Targets>(role));
  Delegations& delegations =
      metadata.body.delegations ? *metadata.body.delegations : metadata.body.delegations.emplace();
  std::vector<Targets> bins(kBins);
  std::vector<DelegatedRole> roles(kBins);
  for (int bin = 0; bin < kBins; ++bin) {
    DelegatedRole& delegated = roles[std::size_t(bin)];
    delegated.name = fmt::format("{}{}{:02x}", role, kBinMark, bin);
    delegated.terminating = true;
    delegated.path_hash_prefixes = {fmt::format("{:02x}", bin)};
  }
  std::erase_if(metadata.body.targets, [&](auto& item) {
    auto& [path, target] = item;
    if (!goes_into_bins(path)) return false;
    bins[sha256(path)[0]].targets.emplace(path, std::move(target));
    return true;
  });
  // Behind the families, which are more particular.
  delegations.roles.insert(delegations.roles.end(), roles.begin(), roles.end());
  trust_bins(metadata.body, signers);
  for (int bin = 0; bin < kBins; ++bin) {
    TRY(stage(roles[std::size_t(bin)].name, std::move(bins[std::size_t(bin)]), now_s));
  }
  return stage(role, std::move(metadata.body), now_s);
}

Status Repository::visit_targets(const TargetsVisitor& visit) const {
  std::vector<std::string> open = {"targets"};
  std::set<std::string> seen;
  while (!open.empty()) {
    const std::string role = std::move(open.back());
    open.pop_back();
    if (!seen.insert(role).second) continue;
    TRY_VALUE(auto metadata, current<Targets>(role));
    if (metadata.body.delegations) {
      const auto& roles = metadata.body.delegations->roles;
      for (auto next = roles.rbegin(); next != roles.rend(); ++next) open.push_back(next->name);
    }
    TRY(visit(role, metadata.body));
  }
  return {};
}

Result<std::map<std::string, std::string>> Repository::targets() const {
  std::map<std::string, std::string> result;
  TRY(visit_targets([&](const std::string& role, const Targets& body) -> Status {
    for (const auto& [path, target] : body.targets) result.emplace(path, role);
    return {};
  }));
  return result;
}

Status Repository::read_targets(std::string_view prefix, std::size_t cap_bytes,
                                const TargetVisitor& visit) const {
  return visit_targets([&](const std::string&, const Targets& body) -> Status {
    for (const auto& [path, target] : body.targets) {
      if (!path.starts_with(prefix)) continue;
      TRY_VALUE(const std::string bytes, read_target_file(path, target, cap_bytes));
      TRY(visit(path, bytes));
    }
    return {};
  });
}

Result<std::string> Repository::read_target(const std::string& path, std::size_t cap_bytes,
                                            std::string_view role) const {
  std::optional<FoundTarget> found;
  if (role.empty()) {
    TRY_VALUE(found, find_target(path));
  } else {
    TRY_VALUE(const std::string holder, role_for(path, role));
    TRY_VALUE(const auto metadata, current<Targets>(holder));
    const auto target = metadata.body.targets.find(path);
    if (target != metadata.body.targets.end()) found = FoundTarget{holder, target->second};
  }
  if (found) return read_target_file(path, found->file, cap_bytes);
  return fail(Code::kNotFound, "no target '{}'", clipped(path));
}

Result<std::string> Repository::read_target_file(const std::string& path, const TargetFile& target,
                                                 std::size_t cap_bytes) const {
  const std::string place = target_place(path, digest_of(target));
  TRY_VALUE(std::string bytes, read_file(place, cap_bytes));
  TRY(check_bytes(bytes, target.length, target.hashes, place));
  return bytes;
}

}  // namespace polder::trust::tuf
