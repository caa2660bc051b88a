// For tests: people with offline keys, their repository, and what they push to a hub.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "hub/api/testing_hub.h"
#include "platform/file.h"
#include "trust/assignment.h"
#include "trust/manifest.h"
#include "trust/testing.h"
#include "trust/tuf_repository.h"
#include "trust/tuf_updater.h"

namespace polder::hub {

// Trusted metadata of a device, in memory.
class DeviceMetadata final : public trust::tuf::MetadataStore {
 public:
  Result<std::string> read(const std::string& name, std::size_t) override {
    const auto found = files.find(name);
    if (found == files.end()) return Error{Code::kNotFound, name};
    return found->second;
  }
  Status replace(const std::string& name, std::string_view bytes) override {
    files[name] = bytes;
    return {};
  }
  Status remove(const std::string& name) override { return files.erase(name), Status(); }

  std::map<std::string, std::string> files;
};

class ReleasingTest : public HubTest, public trust::tuf::Fetcher {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    releaser_ = token(Role::kReleaser);
    make(repository_->key());
  }

  // Root and targets by keys that are nowhere on the hub.
  void make(const trust::PublicKey& online) {
    repo_ = (folder_ / ("repo-" + std::to_string(repos_++))).string();
    auto made = trust::tuf::Repository::create(repo_,
                                               {.root = {{root_.public_key()}, 1},
                                                .targets = {{targets_.public_key()}, 1},
                                                .snapshot = {{online}, 1},
                                                .timestamp = {{online}, 1}},
                                               trust::tuf::profile("hub").value(), wall_.now_s());
    ASSERT_TRUE(made.ok()) << made.error().message;
    ASSERT_TRUE(made->sign(root_).ok());
    ASSERT_TRUE(made->sign(targets_).ok());
  }
  // The hub may assign releases to devices, once that is published.
  void let_assign() {
    auto repository = repo();
    const Status done = repository.delegate("assignments", {{repository_->key()}, 1},
                                            {"assignments/*"}, true, wall_.now_s());
    ASSERT_TRUE(done.ok()) << done.error().message;
    ASSERT_TRUE(repository.sign(targets_).ok());
  }
  trust::tuf::Repository repo() const { return trust::tuf::Repository::open(repo_).value(); }

  static trust::Manifest manifest(const std::string& model, const std::string& version,
                                  const std::string& content) {
    trust::Manifest made;
    made.model = model;
    made.version = trust::Version::parse(version, "test").value();
    made.created_s = 1'800'000'000;
    made.licence = "Apache-2.0";
    made.card.summary = "Counts people.";
    for (const std::string& blob : {content, std::string("{}")})
      made.blobs[trust::sha256(blob)].bytes = static_cast<std::int64_t>(blob.size());
    trust::Artifact artifact{"detector", trust::ArtifactKind::kTflite, "generic", {}, {}, {}, {}};
    artifact.requirement.backend = "litert";
    artifact.blob = trust::sha256(content);
    made.artifacts.push_back(artifact);
    made.sbom = trust::sha256("{}");
    return made;
  }
  // Staged and signed.
  void add_release(const std::string& model, const std::string& version,
                   const std::string& content = "a model") {
    auto repository = repo();
    for (const std::string& blob : {content, std::string("{}")}) {
      const std::string file = (folder_ / "blob").string();
      ASSERT_TRUE(write_file_atomic(file, blob).ok());
      ASSERT_TRUE(repository.add_blob(file, trust::sha256(blob)).ok());
    }
    const Status added =
        repository.add_bytes(fmt::format("{}/{}/manifest.json", model, version),
                             manifest(model, version, content).bytes(), wall_.now_s());
    ASSERT_TRUE(added.ok()) << added.error().message;
    ASSERT_TRUE(repository.sign(targets_).ok());
  }

  Response upload(const std::string& bytes) const {
    return router_->answer({.id = "r1",
                            .method = "POST",
                            .target = fmt::format("/v1/uploads/{}?total={}",
                                                  trust::hex(trust::sha256(bytes)), bytes.size()),
                            .authorization = releaser_,
                            .content_type = "application/octet-stream",
                            .if_none_match = "",
                            .range = "",
                            .body = bytes,
                            .certificate = ""});
  }
  // What is staged, as 'polder hub push' sends it.
  Response push() const {
    const auto repository = trust::tuf::Repository::open_to_read(repo_).value();
    const auto files = repository.staged_files().value();
    for (const auto& file : files) {
      if (!file.is_here) continue;
      const Response sent = upload(read_file(file.place, 1 << 20).value());
      EXPECT_EQ(sent.status, 200) << sent.body;
    }
    trust::Json::Members roles;
    const auto staged = repository.staged().value();
    for (const auto& role : staged) {
      const std::string bytes =
          read_file(repo_ + "/staged/" + role.role + ".json", 1 << 20).value();
      EXPECT_EQ(upload(bytes).status, 200);
      roles.emplace(role.role, trust::hex(trust::sha256(bytes)));
    }
    return send("POST", "/v1/publications",
                trust::Json(trust::Json::Members{{"roles", std::move(roles)}}).compact(),
                releaser_);
  }
  Response decide(const std::string& id, std::string_view how = "approve",
                  const std::string& body = "") const {
    return send("POST", fmt::format("/v1/approvals/{}/{}", id, how), body, admin_);
  }
  // Pushed and approved; then the same is published in the releaser's own folder.
  void publish() {
    const Response pushed = push();
    ASSERT_EQ(pushed.status, 201) << pushed.body;
    const Response approved = decide(text(pushed, "id"));
    ASSERT_EQ(approved.status, 200) << approved.body;
    EXPECT_NE(text(approved, "done"), "") << approved.body << (log_.empty() ? "" : log_.back());
    std::filesystem::remove_all(repo_ + "/staged");
    for (const char* part : {"metadata", "targets", "blobs"})
      std::filesystem::copy(folder_ / "repository" / part, repo_ + "/" + part,
                            std::filesystem::copy_options::recursive |
                                std::filesystem::copy_options::overwrite_existing);
  }

  // --- A device, which asks the hub alone ---

  Result<std::string> fetch(const std::string& target) {
    const Response response = send("GET", target);
    if (response.status == 404) return Error{Code::kNotFound, target};
    if (response.status != 200) return Error{Code::kUnavailable, response.body};
    if (!response.file) return response.body;
    std::string bytes(response.file_bytes, '\0');
    if (Status read = response.file->read(response.file_from, bytes); !read.ok())
      return std::move(read).error();
    return bytes;
  }
  Result<std::string> fetch_metadata(const std::string& name, std::size_t) override {
    return fetch("/repository/metadata/" + name);
  }
  Status fetch_target(const std::string& name, std::int64_t,
                      const trust::tuf::Sink& sink) override {
    const auto bytes = fetch("/repository/targets/" + name);
    return bytes.ok() ? sink(*bytes) : Status(bytes.error());
  }
  // What a device has of a target after an update.
  Result<std::string> device_gets(const std::string& target) {
    trust::tuf::Updater updater(*this, device_, wall_.now_s());
    if (Status fresh = updater.refresh(); !fresh.ok()) return std::move(fresh).error();
    auto found = updater.find(target);
    if (!found.ok()) return std::move(found).error();
    std::string bytes;
    Status got =
        updater.download(*found, [&](std::string_view piece) { return bytes += piece, Status(); });
    if (!got.ok()) return std::move(got).error();
    return bytes;
  }
  void trust_first_root() {
    device_.files["root.json"] = read_file(repo_ + "/metadata/1.root.json", 1 << 20).value();
  }

  trust::TestSigner root_{"root"}, targets_{"targets"};
  std::string repo_, releaser_;
  DeviceMetadata device_;
  int repos_ = 0;
};

// The hub chooses what each device runs.
class AssigningTest : public ReleasingTest {
 protected:
  void SetUp() override {
    ReleasingTest::SetUp();
    let_assign();
    add_release("people", "1.0.0");
    publish();
    trust_first_root();
  }
  void write(std::string_view sql, const Values& values = {}) {
    const Status done =
        writer_->write([&](Database& database) { return database.run(sql, values); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void want(const std::string& device, const std::string& version, bool shadow = false,
            int retry = 0) {
    write(
        "INSERT INTO wanted (device, model, version, shadow, retry, changed) VALUES (?, 'people', "
        "?, ?, ?, ?) ON CONFLICT (device, model) DO UPDATE SET version = excluded.version, "
        "shadow = excluded.shadow, retry = excluded.retry, changed = excluded.changed",
        {device, version, shadow ? 1 : 0, retry, ++changed_});
  }
  // After the time that two publications are apart.
  void tend() {
    wall_.set_s(wall_.now_s() + 10);
    publisher_->tend();
  }
  trust::Assignment assigned(const std::string& device) {
    const auto bytes = device_gets("assignments/" + device + ".json");
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    return trust::Assignment::parse(bytes.ok() ? *bytes : "", device).value();
  }

  int changed_ = 0;
};

}  // namespace polder::hub
