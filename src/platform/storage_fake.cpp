#include "platform/storage_fake.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <utility>

#include "base/fail.h"
#include "platform/os_error.h"

namespace polder {
namespace {

constexpr std::size_t kSectorBytes = 512;

void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

class FakeLock final : public StorageLock {
 public:
  FakeLock(FakeStorage& disk, std::string name) : disk_(disk), name_(std::move(name)) {}
  ~FakeLock() override { disk_.locks_.erase(name_); }

 private:
  FakeStorage& disk_;
  std::string name_;
};

class FakeStoredFile final : public StoredFile {
 public:
  FakeStoredFile(FakeStorage& disk, std::string name, std::shared_ptr<FakeStorage::Node> node)
      : disk_(disk), name_(std::move(name)), node_(std::move(node)) {}

  Result<std::uint64_t> size() override {
    if (disk_.is_off_) return os_error(name_, "stat", EIO);
    return std::uint64_t(node_->bytes.size());
  }
  Result<std::size_t> read(std::uint64_t offset, std::span<char> out) override {
    if (disk_.is_off_ || name_ == disk_.unreadable) return os_error(name_, "read", EIO);
    if (offset >= node_->bytes.size()) return std::size_t(0);
    return node_->bytes.copy(out.data(), out.size(), offset);
  }
  Status write(std::uint64_t offset, std::string_view bytes) override {
    TRY_VALUE(const StorageFault fault, disk_.turn(name_, "write"));
    if (fault == StorageFault::kShort) bytes = bytes.substr(0, bytes.size() / 2);
    const std::uint64_t size = node_->bytes.size(), end = offset + bytes.size();
    const std::uint64_t room =
        disk_.capacity_bytes_ - std::min(disk_.capacity_bytes_, disk_.used_bytes());
    const bool is_full = end > size && end - size > room;
    if (is_full) bytes = bytes.substr(0, std::max(offset, size + room) - offset);
    if (!bytes.empty()) {
      put(node_->bytes, offset, bytes);
      disk_.log_.push_back({Kind::kWrite, node_->id, offset, std::string(bytes), {}, {}});
    }
    if (is_full || fault == StorageFault::kShort) return os_error(name_, "write", ENOSPC);
    return {};
  }
  Status truncate(std::uint64_t size) override {
    TRY(disk_.turn(name_, "cut"));
    node_->bytes.resize(size);
    disk_.log_.push_back({Kind::kTruncate, node_->id, size, {}, {}, {}});
    return {};
  }
  Status reserve(std::uint64_t size) override {
    TRY(disk_.turn(name_, "take the room for"));
    const std::uint64_t own = node_->bytes.size();
    TRY_VALUE(const std::uint64_t room, disk_.free_bytes());
    if (size > own && size - own > room) return os_error(name_, "take the room for", ENOSPC);
    return {};
  }
  Status sync() override {
    TRY(disk_.turn(name_, "sync"));
    disk_.log_.push_back({Kind::kSyncFile, node_->id, 0, {}, {}, {}});
    return {};
  }

 private:
  using Kind = FakeStorage::Step::Kind;
  FakeStorage& disk_;
  const std::string name_;
  const std::shared_ptr<FakeStorage::Node> node_;
};

void FakeStorage::fail_at(std::uint64_t n, StorageFault fault, bool for_good) {
  const std::uint64_t first = calls_ + n;
  fault_of = [=](std::uint64_t call) {
    return call == first || (for_good && call > first) ? fault : StorageFault::kNone;
  };
}

Result<StorageFault> FakeStorage::turn(const std::string& name, std::string_view action) {
  const StorageFault fault =
      is_off_ ? StorageFault::kPowerCut : (fault_of ? fault_of(calls_) : StorageFault::kNone);
  ++calls_;
  switch (fault) {
    case StorageFault::kPowerCut: is_off_ = true; [[fallthrough]];
    case StorageFault::kIo: return os_error(name, action, EIO);
    case StorageFault::kFull: return os_error(name, action, ENOSPC);
    case StorageFault::kShort:
      if (action != "write") return os_error(name, action, ENOSPC);
      return fault;
    case StorageFault::kNone: break;
  }
  return fault;
}

Status FakeStorage::check(const std::string& name) const {
  TRY(check_storage_name(name));
  if (is_off_) return os_error(name, "open", EIO);
  const std::string folder = storage_folder(name);
  if (!folder.empty() && folders_.count(folder) == 0) return os_error(folder, "open", ENOENT);
  return {};
}

std::uint64_t FakeStorage::used_bytes() const {
  std::uint64_t sum = 0;
  std::set<std::uint64_t> seen;
  for (const auto& [name, node] : names_)
    if (seen.insert(node->id).second) sum += node->bytes.size();
  return sum;
}

Result<std::unique_ptr<StoredFile>> FakeStorage::open(const std::string& name) {
  TRY(check(name));
  const auto at = names_.find(name);
  if (at == names_.end()) return os_error(name, "open", ENOENT);
  return std::unique_ptr<StoredFile>(std::make_unique<FakeStoredFile>(*this, name, at->second));
}

Result<std::unique_ptr<StoredFile>> FakeStorage::create(const std::string& name) {
  TRY(check(name));
  if (folders_.count(name) > 0) return os_error(name, "open", EISDIR);
  TRY(turn(name, "open"));
  std::shared_ptr<Node>& node = names_[name];
  if (node) {
    node->bytes.clear();
    log_.push_back({Step::Kind::kTruncate, node->id, 0, {}, {}, {}});
  } else {
    node = std::make_shared<Node>(Node{next_node_++, ""});
    log_.push_back({Step::Kind::kLink, node->id, 0, {}, name, {}});
  }
  return std::unique_ptr<StoredFile>(std::make_unique<FakeStoredFile>(*this, name, node));
}

Status FakeStorage::rename(const std::string& from, const std::string& to) {
  TRY(check(from));
  TRY(check(to));
  if (names_.count(from) == 0) return os_error(from, "rename", ENOENT);
  TRY(turn(from, "rename"));
  if (from == to) return {};
  names_[to] = names_[from];
  names_.erase(from);
  log_.push_back({Step::Kind::kRename, 0, 0, {}, from, to});
  return {};
}

Status FakeStorage::link(const std::string& from, const std::string& to) {
  TRY(check(from));
  TRY(check(to));
  const auto at = names_.find(from);
  if (at == names_.end()) return os_error(from, "link", ENOENT);
  if (names_.count(to) > 0) return os_error(to, "link", EEXIST);
  if (!has_links) return fail(Code::kUnsupported, "{}: cannot have a second name", from);
  TRY(turn(from, "link"));
  const std::shared_ptr<Node> node = at->second;
  names_[to] = node;
  log_.push_back({Step::Kind::kLink, node->id, 0, {}, to, {}});
  return {};
}

Status FakeStorage::make_executable(const std::string& name) {
  TRY(check(name));
  if (names_.count(name) == 0) return os_error(name, "open", ENOENT);
  TRY(turn(name, "change the mode"));
  return {};
}

Status FakeStorage::remove(const std::string& name) {
  TRY(check_storage_name(name));
  TRY(turn(name, "remove"));
  if (names_.erase(name) > 0) log_.push_back({Step::Kind::kRemove, 0, 0, {}, name, {}});
  return {};
}

Status FakeStorage::make_folder(const std::string& name) {
  TRY(check_storage_name(name));
  TRY(turn(name, "make the folder"));
  for (std::size_t end = 0; end != std::string::npos;) {
    end = name.find('/', end + 1);
    const std::string part = name.substr(0, end);
    if (names_.count(part) > 0) return os_error(part, "make the folder", ENOTDIR);
    if (folders_.insert(part).second) log_.push_back({Step::Kind::kFolder, 0, 0, {}, part, {}});
  }
  return {};
}

Status FakeStorage::sync(const std::string& folder) {
  if (!folder.empty()) TRY(check_storage_name(folder));
  if (!folder.empty() && folders_.count(folder) == 0) return os_error(folder, "open", ENOENT);
  TRY(turn(folder, "sync"));
  log_.push_back({Step::Kind::kSyncFolder, 0, 0, {}, folder, {}});
  return {};
}

Result<std::vector<std::string>> FakeStorage::list(const std::string& folder,
                                                   std::size_t max_count) {
  if (!folder.empty()) TRY(check_storage_name(folder));
  if (is_off_) return os_error(folder, "list", EIO);
  if (!folder.empty() && folders_.count(folder) == 0) return os_error(folder, "list", ENOENT);
  std::vector<std::string> out;
  const std::string prefix = folder.empty() ? "" : folder + "/";
  const auto add = [&](const std::string& name, std::string_view ending) {
    if (storage_folder(name) == folder) out.push_back(name.substr(prefix.size()).append(ending));
  };
  for (const auto& [name, node] : names_) add(name, "");
  for (const std::string& name : folders_) add(name, "/");
  if (out.size() > max_count)
    return fail(Code::kExhausted, "{}: more than {} entries", folder, max_count);
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::uint64_t> FakeStorage::free_bytes() {
  if (is_off_) return os_error("", "ask for free space", EIO);
  return capacity_bytes_ - std::min(capacity_bytes_, used_bytes());
}

Result<std::unique_ptr<StorageLock>> FakeStorage::lock(const std::string& name) {
  TRY(check(name));
  if (!locks_.insert(name).second)
    return fail(Code::kUnavailable, "{}: another process holds it; end that one first", name);
  return std::unique_ptr<StorageLock>(std::make_unique<FakeLock>(*this, name));
}

std::map<std::string, std::string> FakeStorage::files() const {
  std::map<std::string, std::string> out;
  for (const auto& [name, node] : names_) out[name] = node->bytes;
  return out;
}

void FakeStorage::settle() {
  log_.clear();
  base_.clear();
  for (const auto& [name, node] : names_) base_[name] = std::make_shared<const Node>(*node);
  base_folders_ = folders_;
}

// Plays the log up to a power cut and decides what of the unsynced arrived.
class CrashReplay {
 public:
  using Step = FakeStorage::Step;
  using Kind = Step::Kind;

  CrashReplay(const FakeStorage& disk, std::size_t step, std::uint64_t seed)
      : seed_(seed), random_(seed * 1'000'003 + step) {
    for (const auto& [name, node] : disk.base_) {
      names_[name] = node->id;
      contents_[node->id] = node->bytes;
    }
    folders_ = disk.base_folders_;
    keep_percent_ = std::array<unsigned, 3>{10, 50, 90}[random_() % 3];
    for (std::size_t i = 0; i < std::min(step, disk.log_.size()); ++i) play(disk.log_[i]);
    cut();
  }

  std::map<std::string, std::uint64_t> names_;
  std::map<std::uint64_t, std::string> contents_;
  std::set<std::string> folders_;

 private:
  void play(const Step& step) {
    switch (step.kind) {
      case Kind::kWrite:
      case Kind::kTruncate: unsynced_[step.node].push_back(&step); break;
      case Kind::kSyncFile: sync_file(step.node); break;
      case Kind::kSyncFolder: sync_folder(step.name); break;
      case Kind::kFolder: folders_.insert(step.name); break;
      default: changes_.push_back(&step); break;
    }
  }

  void sync_file(std::uint64_t node) {
    for (const Step* step : unsynced_[node]) apply_data(*step);
    unsynced_.erase(node);
  }

  void apply_data(const Step& step) {
    std::string& content = contents_[step.node];
    if (step.kind == Kind::kTruncate) content.resize(step.offset);
    else put(content, step.offset, step.bytes);
  }

  // Every change in this folder, and what each needs before it: earlier ones of the same names.
  void sync_folder(const std::string& folder) {
    std::set<std::string> needed;
    std::vector<const Step*> now, later;
    for (auto at = changes_.rbegin(); at != changes_.rend(); ++at) {
      const Step& step = **at;
      const bool here = storage_folder(step.name) == folder ||
                        (!step.to.empty() && storage_folder(step.to) == folder);
      if (here || touches(step, needed)) {
        add_names(step, needed);
        now.push_back(&step);
      } else {
        later.push_back(&step);
      }
    }
    std::for_each(now.rbegin(), now.rend(), [&](const Step* step) { apply_name(*step); });
    changes_.assign(later.rbegin(), later.rend());
  }

  static bool touches(const Step& step, const std::set<std::string>& names) {
    return names.count(step.name) > 0 || (!step.to.empty() && names.count(step.to) > 0);
  }
  static void add_names(const Step& step, std::set<std::string>& names) {
    names.insert(step.name);
    if (!step.to.empty()) names.insert(step.to);
  }

  void apply_name(const Step& step) {
    if (step.kind == Kind::kLink) {
      names_[step.name] = step.node;
    } else if (step.kind == Kind::kRemove) {
      names_.erase(step.name);
    } else if (const auto at = names_.find(step.name); at != names_.end()) {
      names_[step.to] = at->second;
      names_.erase(step.name);
    }
  }

  bool keeps() {
    if (seed_ < 2) return seed_ == 1;
    return random_() % 100 < keep_percent_;
  }

  void cut() {
    std::set<std::string> lost;
    for (const Step* step : changes_) {
      if (!touches(*step, lost) && keeps()) apply_name(*step);
      else add_names(*step, lost);
    }
    for (const auto& [node, steps] : unsynced_)
      for (const Step* step : steps) tear(*step);
  }

  // Sector by sector of the disk.
  void tear(const Step& step) {
    if (step.kind == Kind::kTruncate) {
      if (keeps()) apply_data(step);
      return;
    }
    std::string& content = contents_[step.node];
    const std::uint64_t end = step.offset + step.bytes.size();
    for (std::uint64_t at = step.offset; at < end;) {
      const std::uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if (keeps())
        put(content, at, std::string_view(step.bytes).substr(at - step.offset, next - at));
      at = next;
    }
    // The new length may arrive without the bytes.
    if (content.size() < end && keeps()) content.resize(end);
  }

  const std::uint64_t seed_;
  std::mt19937_64 random_;
  unsigned keep_percent_ = 50;
  std::map<std::uint64_t, std::vector<const Step*>> unsynced_;
  std::vector<const Step*> changes_;
};

std::unique_ptr<FakeStorage> FakeStorage::after_crash(std::size_t step, std::uint64_t seed) const {
  CrashReplay replay(*this, step, seed);
  auto out = std::make_unique<FakeStorage>(capacity_bytes_);
  out->next_node_ = next_node_;
  out->has_links = has_links;
  out->folders_ = std::move(replay.folders_);
  std::map<std::uint64_t, std::shared_ptr<Node>> nodes;
  for (const auto& [name, id] : replay.names_) {
    std::shared_ptr<Node>& node = nodes[id];
    if (!node) node = std::make_shared<Node>(Node{id, replay.contents_[id]});
    out->names_[name] = node;
  }
  out->settle();
  return out;
}

std::uint64_t for_each_crash(
    const FakeStorage& disk, int per_step, std::uint64_t seed,
    const std::function<bool(FakeStorage& after, std::size_t step, std::uint64_t choice)>& check) {
  std::uint64_t count = 0;
  for (std::size_t step = 0; step <= disk.steps(); ++step) {
    for (int i = 0; i < std::max(per_step, 2); ++i) {
      const std::uint64_t choice = i < 2 ? std::uint64_t(i) : 2 + seed * 1000 + std::uint64_t(i);
      ++count;
      if (!check(*disk.after_crash(step, choice), step, choice)) return count;
    }
  }
  return count;
}

}  // namespace polder
