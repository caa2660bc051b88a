#include "trust/tuf_verify.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/device_targets.h"
#include "trust/file_digest.h"
#include "trust/manifest.h"
#include "trust/release_folder.h"
#include "trust/tuf_folder.h"
#include "trust/tuf_updater.h"

namespace polder::trust::tuf {

namespace {

constexpr std::size_t kMaxEntries = 1u << 22;
constexpr std::size_t kMaxProblems = 100;  // told of
constexpr std::size_t kMaxDelegations = kMaxMetaFiles;
constexpr std::uint64_t kMaxStoredBlobBytes = std::uint64_t(1) << 40;
constexpr std::string_view kBlobsFolder = "blobs/";
// The client stops at what has expired, and here all else is to be told of as well: add() does.
constexpr std::int64_t kBeforeAnyExpiry = 0;

// Keeps what the client stores in memory: nothing of it is needed afterwards.
class ForgetfulStore final : public MetadataStore {
 public:
  explicit ForgetfulStore(std::string_view root) : files_{{"root.json", std::string(root)}} {}
  Result<std::string> read(const std::string& name, std::size_t) override {
    const auto found = files_.find(name);
    if (found == files_.end()) return fail(Code::kNotFound, "{}: not stored", name);
    return found->second;
  }
  Status replace(const std::string& name, std::string_view bytes) override {
    if (name == "root.json") files_[name] = std::string(bytes);
    return {};
  }
  Status remove(const std::string&) override { return {}; }

 private:
  std::map<std::string, std::string> files_;
};

class Walk {
 public:
  Walk(const std::string& folder, std::string_view root_bytes, std::int64_t now_s, Files files)
      : folder_(folder),
        fetcher_(folder + "/metadata", folder + "/targets"),
        store_(root_bytes),
        updater_(fetcher_, store_, kBeforeAnyExpiry),
        now_s_(now_s),
        files_(files) {}

  Result<Verification> run() {
    if (auto status = updater_.refresh(); !status) {
      problem(std::move(status).error().message);
      TRY(check_blobs());
      return std::move(result_);
    }
    const TrustedSet& trusted = updater_.trusted();
    add("root", trusted.root());
    add("timestamp", *trusted.timestamp());
    add("snapshot", *trusted.snapshot());
    check_role("targets", *trusted.targets());
    check_delegations();
    check_keys();
    TRY(check_blobs());
    return std::move(result_);
  }

 private:
  using Covers = std::function<bool(std::string_view path)>;
  struct Delegator {
    std::string name;
    Delegations delegations;
  };

  void problem(std::string what) {
    if (result_.problems.size() < kMaxProblems) result_.problems.push_back(std::move(what));
  }
  void add(std::string_view role, const Common& body, std::size_t targets = 0) {
    result_.roles.push_back(
        {std::string(role), body.version, body.expires_s, targets, life_days(body.other)});
    if (body.expires_s > now_s_) return;
    problem(fmt::format("{}.json: version {} expired at {}, and it is {} by this clock",
                        clipped(role), body.version, time_text(body.expires_s), time_text(now_s_)));
  }

  // The role's own targets. Those of the roles that it delegates to come later.
  void check_role(const std::string& role, const Targets& body) {
    add(role, body, body.targets.size());
    for (const auto& [path, file] : body.targets) {
      ++result_.targets;
      const DeviceTarget kind = device_target(path);
      const std::size_t cap = device_target_cap_bytes(kind);
      if (file.length > std::int64_t(cap) && cap > 0) {
        problem(
            fmt::format("{}: {} bytes; devices take {} at most", clipped(path), file.length, cap));
        continue;
      }
      std::string content;
      Status status = updater_.download({path, role, file}, [&](std::string_view bytes) {
        result_.bytes += bytes.size();
        if (cap > 0) content += bytes;
        return Status();
      });
      if (!status.ok() && status.error().code == Code::kNotFound && may_be_elsewhere(kind)) {
        ++result_.elsewhere;
        continue;
      }
      if (status.ok()) status = check_device_target(path, content);
      if (!status) problem(status.error().message);
      else if (kind == DeviceTarget::kManifest) need_files(path, content);
      else if (kind == DeviceTarget::kSealedKeys) keys_.insert(path);
    }
    if (body.delegations) delegators_.push_back({role, *body.delegations});
  }

  bool may_be_elsewhere(DeviceTarget kind) const {
    return files_ == Files::kElsewhere &&
           (kind == DeviceTarget::kNone || kind == DeviceTarget::kAssignment);
  }

  // Whom a role delegates to, once: delegations may lead in circles.
  void check_delegations() {
    std::size_t walked = 0;
    for (std::size_t i = 0; i < delegators_.size(); ++i) {
      const Delegator& by = delegators_[i];  // of a deque: it stays
      const auto check = [&](const std::string& role, const RoleKeys& keys, const Covers& covers) {
        // To itself a client does not go.
        if (role != by.name && walked++ < kMaxDelegations) check_delegated(by, role, keys, covers);
      };
      for (const DelegatedRole& role : by.delegations.roles)
        check(role.name, role, [&](std::string_view path) { return role.covers(path); });
      const auto& bins = by.delegations.succinct;
      for (unsigned bin = 0; bins && bin < 1u << bins->bit_length; ++bin) {
        const std::string name = bins->bin_name(bin);
        check(name, *bins, [&](std::string_view path) { return bins->bin_of(path) == name; });
      }
    }
    if (walked > kMaxDelegations)
      problem(fmt::format("more than {} delegations: the rest was not looked at", kMaxDelegations));
    for (const auto& [role, paths] : ignored_) {
      for (const std::string& path : paths)
        problem(
            fmt::format("{}.json: target '{}' is none that anybody trusts it with; devices "
                        "ignore it",
                        clipped(role), clipped(path)));
    }
  }

  // By hand, for the client looks only where a target may be. As the client does, a role that
  // several delegate to is verified for each of them.
  void check_delegated(const Delegator& by, const std::string& role, const RoleKeys& keys,
                       const Covers& covers) {
    const auto meta = updater_.trusted().meta_of(role);
    if (!meta) return problem(meta.error().message);
    std::string file = percent_encoded(role) + ".json";
    if (updater_.trusted().root().consistent_snapshot.value_or(false))
      file = fmt::format("{}.{}", meta->version, file);
    const auto bytes = fetcher_.fetch_metadata(file, kMaxTargetsBytes);
    if (!bytes) return problem(bytes.error().message);
    if (auto status = check_bytes(*bytes, meta->length, meta->hashes, file); !status) {
      return problem(status.error().message);
    }
    const auto metadata = parse_metadata<Targets>(*bytes, file);
    if (!metadata) return problem(metadata.error().message);
    if (auto status = metadata->envelope.check(by.delegations.keys, keys, file); !status) {
      return problem(status.error().message);
    }
    if (metadata->body.version != meta->version) {
      return problem(fmt::format("{}: version {} expected, {} found", file, meta->version,
                                 metadata->body.version));
    }
    if (seen_.insert(role).second) {
      for (const auto& [path, target] : metadata->body.targets) ignored_[role].insert(path);
      check_role(role, metadata->body);
    }
    std::erase_if(ignored_[role], [&](const std::string& path) { return covers(path); });
  }

  // Notes what a release is made of, for check_blobs() and check_keys().
  void need_files(const std::string& path, std::string_view bytes) {
    const auto manifest = Manifest::parse(bytes, path);
    if (!manifest) return problem(manifest.error().message);
    const std::string release = manifest->model + " " + manifest->version.text();
    for (const auto& [digest, blob] : manifest->blobs) needed_.try_emplace(digest, release);
    for (const Artifact& artifact : manifest->artifacts)
      if (artifact.sealed)
        needed_keys_.insert(sealed_keys_target(*manifest, artifact.sealed->file_id));
  }

  void check_keys() {
    for (const std::string& path : needed_keys_)
      if (!keys_.contains(path))
        problem(
            fmt::format("{}: no role lists it, so no device opens what is sealed in this "
                        "release: 'polder repo add' its folder again",
                        path));
  }

  // Those that are there, and then those that should be.
  Status check_blobs() {
    const std::string blobs = folder_ + "/blobs";
    std::vector<FolderEntry> entries;
    if (const auto kind = entry_kind(blobs); kind.ok()) {
      TRY_VALUE(entries, walk_folder(blobs, kMaxEntries));
    } else if (kind.error().code != Code::kNotFound) {
      return kind.error();
    }
    std::set<std::string_view> there;
    for (const FolderEntry& entry : entries) there.insert(entry.path);
    for (const auto& [digest, release] : needed_) {
      if (there.contains(std::string_view(blob_place(digest)).substr(kBlobsFolder.size())))
        continue;
      if (files_ == Files::kElsewhere) {
        ++result_.elsewhere;
        continue;
      }
      problem(fmt::format("{}: blob {} is missing; copy it again", release, hex(digest)));
    }
    for (const FolderEntry& entry : entries) {
      if (entry.kind == EntryKind::kFolder) continue;
      const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
      const std::string place = blobs + "/" + entry.path;
      const auto digest = digest_file(place, kMaxStoredBlobBytes);
      ++result_.blobs;
      if (!digest) {
        problem(digest.error().message);
      } else if (hex(digest->sha256) != name ||
                 entry.path != fmt::format("sha256/{}/{}", name.substr(0, 2), name)) {
        problem(fmt::format("{}: is not what its name says; copy it again", place));
      } else {
        result_.bytes += digest->bytes;
      }
    }
    return {};
  }

  const std::string& folder_;
  FolderFetcher fetcher_;
  ForgetfulStore store_;
  Updater updater_;
  std::deque<Delegator> delegators_;
  std::set<std::string> seen_;
  std::map<std::string, std::set<std::string>> ignored_;  // of a role, what nobody trusts it with
  std::map<Sha256, std::string> needed_;      // blobs, each with a release that names it
  std::set<std::string> keys_, needed_keys_;  // targets: those that are there, and should be
  std::int64_t now_s_;
  Files files_;
  Verification result_;
};

}  // namespace

Result<Verification> verify_repository(const std::string& folder, std::string_view root_bytes,
                                       std::int64_t now_s, Files files) {
  return Walk(folder, root_bytes, now_s, files).run();
}

}  // namespace polder::trust::tuf
