#include "hub/repository/publisher.h"

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/repository/registry.h"
#include "hub/upkeep/gap.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

constexpr std::chrono::seconds kLookEvery{10};
// Each publication is a new snapshot for every device to fetch.
constexpr std::int64_t kAssignEveryS = 10;
constexpr int kAssignAtOnce = 2'000;  // rows; those of one change are never parted
constexpr std::int64_t kTidyEveryS = 3'600;

// What goes on from a state that is none any more: nobody could approve it, and whoever asked for
// it has to stage it anew.
struct Superseded {
  std::string id, what, by;
  trust::Json details;
};

// `by` is empty of one that is not.
Result<Superseded> look_at(const Publisher::Parts& parts, const Row& row) {
  Superseded one{row[0].text(), row[1].text(), "", {}};
  TRY_VALUE(one.by, parts.repository.superseded(one.id));
  if (one.by.empty()) return one;
  TRY_VALUE(one.details, trust::Json::parse(row[2].text(), "approval.details"));
  one.details.members()->insert_or_assign("superseded_by", one.by);
  return one;
}

// Of what waits for approval. One that cannot be read goes on waiting, and keeps no other.
Status end_superseded(const Publisher::Parts& parts) {
  TRY_VALUE(const Rows rows, parts.readers.query("SELECT id, what, details FROM approval WHERE "
                                                 "state = 'open' AND kind = 'publication' "
                                                 "ORDER BY asked_s, id"));
  std::vector<Superseded> found;
  for (const Row& row : rows) {
    auto one = look_at(parts, row);
    if (!one.ok())
      parts.log(fmt::format("publication {}, which waits for approval: {}", row[0].text(),
                            one.error().message));
    else if (!one->by.empty()) found.push_back(*std::move(one));
  }
  if (found.empty()) return {};
  const std::int64_t now_s = parts.wall.now_s();
  // All at once: what they brought waits with none of them. One may be decided by now.
  std::vector<std::string> ended;
  Status done = parts.writer.write([&](Database& database) -> Status {
    ended.clear();
    for (const Superseded& one : found) {
      TRY_VALUE(const Rows open,
                ask(database,
                    "UPDATE approval SET state = 'superseded', decided_by = ?, decided_s = ?, "
                    "details = ? WHERE id = ? AND state = 'open' RETURNING id",
                    {std::string(kHubActor), now_s, one.details.compact(), one.id}));
      if (open.empty()) continue;
      ended.push_back(one.id);
      TRY(put_on_record(
          database, {now_s,
                     std::string(kHubActor),
                     trust::Act::kRejected,
                     one.what,
                     {{"approval", one.id}, {"state", "superseded"}, {"superseded_by", one.by}}}));
    }
    for (const std::string& id : ended) TRY(forget_waiting(database, id));
    return {};
  });
  TRY(std::move(done));
  parts.recorder.wake();
  for (const std::string& id : ended) TRY(parts.repository.drop(id));
  return {};
}

}  // namespace

Publisher::~Publisher() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Publisher::start() {
  thread_ = std::thread([this] { serve(); });
}

void Publisher::wake() {
  {
    const std::lock_guard lock(mutex_);
    has_new_ = true;
  }
  wake_.notify_one();
}

void Publisher::serve() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    has_new_ = false;
    lock.unlock();
    tend();
    lock.lock();
    wake_.wait_for(lock, kLookEvery, [this] { return ends_ || has_new_; });
  }
}

void Publisher::tend() {
  const std::lock_guard lock(tending_);
  const auto told = [&](std::string_view what, const Status& done) {
    if (!done.ok()) parts_.log(fmt::format("{}: {}", what, done.error().message));
  };
  told("a publication that is approved", finish_all());
  told("renewing the repository", parts_.repository.renew(parts_.wall.now_s()));
  told("assigning releases", assign());
  told("a repository of which devices have a later state", raise());
  tidy();
}

Status Publisher::write(Work work) {
  Status done = parts_.writer.write(std::move(work));
  if (done.ok()) parts_.recorder.wake();
  return done;
}

// --- What people have agreed on ------------------------------------------------------------------

Status Publisher::begin() {
  TRY_VALUE(const auto restoration, last_restoration(parts_.readers));
  if (restoration) parts_.repository.allow_gaps(restoration->lost_versions());
  TRY_VALUE(const auto waiting, parts_.repository.waiting());
  for (const std::string& id : waiting) {
    TRY_VALUE(const Rows rows,
              parts_.readers.query("SELECT 1 FROM approval WHERE id = ? AND state IN ('open', "
                                   "'approved') AND done_s IS NULL",
                                   {id}));
    if (rows.empty()) TRY(parts_.repository.drop(id));
  }
  // What cannot be published now is tried again; the fleet is served meanwhile.
  if (const Status done = finish_all(); !done.ok())
    parts_.log("what was approved is not published yet: " + done.error().message);
  if (const Status done = end_superseded(parts_); !done.ok())
    parts_.log("what waits for approval: " + done.error().message);
  TRY_VALUE(const Rows rows, parts_.readers.query("SELECT model, version FROM model_release "
                                                  "WHERE state = 'published'"));
  std::set<std::string> known;
  for (const Row& row : rows)
    known.insert(fmt::format("{}/{}/manifest.json", row[0].text(), row[1].text()));
  return parts_.repository.read_manifests(
      [&](const std::string& target) { return !known.contains(target); },
      [&](const std::string& target, const std::string& bytes) {
        return write([&](Database& database) {
          return note_published(database, target, bytes,
                                {"", std::string(kHubActor), parts_.wall.now_s()});
        });
      });
}

Status Publisher::finish_all() {
  TRY_VALUE(const Rows rows,
            parts_.readers.query("SELECT id FROM approval WHERE kind = 'publication' AND "
                                 "state = 'approved' AND done_s IS NULL ORDER BY decided_s"));
  Status all;
  for (const Row& row : rows)
    if (Status done = finish(row[0].text()); !done.ok()) all = std::move(done);
  return all;
}

Status Publisher::finish(const std::string& publication) {
  const std::lock_guard lock(finishing_);
  TRY_VALUE(const Rows rows,
            parts_.readers.query("SELECT details, decided_by FROM approval WHERE id = ? AND "
                                 "state = 'approved' AND done_s IS NULL",
                                 {publication}));
  if (rows.empty()) return {};
  TRY_VALUE(const trust::Json json, trust::Json::parse(rows[0][0].text(), "approval.details"));
  TRY_VALUE(const trust::Object details, trust::Object::of(json, "approval.details"));
  TRY_VALUE(const auto added, details.texts("releases", trust::tuf::kMaxTargets));
  TRY_VALUE(const auto removed, details.texts("withdrawn", trust::tuf::kMaxTargets));
  const std::string by = rows[0][1].text();
  const std::int64_t now_s = parts_.wall.now_s();
  TRY(parts_.repository.publish(publication, now_s));
  std::map<std::string, std::string> manifests;
  const std::set<std::string> wanted(added.begin(), added.end());
  TRY(parts_.repository.read_manifests(
      [&](const std::string& target) { return wanted.contains(target); },
      [&](const std::string& target, const std::string& bytes) {
        return manifests.emplace(target, bytes), Status();
      }));
  Status noted = write([&](Database& database) -> Status {
    for (const auto& [target, bytes] : manifests)
      TRY(note_published(database, target, bytes, {publication, by, now_s}));
    // One that another role lists now is still there.
    for (const std::string& target : removed)
      if (!wanted.contains(target)) TRY(note_withdrawn(database, target));
    TRY(tell(database, "UPDATE approval SET done_s = ? WHERE id = ?", {now_s, publication}));
    return put_on_record(database, {now_s,
                                    std::string(kHubActor),
                                    trust::Act::kReleasePublished,
                                    "repository",
                                    {{"publication", publication},
                                     {"timestamp_version", parts_.repository.version()}}});
  });
  TRY(std::move(noted));
  // It is published, whatever becomes of the rest.
  if (const Status ended = end_superseded(parts_); !ended.ok())
    parts_.log("what waits for approval: " + ended.error().message);
  return {};
}

// --- What rollouts want --------------------------------------------------------------------------

Status Publisher::assign() {
  const std::int64_t now_s = parts_.wall.now_s();
  const bool is_early = now_s >= assigned_s_ && now_s < assigned_s_ + kAssignEveryS;
  if (!parts_.repository.may_assign() || is_early) return {};
  TRY_VALUE(const Rows noted,
            parts_.readers.query("SELECT value FROM repository_state WHERE name = 'assigned'"));
  const std::int64_t since = noted.empty() ? 0 : noted[0][0].integer();
  TRY_VALUE(const Rows rows, parts_.readers.query("SELECT changed FROM wanted WHERE changed > ? "
                                                  "ORDER BY changed LIMIT ?",
                                                  {since, kAssignAtOnce}));
  if (rows.empty()) return {};
  const std::int64_t until = rows.back()[0].integer();
  TRY_VALUE(const auto assignments, wanted(since, until));
  const std::int64_t before = parts_.repository.version();
  TRY(parts_.repository.assign(assignments, now_s));
  assigned_s_ = now_s;
  if (static_cast<int>(rows.size()) == kAssignAtOnce) wake();
  return note_assigned(parts_.repository.version() == before ? 0 : assignments.size(), until);
}

Result<std::vector<trust::Assignment>> Publisher::wanted(std::int64_t since, std::int64_t until) {
  TRY_VALUE(const Rows published,
            parts_.readers.query("SELECT model, version, is_runtime FROM model_release "
                                 "WHERE state = 'published'"));
  std::map<std::pair<std::string, std::string>, bool> runtimes;
  for (const Row& row : published) runtimes[{row[0].text(), row[1].text()}] = row[2].integer() != 0;
  TRY_VALUE(const auto restoration, last_restoration(parts_.readers));
  TRY_VALUE(
      const Rows rows,
      parts_.readers.query("SELECT device, model, version, shadow, retry, (SELECT m.seen_s FROM "
                           "device_model m WHERE m.device = w.device AND m.model = w.model) FROM "
                           "wanted w WHERE device IN (SELECT device FROM wanted WHERE "
                           "changed > ? AND changed <= ?) ORDER BY device, model",
                           {since, until}));
  std::vector<trust::Assignment> assignments;
  for (const Row& row : rows) {
    const std::string &device = row[0].text(), &model = row[1].text(), &version = row[2].text();
    if (device == trust::kDefaultDevice) continue;  // that would be for all who have none
    if (assignments.empty() || assignments.back().device != device) {
      assignments.emplace_back();
      assignments.back().device = device;
    }
    trust::Assignment& assignment = assignments.back();
    assignment.retry = std::max(assignment.retry, row[4].integer());
    // What it runs by now the backup does not know, and nobody may take that from it.
    const bool is_silent = restoration && row[5].integer() < restoration->restored_s;
    if (version.empty() || is_silent) continue;
    // What devices could not find would keep them from all else that they are assigned.
    const auto release = runtimes.find({model, version});
    if (release == runtimes.end()) {
      if (unknown_.insert(fmt::format("{} {}", model, version)).second)
        parts_.log(
            fmt::format("{} {}: devices are to run it, and it is not published", model, version));
      continue;
    }
    TRY_VALUE(auto parsed, trust::Version::parse(version, "wanted.version"));
    assignment.releases.push_back({model, std::move(parsed), release->second});
    assignment.shadow = assignment.shadow || row[3].integer() != 0;
  }
  return assignments;
}

// Devices go back to no version that they have seen: a hub that goes on from a backup begins above
// it, once what they are to run is as safe (assign()). Of versions that it never had without that,
// and of absurd ones, it is told: one device may say what it likes.
Status Publisher::raise() {
  const std::int64_t own = parts_.repository.version();
  if (own == 0) return {};
  TRY_VALUE(const auto restoration, last_restoration(parts_.readers));
  TRY_VALUE(const Rows rows,
            parts_.readers.query(
                "SELECT COALESCE((SELECT MAX(repository) FROM device_link), 0), COALESCE((SELECT "
                "MAX(repository) FROM device_link WHERE repository <= ?), 0)",
                {restoration ? restoration->highest_version() : 0}));
  const std::int64_t any = rows[0][0].integer(), seen = rows[0][1].integer();
  if (any > std::max(own, seen) && any != std::exchange(told_version_, any))
    parts_.log(fmt::format(
        "a device has version {} of the repository, which is {} here and was never that: where "
        "this "
        "folder is an old copy, 'polder-hub backup' and 'polder-hub restore' make it good",
        any, own));
  if (seen <= own) return {};
  TRY_VALUE(const Rows waiting,
            parts_.readers.query("SELECT 1 FROM wanted WHERE changed > COALESCE((SELECT value "
                                 "FROM repository_state WHERE name = 'assigned'), 0) LIMIT 1"));
  if (!waiting.empty() && parts_.repository.may_assign()) return {};
  const std::int64_t now_s = parts_.wall.now_s();
  TRY(parts_.repository.raise(seen, now_s));
  const std::string text = fmt::format(
      "devices have version {} of the repository, of which the backup had {}: goes on "
      "at {}; 'polder hub push --again' brings what people have published since",
      seen, own, parts_.repository.version());
  parts_.log(text);
  return write([&](Database& database) {
    return put_on_record(database,
                         {now_s,
                          std::string(kHubActor),
                          trust::Act::kNote,
                          "repository",
                          {{"reason", text}, {"timestamp_version", parts_.repository.version()}}});
  });
}

// `devices`: 0 where all was as it is.
Status Publisher::note_assigned(std::size_t devices, std::int64_t until) {
  const std::int64_t now_s = parts_.wall.now_s();
  return write([&](Database& database) -> Status {
    TRY(tell(database,
             "INSERT INTO repository_state (name, value) VALUES ('assigned', ?) "
             "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
             {until}));
    if (devices == 0) return {};
    return put_on_record(database, {now_s,
                                    std::string(kHubActor),
                                    trust::Act::kReleaseAssigned,
                                    devices == 1 ? "1 device" : fmt::format("{} devices", devices),
                                    {{"timestamp_version", parts_.repository.version()}}});
  });
}

void Publisher::tidy() {
  const std::int64_t now_s = parts_.wall.now_s();
  if (now_s >= tidied_s_ && now_s < tidied_s_ + kTidyEveryS) return;
  tidied_s_ = now_s;
  const Status done = parts_.uploads.forget_before(now_s - kUploadDays * trust::tuf::kDayS);
  if (!done.ok()) parts_.log("uploads: " + done.error().message);
  const auto pruned = parts_.repository.prune(now_s);
  if (!pruned.ok()) parts_.log("old metadata: " + pruned.error().message);
}

}  // namespace polder::hub
