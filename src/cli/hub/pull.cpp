// polder hub pull: what a hub has published becomes the state on which the next release is staged.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/repo/common.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/assignment.h"
#include "trust/tuf_http.h"
#include "trust/tuf_updater.h"

namespace polder::cli {

namespace {

using trust::Json;
using trust::tuf::Repository;

constexpr std::size_t kMaxTargetBytes = 16 << 20;  // manifests, keys of sealed files, floors

constexpr Option kOptions[] = {
    POLDER_HUB_OPTIONS,
    {"--root", "FILE", "the root to trust, where FOLDER is new: as devices have it"},
    {"--json", "", "prints what was pulled as JSON"}};

// In memory: nothing of it is kept that was not verified to the end.
class Trusted final : public trust::tuf::MetadataStore {
 public:
  Result<std::string> read(const std::string& name, std::size_t) override {
    const auto found = files.find(name);
    if (found == files.end()) return fail(Code::kNotFound, "{}", name);
    return found->second;
  }
  Status replace(const std::string& name, std::string_view bytes) override {
    return files[name] = bytes, Status();
  }
  Status remove(const std::string& name) override { return files.erase(name), Status(); }

  std::map<std::string, std::string> files;
};

// Remembers the metadata that it fetched, by their names at the hub.
class Remembering final : public trust::tuf::Fetcher {
 public:
  explicit Remembering(trust::tuf::Fetcher& from) : from_(from) {}
  Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) override {
    TRY_VALUE(std::string bytes, from_.fetch_metadata(name, cap_bytes));
    metadata[name] = bytes;
    return bytes;
  }
  Status fetch_target(const std::string& name, std::int64_t cap_bytes,
                      const trust::tuf::Sink& sink) override {
    return from_.fetch_target(name, cap_bytes, sink);
  }

  std::map<std::string, std::string> metadata;

 private:
  trust::tuf::Fetcher& from_;
};

// The newest root that this folder has: published, or, before the first publication, staged here.
Result<std::string> trusted_root(const Repository& repository, const Args& args) {
  if (args.has("--root")) return read_file(args.text("--root"), trust::tuf::kMaxRootBytes);
  auto published = repository.read_published("root");
  if (published.ok() || published.error().code != Code::kNotFound) return published;
  auto staged = read_file(repository.folder() + "/staged/root.json", trust::tuf::kMaxRootBytes);
  if (staged.ok()) return staged;
  return fail(
      Code::kNotFound,
      "{}: has no root yet; --root FILE is the one that devices trust: whoever signs on top "
      "of what a hub says has to know that it is what was signed before",
      repository.folder());
}

struct Pulled {
  std::map<std::string, std::string> metadata;
  std::size_t targets = 0;
};

Result<Pulled> pull_from(HubClient& hub, Repository& repository, const std::string& root) {
  trust::tuf::HttpFetcher http(hub.http(), hub.url() + "/repository/metadata",
                               hub.url() + "/repository/targets");
  Remembering fetcher(http);
  Trusted store;
  store.files["root.json"] = root;
  // What is here already is not gone back behind.
  for (const char* role : {"timestamp", "snapshot"})
    if (auto bytes = repository.read_published(role); bytes.ok())
      store.files[trust::tuf::stored_name(role)] = *std::move(bytes);
  TRY_VALUE(const std::int64_t now_s, signing_time());
  trust::tuf::Updater updater(fetcher, store, now_s);
  TRY(updater.refresh());
  TRY_VALUE(const auto paths, updater.list(""));
  Pulled pulled;
  for (const std::string& path : paths) {
    if (path.starts_with("assignments/")) continue;  // one for each device, and the hub's own
    TRY_VALUE(const trust::tuf::Target target, updater.find(path));
    TRY_VALUE(const std::string name, trust::tuf::target_name(target, true));
    const std::string place = repository.folder() + "/targets/" + name;
    if (entry_kind(place).ok()) continue;
    if (target.file.length > std::int64_t(kMaxTargetBytes)) continue;
    std::string bytes;
    TRY(updater.download(target,
                         [&](std::string_view piece) { return bytes.append(piece), Status(); }));
    TRY(make_folders(place.substr(0, place.rfind('/'))));
    TRY(write_file_atomic(place, bytes));
    ++pulled.targets;
  }
  pulled.metadata = std::move(fetcher.metadata);
  // The stored ones were fetched by an earlier pull, or are as they were.
  for (const auto& [name, bytes] : store.files)
    if (name == "timestamp.json") pulled.metadata.try_emplace(name, bytes);
  TRY_VALUE(const auto trusted, trust::tuf::parse_metadata<trust::tuf::Root>(root, "root"));
  pulled.metadata.try_emplace(fmt::format("{}.root.json", trusted.body.version), root);
  return pulled;
}

Result<int> pull(const Args& args) {
  const std::string folder = folder_of(args);
  if (!entry_kind(folder + "/repository.toml").ok()) {
    if (!args.has("--root"))
      return fail(
          Code::kNotFound,
          "{}: no repository is here; where a new one is meant, --root FILE is the root that "
          "devices trust",
          folder);
    TRY_VALUE(const auto profile, trust::tuf::profile("hub"));
    TRY(Repository::begin(folder, profile));
  }
  TRY_VALUE(auto repository, Repository::open(folder));
  TRY_VALUE(const std::string root, trusted_root(repository, args));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  TRY_VALUE(const Pulled pulled, pull_from(hub, repository, root));
  TRY_VALUE(const auto outdated, repository.adopt(pulled.metadata, trust::kAssignmentsRole));
  TRY(note_pulled(folder, hub.url()));
  TRY_VALUE(const auto roles, repository.roles());
  std::int64_t version = 0;
  for (const trust::tuf::RoleState& role : roles)
    if (role.role == "timestamp") version = role.version;
  TRY_VALUE(const auto staged, repository.staged());
  if (args.has("--json")) {
    fmt::print("{}",
               Json(Json::Members{{"repository", folder},
                                  {"version", version},
                                  {"targets", std::int64_t(pulled.targets)},
                                  {"staged", staged_json(staged)},
                                  {"outdated", Json::Array(outdated.begin(), outdated.end())}})
                   .pretty());
    return 0;
  }
  fmt::print("{}: has what {} publishes, timestamp version {}; {} new targets; {}\n",
             one_line(folder), hub.url(), version, pulled.targets,
             staged.empty() ? "nothing is staged" : "what is staged stays staged");
  if (!outdated.empty())
    fmt::print(stderr,
               "polder: {}: staged on an older state, and no device would take it: 'polder repo "
               "discard {}', and stage it anew\n",
               fmt::join(outdated, ", "), one_line(folder));
  return 0;
}

}  // namespace

const Command kHubPull = {
    .name = "hub pull",
    .summary =
        "Fetches what a hub has published, so that the next release is staged on top of it. All is "
        "verified from\nthe root that this folder has, as a device does. Files of models stay at "
        "the hub.",
    .arguments = "FOLDER",
    .example =
        "  polder hub pull repo --hub https://hub.example.org:8443 --ca ca.pem\n"
        "  polder hub pull new-repo --root root.json --hub https://hub.example.org:8443",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = pull};

}  // namespace polder::cli
