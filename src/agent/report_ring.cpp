#include "agent/report_ring.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/fail.h"
#include "trust/digest.h"
#include "trust/json.h"

namespace polder::agent {

namespace {

using trust::Json;
using trust::Object;

constexpr char kReportFolder[] = "reports", kDrops[] = "reports/drops";
constexpr std::string_view kEndings[] = {".alarm", ".lifecycle", ".metrics"};  // by kind
constexpr ReportKind kKinds[] = {ReportKind::kAlarm, ReportKind::kLifecycle, ReportKind::kMetrics};
constexpr std::size_t kBlockBytes = 4096;
constexpr std::size_t kRecordBytes = 4096;  // of drops; there are two
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kMaxVictims = 24;             // of one drop
constexpr std::size_t kMaxGoing = 2 * kMaxVictims;  // in one record
constexpr std::int64_t kMaxCounted = std::int64_t(1) << 53;

std::string file_name(ReportKind kind, const ReportKey& key) {
  return fmt::format("{:016}-{:016}{}", key.boot, key.sequence, kEndings[std::size_t(kind)]);
}

std::string stored_name(ReportKind kind, const ReportKey& key) {
  return fmt::format("{}/{}", kReportFolder, file_name(kind, key));
}

// The key and the kind that a file's name stands for; nothing for another file.
std::optional<std::pair<ReportKind, ReportKey>> read_name(std::string_view name) {
  for (const ReportKind kind : kKinds) {
    if (!name.ends_with(kEndings[std::size_t(kind)])) continue;
    ReportKey key;
    const char* end = name.data() + name.size();
    const auto boot = std::from_chars(name.data(), end, key.boot);
    if (boot.ec != std::errc() || boot.ptr == end) return {};
    const auto sequence = std::from_chars(boot.ptr + 1, end, key.sequence);
    if (sequence.ec != std::errc() || file_name(kind, key) != name) return {};
    return std::pair(kind, key);
  }
  return {};
}

// In front of a report's bytes: the digest of its name and of them.
std::string checksum(std::string_view name, std::string_view bytes) {
  trust::Sha256Stream hash;
  hash.update(name);
  hash.update("\n");
  hash.update(bytes);
  return trust::hex(hash.finish());
}

std::uint64_t rounded(std::uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

std::uint64_t& count_of(ReportDrops& drops, ReportKind kind) {
  if (kind == ReportKind::kAlarm) return drops.alarms;
  return kind == ReportKind::kLifecycle ? drops.lifecycle : drops.metrics;
}

// --- The record of drops -------------------------------------------------------------------------

struct DropRecord {
  std::uint64_t turn = 0;
  ReportDrops drops;
  std::vector<std::string> dropping;  // names of files
};

std::string record_bytes(const DropRecord& record) {
  Json::Array names(record.dropping.begin(), record.dropping.end());
  const std::string text = Json(Json::Members{{"alarms", std::int64_t(record.drops.alarms)},
                                              {"dropping", std::move(names)},
                                              {"lifecycle", std::int64_t(record.drops.lifecycle)},
                                              {"metrics", std::int64_t(record.drops.metrics)},
                                              {"turn", std::int64_t(record.turn)}})
                               .compact();
  std::string bytes = trust::hex(trust::sha256(text)) + text + "\n";
  bytes.resize(kRecordBytes, ' ');
  return bytes;
}

Result<DropRecord> read_record(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  if (end == bytes.npos || end < kHashDigits) return fail(Code::kCorrupt, "{}: no record", kDrops);
  const std::string_view text = bytes.substr(kHashDigits, end - kHashDigits);
  if (trust::hex(trust::sha256(text)) != bytes.substr(0, kHashDigits))
    return fail(Code::kCorrupt, "{}: a record has another checksum", kDrops);
  TRY_VALUE(const Json document, Json::parse(text, kDrops));
  TRY_VALUE(const Object object, Object::of(document, kDrops));
  TRY(object.only({"alarms", "dropping", "lifecycle", "metrics", "turn"}));
  DropRecord record;
  TRY_VALUE(const std::int64_t alarms, object.integer("alarms", 0, kMaxCounted));
  TRY_VALUE(const std::int64_t lifecycle, object.integer("lifecycle", 0, kMaxCounted));
  TRY_VALUE(const std::int64_t metrics, object.integer("metrics", 0, kMaxCounted));
  TRY_VALUE(const std::int64_t turn, object.integer("turn", 1, kMaxCounted));
  TRY_VALUE(record.dropping, object.texts("dropping", kMaxGoing, 64));
  record.drops = {std::uint64_t(alarms), std::uint64_t(lifecycle), std::uint64_t(metrics)};
  record.turn = std::uint64_t(turn);
  return record;
}

// The newer of the two that are whole.
Result<std::optional<DropRecord>> newest_record(StoredFile& file) {
  std::optional<DropRecord> newest;
  std::string bytes;
  for (const std::uint64_t offset : {std::size_t(0), kRecordBytes}) {
    bytes.resize(kRecordBytes);
    TRY_VALUE(const std::size_t got, file.read(offset, bytes));
    bytes.resize(got);
    auto record = read_record(bytes);
    if (record.ok() && (!newest || record->turn > newest->turn)) newest = std::move(*record);
  }
  return newest;
}

}  // namespace

Result<std::unique_ptr<ReportRing>> ReportRing::open(Storage& storage, std::uint64_t boot,
                                                     const RingLimits& limits) {
  if (limits.max_reports < 1 || limits.max_reports > kMaxReports || limits.max_bytes < kBlockBytes)
    return fail(Code::kInvalid, "reports: room for 1 to {} reports and {} bytes or more expected",
                kMaxReports, kBlockBytes);
  TRY(storage.make_folder(kReportFolder));
  std::unique_ptr<ReportRing> ring(new ReportRing(storage, boot, limits));
  TRY(ring->load_drops());
  TRY(ring->load());
  return ring;
}

// The record, and the end of what it had begun.
Status ReportRing::load_drops() {
  auto file = storage_.open(kDrops);
  if (!file.ok() && file.error().code != Code::kNotFound) return std::move(file).error();
  std::optional<DropRecord> record;
  if (file.ok()) {
    TRY_VALUE(record, newest_record(**file));
  }
  if (!record) {
    // Both records take their room now.
    TRY_VALUE(auto fresh, storage_.create(kDrops));
    TRY(fresh->write(0, record_bytes({1, {}, {}}) + record_bytes({2, {}, {}})));
    TRY(fresh->sync());
    TRY(storage_.sync(kReportFolder));
    turn_ = 2;
    return {};
  }
  turn_ = record->turn;
  drops_ = record->drops;
  for (const std::string& name : record->dropping) {
    if (!read_name(name)) continue;
    TRY(storage_.remove(fmt::format("{}/{}", kReportFolder, name)));
  }
  return storage_.sync(kReportFolder);
}

Status ReportRing::load() {
  TRY_VALUE(const auto names, storage_.list(kReportFolder, 4 * kMaxReports));
  for (const std::string& name : names) {
    const std::string stored = fmt::format("{}/{}", kReportFolder, name);
    if (name.ends_with(".new")) TRY(storage_.remove(stored));
    const auto report = read_name(name);
    if (!report) continue;
    const auto& [kind, key] = *report;
    TRY_VALUE(const auto file, storage_.open(stored));
    TRY_VALUE(const std::uint64_t size, file->size());
    sizes_[std::size_t(kind)][key] = rounded(size);
    bytes_ += rounded(size);
    if (key.boot == boot_) next_sequence_ = std::max(next_sequence_, key.sequence + 1);
  }
  return {};
}

Status ReportRing::save_drops(const ReportDrops& drops) {
  DropRecord record{turn_ + 1, drops, {}};
  for (const Victim& victim : going_) record.dropping.push_back(file_name(victim.kind, victim.key));
  TRY_VALUE(auto file, storage_.open(kDrops));
  TRY(file->write(turn_ % 2 * kRecordBytes, record_bytes(record)));
  TRY(file->sync());
  ++turn_;
  is_saved_ = true;
  return {};
}

Status ReportRing::remove_going() {
  for (const Victim& victim : going_) {
    const std::string name = stored_name(victim.kind, victim.key);
    TRY(storage_.remove(name + ".new"));
    TRY(storage_.remove(name));
  }
  TRY(storage_.sync(kReportFolder));
  going_.clear();
  return {};
}

Status ReportRing::settle() {
  if (!is_saved_) TRY(save_drops(drops_));
  return going_.empty() ? Status() : remove_going();
}

void ReportRing::forget(const Victim& victim) {
  auto& sizes = sizes_[std::size_t(victim.kind)];
  const auto at = sizes.find(victim.key);
  if (at == sizes.end()) return;
  bytes_ -= at->second;
  sizes.erase(at);
}

// At most kMaxVictims. Counted before they go: in between they are gone already for whoever opens
// the ring.
Status ReportRing::drop(std::span<const Victim> victims) {
  ReportDrops drops = drops_;
  for (const Victim& victim : victims) ++count_of(drops, victim.kind);
  const std::vector<Victim> before = going_;
  if (going_.size() + victims.size() > kMaxGoing) going_.clear();
  going_.insert(going_.end(), victims.begin(), victims.end());
  if (Status saved = save_drops(drops); !saved.ok()) {
    going_ = before;
    return saved;
  }
  drops_ = drops;
  for (const Victim& victim : victims) forget(victim);
  return remove_going();
}

std::vector<ReportRing::Victim> ReportRing::victims_for(ReportKind kind,
                                                        std::uint64_t room_bytes) const {
  std::vector<Victim> victims;
  std::uint64_t freed = 0;
  const auto take = [&](ReportKind from) {
    for (const auto& [key, size] : sizes_[std::size_t(from)]) {
      if (victims.size() == kMaxVictims || (freed >= room_bytes && !victims.empty())) return;
      victims.push_back({from, key});
      freed += size;
    }
  };
  for (std::size_t i = kReportKinds; i-- > std::size_t(kind);) take(kKinds[i]);
  return victims;
}

Status ReportRing::make_room(ReportKind kind, std::uint64_t size) {
  while (size > limits_.max_bytes || !fits(size)) {
    const std::uint64_t over = bytes_ + size - std::min(bytes_ + size, limits_.max_bytes);
    const std::vector<Victim> victims = victims_for(kind, over);
    if (victims.empty() || size > limits_.max_bytes) {
      return fail(Code::kExhausted, "reports: no room for {} bytes more beside {} reports of {}",
                  size, count(), bytes_);
    }
    TRY(drop(victims));
  }
  return {};
}

Status ReportRing::store(ReportKind kind, const ReportKey& key, std::string_view bytes) {
  const std::string name = file_name(kind, key);
  std::string content = checksum(name, bytes);
  content += bytes;
  return replace_stored(storage_, fmt::format("{}/{}", kReportFolder, name), content);
}

// A report that is not kept. What there may be of it on the disk goes with its count.
Error ReportRing::lose(ReportKind kind, const ReportKey& key, Error why) {
  ++count_of(drops_, kind);
  if (going_.size() == kMaxGoing) going_.clear();
  going_.push_back({kind, key});
  is_saved_ = false;
  [[maybe_unused]] const Status settled = settle();  // else by the next append()
  return why;
}

Result<ReportKey> ReportRing::append(ReportKind kind, std::string_view bytes) {
  if (bytes.size() > kMaxReportBytes)
    return fail(Code::kInvalid, "a report of {} bytes; at most {} are taken", bytes.size(),
                kMaxReportBytes);
  [[maybe_unused]] const Status settled = settle();
  const ReportKey key = next_key();
  ++next_sequence_;
  const std::uint64_t size = rounded(kHashDigits + bytes.size());
  Status room = make_room(kind, size);
  if (!room.ok()) return lose(kind, key, std::move(room).error());
  Status stored = store(kind, key, bytes);
  if (!stored.ok() && stored.error().code == Code::kExhausted) {
    // The disk is full of something else: the ring has to do with less.
    const std::vector<Victim> victims = victims_for(kind, size);
    if (!victims.empty() && drop(victims).ok()) stored = store(kind, key, bytes);
  }
  if (!stored.ok()) return lose(kind, key, std::move(stored).error());
  sizes_[std::size_t(kind)][key] = size;
  bytes_ += size;
  return key;
}

Result<std::vector<StoredReport>> ReportRing::next(std::size_t max_count, std::uint64_t max_bytes) {
  std::vector<StoredReport> reports;
  std::vector<Victim> rotten;
  std::uint64_t sum = 0;
  bool is_full = false;
  for (const ReportKind kind : kKinds) {
    for (const auto& [key, size] : sizes_[std::size_t(kind)]) {
      is_full = is_full || reports.size() == max_count || rotten.size() == kMaxVictims;
      if (is_full) break;
      auto content = read_stored(storage_, stored_name(kind, key), kHashDigits + kMaxReportBytes);
      if (!content.ok() && content.error().code == Code::kIo) return std::move(content).error();
      std::string bytes = content.ok() && content->size() >= kHashDigits
                              ? content->substr(kHashDigits)
                              : std::string();
      if (!content.ok() || !content->starts_with(checksum(file_name(kind, key), bytes))) {
        rotten.push_back({kind, key});
        continue;
      }
      is_full = !reports.empty() && sum + bytes.size() > max_bytes;
      if (is_full) break;
      sum += bytes.size();
      reports.push_back({key, kind, std::move(bytes)});
    }
  }
  if (!rotten.empty()) TRY(drop(rotten));
  return reports;
}

Status ReportRing::acknowledge(std::span<const ReportKey> keys) {
  bool is_changed = false;
  for (const ReportKey& key : keys) {
    for (const ReportKind kind : kKinds) {
      if (sizes_[std::size_t(kind)].count(key) == 0) continue;
      TRY(storage_.remove(stored_name(kind, key)));
      forget({kind, key});
      is_changed = true;
    }
  }
  return is_changed ? storage_.sync(kReportFolder) : Status();
}

}  // namespace polder::agent
