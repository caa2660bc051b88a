// polder hub push: what is staged and signed here is asked for there.
#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/fail.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/hub/client.h"
#include "cli/hub/print.h"
#include "cli/repo/changes.h"
#include "cli/repo/common.h"
#include "cli/repo/pushed.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "platform/random_access.h"
#include "trust/assignment.h"
#include "trust/file_digest.h"

namespace polder::cli {

namespace {

using trust::Json;

constexpr std::size_t kAskAtOnce = 500;       // digests
constexpr std::size_t kPieceBytes = 1 << 20;  // as much as a hub takes at once
constexpr std::uint64_t kMaxFileBytes = std::uint64_t(16) << 30;

constexpr Option kOptions[] = {POLDER_HUB_OPTIONS,
                               {"--again", "",
                                "what was published and the hub has no longer, as it goes on from "
                                "a backup, in place of what is staged"},
                               {"--json", "", "prints what was asked for as JSON"}};

// What goes to the hub, by digest.
struct LocalFile {
  std::string name, place;  // for people; where it is
};
using LocalFiles = std::map<std::string, LocalFile>;

using trust::tuf::Repository;

// Where what is pushed waits: what was published and is to be again, apart from what is staged.
std::string staged_folder(const std::string& folder, const Args& args) {
  return folder + (args.has("--again") ? "/again" : "/staged");
}

// Of its repository, by role.
Result<std::map<std::string, std::int64_t>> versions_of(HubClient& hub) {
  TRY_VALUE(const Json answer, hub.get("/v1/repository"));
  TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
  TRY_VALUE(const Json* const list, object.get("roles"));
  std::map<std::string, std::int64_t> versions;
  if (!list->array()) return fail(Code::kCorrupt, "{}: answer.roles: a list expected", hub.url());
  for (const Json& item : *list->array()) {
    TRY_VALUE(const trust::Object role, trust::Object::of(item, "answer.roles"));
    TRY_VALUE(const std::string name, role.text("role"));
    TRY_VALUE(versions[name], role.integer("version", 0, trust::tuf::kMaxInteger));
  }
  return versions;
}

Status stage_published(Repository& repository, const std::string& role, std::int64_t version) {
  TRY_VALUE(const std::string bytes,
            read_file(fmt::format("{}/metadata/{}.{}.json", repository.folder(), version, role),
                      trust::tuf::kMaxTargetsBytes));
  return repository.stage_signed(role, bytes);
}

// Roles that people sign and of which the hub has an earlier version than was published. Roots come
// one after another, and what was signed by the keys of the last one comes with that.
Status stage_again(Repository& repository, HubClient& hub) {
  TRY_VALUE(auto versions, versions_of(hub));
  TRY_VALUE(const auto roles, repository.roles());
  const auto root = std::ranges::find(roles, "root", &trust::tuf::RoleState::role);
  const std::int64_t next_root = versions["root"] + 1;
  if (root != roles.end() && root->version > next_root) {
    fmt::print(stderr, "polder: root version {} first: push again once that is approved\n",
               next_root);
    return stage_published(repository, "root", next_root);
  }
  for (const trust::tuf::RoleState& role : roles) {
    const bool is_own =
        role.role == "snapshot" || role.role == "timestamp" || is_of_assignments(role.role);
    if (is_own || role.version <= versions[role.role]) continue;
    TRY(stage_published(repository, role.role, role.version));
  }
  return {};
}

// Whether the hub has published what is staged here.
bool is_published(HubClient& hub, const trust::tuf::Staged& role, const std::string& place) {
  const auto published =
      hub.get(fmt::format("/repository/metadata/{}.{}.json", role.version, role.role));
  const auto bytes = read_file(place, trust::tuf::kMaxTargetsBytes);
  if (!published.ok() || !bytes.ok()) return false;
  const auto staged = Json::parse(*bytes, place);
  return staged.ok() && *staged == *published;
}

// What the hub has already is refused there, and only once all files are sent.
Status check_versions(HubClient& hub, const std::vector<trust::tuf::Staged>& staged,
                      const std::string& folder, const std::string& staged_at) {
  TRY_VALUE(auto versions, versions_of(hub));
  for (const trust::tuf::Staged& role : staged) {
    const bool is_own = role.signatures == 0 && is_of_assignments(role.role);
    if (is_own || role.version > versions[role.role]) continue;
    if (is_published(hub, role, fmt::format("{}/{}.json", staged_at, role.role)))
      return fail(Code::kInvalid,
                  "{}: {} version {} is published by {} already: 'polder hub pull {}' takes it in",
                  folder, role.role, role.version, hub.url(), folder);
    return fail(Code::kInvalid,
                "{}: {} version {} is staged, and {} has another version {} by now: 'polder repo "
                "discard {}', 'polder hub pull {}', and stage and sign it anew",
                folder, role.role, role.version, hub.url(), versions[role.role], folder, folder);
  }
  return {};
}

// Roles first: their digests name what is asked for. Assignments that nobody here has signed are
// the hub's, which makes them anew by itself: of those that they go on from it may have lost some.
Result<LocalFiles> files_of(const Repository& repository, const std::string& staged_at,
                            Repository::Files which, Json::Members& roles) {
  LocalFiles files;
  TRY_VALUE(auto staged, repository.staged());
  const bool has_own = std::erase_if(staged, [](const trust::tuf::Staged& role) {
                         return role.signatures == 0 && is_of_assignments(role.role);
                       }) > 0;
  if (staged.empty())
    return fail(
        Code::kNotFound,
        "{}: nothing is staged: 'polder repo add' stages a release, 'polder repo sign' signs "
        "it",
        repository.folder());
  for (const trust::tuf::Staged& role : staged) {
    const std::string digest = trust::hex(role.digest);
    roles.emplace(role.role, digest);
    files.emplace(digest, LocalFile{fmt::format("{} version {}", role.role, role.version),
                                    fmt::format("{}/{}.json", staged_at, role.role)});
  }
  TRY_VALUE(const auto more, repository.staged_files(which));
  for (const trust::tuf::StagedFile& file : more)
    if (!has_own || !file.name.starts_with(fmt::format("targets/{}/", trust::kAssignmentsRole)))
      files.emplace(file.digest, LocalFile{file.name, file.place});
  return files;
}

Result<std::vector<std::string>> missing_of(HubClient& hub, const LocalFiles& files) {
  std::vector<std::string> all, missing;
  for (const auto& [digest, file] : files) all.push_back(digest);
  for (std::span<const std::string> rest = all; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kAskAtOnce));
    rest = rest.subspan(some.size());
    TRY_VALUE(
        const Json answer,
        hub.post("/v1/uploads", Json::Members{{"sha256", Json::Array(some.begin(), some.end())}}));
    TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
    TRY_VALUE(const auto digests, object.texts("missing", kAskAtOnce));
    missing.insert(missing.end(), digests.begin(), digests.end());
  }
  return missing;
}

// From where the hub has it already.
Result<std::uint64_t> start_of(HubClient& hub, const std::string& target) {
  const auto answer = hub.get(target);
  if (!answer.ok() && answer.error().code == Code::kNotFound) return std::uint64_t(0);
  if (!answer.ok()) return answer.error();
  TRY_VALUE(const trust::Object object, trust::Object::of(*answer, "answer"));
  TRY_VALUE(const std::int64_t received,
            object.integer("received", 0, std::int64_t(kMaxFileBytes)));
  return std::uint64_t(received);
}

Result<std::uint64_t> send(HubClient& hub, const std::string& digest, const LocalFile& file) {
  auto opened = open_readable(file.place);
  if (!opened.ok() && opened.error().code == Code::kNotFound)
    return fail(Code::kNotFound,
                "{}: is neither here nor at the hub: copy it here, or add it again", file.place);
  TRY_VALUE(const auto content, std::move(opened));
  const std::string target = "/v1/uploads/" + digest;
  TRY_VALUE(std::uint64_t sent, start_of(hub, target));
  const std::uint64_t size = content->size();
  sent = std::min(sent, size);
  const std::uint64_t start = sent;
  std::string piece;
  do {
    piece.resize(std::size_t(std::min<std::uint64_t>(kPieceBytes, size - sent)));
    TRY(content->read(sent, piece));
    auto answer = hub.post_bytes(fmt::format("{}?from={}&total={}", target, sent, size), piece);
    if (!answer.ok()) return std::move(answer).error().at(file.name);
    sent += piece.size();
  } while (sent < size);
  return size - start;
}

// It is asked for, whether that can be noted or not.
void note(const HubClient& hub, const std::string& folder,
          const std::vector<trust::tuf::Staged>& staged, const Json& approval) {
  const Json* const id = approval.find("id");
  Pushed one{.hub = hub.url(), .approval = id && id->string() ? *id->string() : ""};
  for (const trust::tuf::Staged& role : staged) one.roles.emplace(role.role, role.version);
  if (const Status noted = note_pushed(folder, staged, std::move(one)); !noted.ok())
    fmt::print(stderr, "polder: that it is asked for could not be noted here: {}\n",
               one_line(noted.error().message));
}

Result<int> push(const Args& args) {
  const bool is_again = args.has("--again");
  const std::string staged_at = staged_folder(folder_of(args), args);
  if (is_again) TRY(remove_folder(staged_at));
  TRY_VALUE(auto repository,
            Repository::open(folder_of(args), trust::tuf::kRepositoryWaitMs, staged_at));
  TRY_VALUE(HubClient hub, HubClient::open(args));
  if (is_again) TRY(stage_again(repository, hub));
  TRY_VALUE(const auto staged, repository.staged());
  if (is_again && staged.empty()) {
    if (args.has("--json"))
      fmt::print("{}",
                 Json(Json::Members{{"approval", Json()}, {"files", 0}, {"bytes", 0}}).pretty());
    else
      fmt::print("{}: has all that was published in {}\n", hub.url(),
                 one_line(repository.folder()));
    return 0;
  }
  TRY(check_versions(hub, staged, repository.folder(), staged_at));
  Json::Members roles;
  TRY_VALUE(const LocalFiles files,
            files_of(repository, staged_at,
                     is_again ? Repository::Files::kAll : Repository::Files::kNotServed, roles));
  if (!args.has("--json") && !is_again) {
    TRY_VALUE(const auto changes, repository.changes());
    TRY_VALUE(const KeyNames names, KeyNames::of(repository.folder()));
    print_changes(stderr, changes, names);
  }
  TRY_VALUE(const auto missing, missing_of(hub, files));
  std::uint64_t bytes = 0;
  for (const std::string& digest : missing) {
    const auto file = files.find(digest);
    if (file == files.end())
      return fail(Code::kCorrupt, "{}: asks for a file that it was not told of", hub.url());
    TRY_VALUE(const std::uint64_t sent, send(hub, digest, file->second));
    bytes += sent;
    if (!args.has("--json"))
      fmt::print(stderr, "polder: sent {} ({})\n", one_line(file->second.name), bytes_text(sent));
  }
  TRY_VALUE(const Json approval,
            hub.post("/v1/publications", Json::Members{{"roles", std::move(roles)}}));
  // What somebody else has asked for in the same words is not asked for twice.
  const auto me = hub.get("/v1/me");
  const Json* const asked_by = approval.find("asked_by");
  const Json* const my_name = me.ok() ? me->find("name") : nullptr;
  const bool is_anothers = asked_by && my_name && *asked_by != *my_name;
  if (is_again) TRY(remove_folder(staged_at));
  else if (!is_anothers) note(hub, repository.folder(), staged, approval);
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{"approval", approval},
                                        {"files", std::int64_t(missing.size())},
                                        {"bytes", std::int64_t(bytes)}})
                         .pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(approval, "answer"));
  TRY_VALUE(const std::string id, object.text("id"));
  TRY_VALUE(const std::string what, object.text("what"));
  fmt::print("{} files, {} sent; {}: {}'polder hub approve {}'\n", missing.size(),
             bytes_text(bytes), one_line(what),
             is_anothers ? fmt::format("{} has asked for the same: ", shown(*asked_by))
                         : "waits for another person: ",
             one_line(id));
  if (const std::string rivals = rivals_of(approval); !rivals.empty()) fmt::print("{}\n", rivals);
  return 0;
}

}  // namespace

const Command kHubPush = {
    .name = "hub push",
    .summary =
        "Sends what is staged and signed in a repository to a hub, and asks for its publication. "
        "The hub holds it\nto all that devices hold it to; then it waits for another person. What "
        "was cut off goes on where it ended.",
    .arguments = "FOLDER",
    .example =
        "  POLDER_HUB_TOKEN=polder-person-... polder hub push repo --hub "
        "https://hub.example.org:8443 --ca ca.pem",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = push};

}  // namespace polder::cli
