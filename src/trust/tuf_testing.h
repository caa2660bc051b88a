// For tests: a TUF repository in memory that can be changed and forged at will, a way to fetch from
// it, and a client's storage.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/fail.h"
#include "trust/digest.h"
#include "trust/testing.h"
#include "trust/tuf_updater.h"

namespace polder::trust::tuf {

constexpr std::int64_t kTestNowS = 1893456000;  // 2030-01-01

// Serves files by their names; those of targets begin with "targets/".
class MemoryFetcher final : public Fetcher {
 public:
  std::map<std::string, std::string, std::less<>> files;
  std::string endless;               // the name of a file that never ends
  std::vector<std::string> asked;    // names, in order
  std::int64_t delivered_bytes = 0;  // of the endless file

  Result<std::string> fetch_metadata(const std::string& name, std::size_t cap_bytes) override {
    std::string bytes;
    const Sink append = [&](std::string_view piece) { return bytes += piece, Status(); };
    TRY(serve(name, std::int64_t(cap_bytes), append));
    return bytes;
  }
  Status fetch_target(const std::string& name, std::int64_t cap_bytes, const Sink& sink) override {
    return serve("targets/" + name, cap_bytes, sink);
  }

 private:
  Status serve(const std::string& name, std::int64_t cap_bytes, const Sink& sink) {
    asked.push_back(name);
    if (name == endless) {
      const std::string piece(64 << 10, ' ');
      for (std::int64_t sent = 0; sent <= cap_bytes; sent += std::int64_t(piece.size())) {
        delivered_bytes += std::int64_t(piece.size());
        TRY(sink(piece));
      }
      return fail(Code::kExhausted, "{}: more than {} bytes", name, cap_bytes);
    }
    const auto found = files.find(name);
    if (found == files.end()) return fail(Code::kNotFound, "{}: not in the repository", name);
    if (std::int64_t(found->second.size()) > cap_bytes) {
      return fail(Code::kExhausted, "{}: more than {} bytes", name, cap_bytes);
    }
    // In pieces, as from a network.
    for (std::size_t at = 0; at < found->second.size(); at += 7000) {
      TRY(sink(std::string_view(found->second).substr(at, 7000)));
    }
    return {};
  }
};

class MemoryMetadata final : public MetadataStore {
 public:
  std::map<std::string, std::string, std::less<>> files;
  int writes_left = INT32_MAX;  // then the disk is full

  Result<std::string> read(const std::string& name, std::size_t cap_bytes) override {
    const auto found = files.find(name);
    if (found == files.end()) return fail(Code::kNotFound, "{}: not stored", name);
    if (found->second.size() > cap_bytes) return fail(Code::kExhausted, "{}: too large", name);
    return found->second;
  }
  Status replace(const std::string& name, std::string_view bytes) override {
    if (writes_left-- <= 0) return fail(Code::kExhausted, "{}: the disk is full", name);
    files[name] = std::string(bytes);
    return {};
  }
  Status remove(const std::string& name) override { return files.erase(name), Status(); }
};

// How a role's signatures are made by somebody who has some of its keys.
struct Forgery {
  enum class Padding { kNone, kOwnKeys, kOtherIds };
  int stolen = 0;
  // What stands in for the keys that are missing: nothing, signatures by the attacker's keys, or a
  // good signature under the ids of the role's other keys.
  Padding padding = Padding::kNone;
};

// Roles root, timestamp, snapshot, targets, and people and vehicles, to which targets delegates.
// Each has four keys of its own.
class TestRepository {
 public:
  static constexpr int kKeys = 4;
  using Signers = std::vector<std::shared_ptr<TestSigner>>;

  Root root;
  Timestamp timestamp;
  Snapshot snapshot;
  std::map<std::string, Targets, std::less<>> targets;
  std::map<std::string, Forgery, std::less<>> forged;  // by role; others are signed as they ought
  bool with_hashes = true;                             // in snapshot and timestamp
  MemoryFetcher files;

  explicit TestRepository(std::int64_t threshold = 2) : threshold_(threshold) {
    root.version = 0;  // publish_root() makes it 1
    root.consistent_snapshot = true;
    for (const char* role : {"root", "timestamp", "snapshot", "targets"}) {
      set_keys(root.keys, root.roles[role], role, role);
    }
    Delegations& delegations = targets["targets"].delegations.emplace();
    for (const char* role : {"people", "vehicles"}) {
      targets[role];
      DelegatedRole& delegated = delegations.roles.emplace_back();
      delegated.name = role;
      delegated.paths = {std::string(role) + "/*"};
      set_keys(delegations.keys, delegated, role, role);
    }
    expire_at(kTestNowS + 30 * kDayS);
    release("release 1");
    publish_root();
    publish();
  }

  // The body that all metadata have in common, of a role.
  Common& common(std::string_view role) {
    if (role == "root") return root;
    if (role == "timestamp") return timestamp;
    if (role == "snapshot") return snapshot;
    return targets.find(role)->second;
  }
  RoleKeys& keys_of(std::string_view role) {
    const auto top = root.roles.find(role);
    if (top != root.roles.end()) return top->second;
    auto& roles = targets["targets"].delegations->roles;
    return *std::find_if(roles.begin(), roles.end(), [&](const auto& r) { return r.name == role; });
  }
  void expire_at(std::int64_t time_s) {
    for (Common* body : std::initializer_list<Common*>{&root, &timestamp, &snapshot}) {
      body->expires_s = time_s;
    }
    for (auto& [name, body] : targets) body.expires_s = time_s;
  }
  // Gives a role the keys that are made from `seed`. publish_root() or publish() to follow.
  void set_keys(Keys& keys, RoleKeys& role, const std::string& name, const std::string& seed) {
    if (name == "root") old_root_ = signers_["root"];
    role.threshold = threshold_;
    role.key_ids.clear();
    signers_[name].clear();
    for (int i = 0; i < kKeys; ++i) {
      const std::shared_ptr<TestSigner> signer = signer_of(fmt::format("{} {}", seed, i));
      const std::string id = signer->public_key().id();
      keys.emplace(id, to_key(signer->public_key()));
      role.key_ids.push_back(id);
      signers_[name].push_back(signer);
    }
  }
  void rotate(const std::string& role) {
    set_keys(root.keys, root.roles[role], role, fmt::format("{} {}", role, ++rotations_));
  }

  void add_target(std::string_view role, const std::string& path, std::string_view content) {
    Target target{path, std::string(role), {}};
    target.file.length = std::int64_t(content.size());
    target.file.hashes = {{"sha256", hex(sha256(content))}};
    files.files["targets/" + target_name(target, true).value()] = std::string(content);
    targets.find(role)->second.targets[path] = target.file;
  }
  // A target of each role that lists some.
  void release(const std::string& content) {
    add_target("targets", "base.plan", content + " of base");
    add_target("people", "people/model.plan", content + " of people");
    add_target("vehicles", "vehicles/model.plan", content + " of vehicles");
  }
  // The next version of a role's file, or of all but root; publish() to follow.
  void bump() {
    for (auto& [name, body] : targets) ++body.version;
    ++snapshot.version;
    ++timestamp.version;
  }

  void publish_root() {
    ++root.version;
    files.files[fmt::format("{}.root.json", root.version)] = sign("root", to_json(root));
    old_root_.clear();
  }
  // Targets files, the snapshot of them, and a timestamp of that.
  void publish() {
    for (const auto& [name, body] : targets) publish_targets(name);
    publish_snapshot();
    publish_timestamp();
  }
  void publish_targets(const std::string& role) {
    const Targets& body = targets.at(role);
    const std::string bytes = sign(role, to_json(body));
    files.files[fmt::format("{}.{}.json", body.version, role)] = bytes;
    snapshot.meta[role + ".json"] = meta(body.version, bytes);
  }
  void publish_snapshot() {
    const std::string bytes = sign("snapshot", to_json(snapshot));
    files.files[fmt::format("{}.snapshot.json", snapshot.version)] = bytes;
    timestamp.snapshot = meta(snapshot.version, bytes);
  }
  void publish_timestamp() {
    files.files["timestamp.json"] = sign("timestamp", to_json(timestamp));
  }

  std::string sign(const std::string& role, Json body) {
    Envelope envelope;
    envelope.signed_part = std::move(body);
    const Signers& signers = signers_.at(role);
    const auto forgery = forged.find(role);
    if (forgery == forged.end()) {
      for (std::size_t i = 0; i < std::size_t(threshold_); ++i) add(envelope, *signers[i]);
      for (std::size_t i = 0; role == "root" && i < old_root_.size(); ++i) {
        add(envelope, *old_root_[i]);
      }
    } else {
      forge(envelope, role == "root" && !old_root_.empty() ? old_root_ : signers, forgery->second);
    }
    return envelope.bytes();
  }

 private:
  // Made once: a test run needs the same keys thousands of times.
  static std::shared_ptr<TestSigner> signer_of(const std::string& seed) {
    static std::map<std::string, std::shared_ptr<TestSigner>> all;
    auto& signer = all[seed];
    if (!signer) signer = std::make_shared<TestSigner>(std::string_view(seed));
    return signer;
  }
  static void add(Envelope& envelope, Signer& signer, std::string_view key_id = {}) {
    POLDER_CHECK(envelope.add_signature(signer, key_id).ok());
  }
  void forge(Envelope& envelope, const Signers& signers, const Forgery& forgery) {
    for (int i = 0; i < forgery.stolen; ++i) add(envelope, *signers[std::size_t(i)]);
    for (int i = forgery.stolen; i < kKeys; ++i) {
      const std::string id = signers[std::size_t(i)]->public_key().id();
      TestSigner& own = *signer_of(fmt::format("attacker {}", i));
      if (forgery.padding == Forgery::Padding::kOwnKeys) add(envelope, own);
      if (forgery.padding == Forgery::Padding::kOtherIds) {
        add(envelope, forgery.stolen > 0 ? *signers[0] : own, id);
      }
    }
    // A new root has its own keys sign, which are whatever it says.
    if (envelope.type() != "root") return;
    for (const auto& signer : signers_.at("root")) {
      const std::string id = signer->public_key().id();
      const auto& all = envelope.signatures;
      if (&signers == &signers_.at("root") ||
          std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.key_id == id; })) {
        continue;
      }
      add(envelope, *signer);
    }
  }
  MetaFile meta(std::int64_t version, std::string_view bytes) const {
    MetaFile file{.version = version};
    if (!with_hashes) return file;
    file.length = std::int64_t(bytes.size());
    file.hashes = {{"sha256", hex(sha256(bytes))}};
    return file;
  }

  std::int64_t threshold_;
  int rotations_ = 0;
  std::map<std::string, Signers, std::less<>> signers_;
  Signers old_root_;  // while the root's keys change
};

// A device with what it trusts.
struct TestClient {
  MemoryMetadata store;

  explicit TestClient(const TestRepository& repository) {
    store.files["root.json"] = repository.files.files.at("1.root.json");
  }
  // The bytes of a target, or why there are none. Bytes that were not verified are not returned.
  Result<std::string> install(Fetcher& fetcher, std::string_view path,
                              std::int64_t now_s = kTestNowS) {
    Updater updater(fetcher, store, now_s);
    TRY(updater.refresh());
    TRY_VALUE(const Target target, updater.find(path));
    std::string bytes;
    TRY(updater.download(target, [&](std::string_view piece) { return bytes += piece, Status(); }));
    return bytes;
  }
};

}  // namespace polder::trust::tuf
