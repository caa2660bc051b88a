// A hub that was taken over: whoever has its database, its folder and its online key can delay
// updates and choose among what people have released, and no more; a new root ends that.
#include "hub/repository/testing_releaser.h"
#include "platform/file.h"
#include "trust/assignment.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

using trust::tuf::MetaFile;

constexpr char kReleased[] = "people/1.0.0/manifest.json", kForged[] = "people/9.9.9/manifest.json";

class Takeover : public ReleasingTest {
 protected:
  void SetUp() override {
    ReleasingTest::SetUp();
    let_assign();
    add_release("people", "1.0.0");
    publish();
    trust_first_root();
    ASSERT_TRUE(device_gets(kReleased).ok());
  }

  std::string served(const std::string& name) const {
    return (folder_ / "repository" / name).string();
  }
  template <class Body>
  Body newest(const std::string& role) {
    std::int64_t version = 0;
    const RepositoryState state = repository_->state(wall_.now_s()).value();
    for (const auto& each : state.roles)
      if (each.role == role) version = each.version;
    const std::string name =
        role == "timestamp" ? "timestamp.json" : fmt::format("{}.{}.json", version, role);
    return trust::tuf::parse_metadata<Body>(read_file(served("metadata/" + name), 1 << 20).value(),
                                            name)
        .value()
        .body;
  }
  // Signed by what the thief has.
  template <class Body>
  MetaFile forge(const std::string& name, const Body& body, trust::Signer& thief) {
    trust::Signer* const signer = &thief;
    const std::string bytes =
        trust::tuf::sign_metadata(trust::tuf::to_json(body), {&signer, 1}).value();
    EXPECT_TRUE(write_file_atomic(served("metadata/" + name), bytes).ok());
    MetaFile meta;
    meta.version = body.version;
    meta.length = static_cast<std::int64_t>(bytes.size());
    meta.hashes = {{"sha256", trust::hex(trust::sha256(bytes))}};
    return meta;
  }
  // A role that lists a file, with snapshot and timestamp that lead to it.
  void forge_role(const std::string& role, const std::string& path, const std::string& content,
                  trust::Signer& thief) {
    const std::string digest = trust::hex(trust::sha256(content));
    const std::size_t slash = path.rfind('/') + 1;
    const std::string place =
        served("targets/" + path.substr(0, slash) + digest + "." + path.substr(slash));
    ASSERT_TRUE(make_folders(place.substr(0, place.rfind('/'))).ok());
    ASSERT_TRUE(write_file_atomic(place, content).ok());
    auto listed = newest<trust::tuf::Targets>(role);
    listed.version += 1;
    listed.targets[path] = {.length = static_cast<std::int64_t>(content.size()),
                            .hashes = {{"sha256", digest}}};
    auto snapshot = newest<trust::tuf::Snapshot>("snapshot");
    snapshot.version += 1;
    snapshot.meta[role + ".json"] =
        forge(fmt::format("{}.{}.json", listed.version, role), listed, thief);
    auto timestamp = newest<trust::tuf::Timestamp>("timestamp");
    timestamp.version += 1;
    timestamp.snapshot = forge(fmt::format("{}.snapshot.json", snapshot.version), snapshot, thief);
    forge("timestamp.json", timestamp, thief);
  }

  trust::TestSigner stolen_{"online"};
};

TEST_F(Takeover, TheStolenKeySignsNoRelease) {
  const std::string forged = manifest("people", "9.9.9", "another model").bytes();
  forge_role("targets", kForged, forged, stolen_);
  const auto got = device_gets(kForged);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kDenied) << got.error().message;
  EXPECT_NE(got.error().message.find("targets"), std::string::npos) << got.error().message;
}

TEST_F(Takeover, TheStolenKeyAssignsWhatIsReleasedAlone) {
  trust::Assignment assignment;
  assignment.device = "cam-1";
  assignment.releases.push_back({"people", trust::Version::parse("9.9.9", "test").value(), false});
  forge_role("assignments", "assignments/cam-1.json", assignment.bytes(), stolen_);
  // That it may: it is told so, and finds nothing that it could run.
  EXPECT_EQ(device_gets("assignments/cam-1.json").value(), assignment.bytes());
  EXPECT_EQ(device_gets(kForged).error().code, Code::kNotFound);
  // Nor does it list a release where it may list assignments.
  forge_role("assignments", kForged, manifest("people", "9.9.9", "another model").bytes(), stolen_);
  EXPECT_EQ(device_gets(kForged).error().code, Code::kNotFound);
}

TEST_F(Takeover, AWrittenDatabasePublishesNothingThatIsNotSigned) {
  // As if two people had agreed, of a release that nobody with a key has seen.
  auto listed = newest<trust::tuf::Targets>("targets");
  listed.version += 1;
  const std::string forged = manifest("people", "9.9.9", "another model").bytes();
  listed.targets[kForged] = {.length = static_cast<std::int64_t>(forged.size()),
                             .hashes = {{"sha256", trust::hex(trust::sha256(forged))}}};
  trust::Signer* const signer = &stolen_;
  const std::string waiting = (folder_ / "waiting" / "f00d").string();
  ASSERT_TRUE(make_folders(waiting).ok());
  ASSERT_TRUE(write_file_atomic(
                  waiting + "/targets.json",
                  trust::tuf::sign_metadata(trust::tuf::to_json(listed), {&signer, 1}).value())
                  .ok());
  ASSERT_TRUE(writer_
                  ->write([](Database& database) {
                    return database.run(
                        "INSERT INTO approval (id, kind, what, digest, details, asked_by, asked_s, "
                        "state, decided_by, decided_s) VALUES ('f00d', 'publication', 'x', 'x', "
                        "'{\"releases\":[],\"withdrawn\":[]}', 'a', 1, 'approved', 'b', 1)");
                  })
                  .ok());
  publisher_->tend();
  ASSERT_FALSE(log_.empty());
  EXPECT_NE(log_[0].find("0 of 1 signatures"), std::string::npos) << log_[0];
  EXPECT_EQ(device_gets(kForged).error().code, Code::kNotFound);
  EXPECT_EQ(repository_->version(), 1);
}

TEST_F(Takeover, ANewRootEndsIt) {
  // The hub is set up anew, with another key; the thief has the old one.
  const std::string old_id = repository_->key().id();
  stop();
  online_key_ = "online of the new hub";
  start();
  {
    auto repository = repo();
    const std::vector<std::string> online = {"timestamp", "snapshot"}, chosen = {"assignments"},
                                   old = {old_id};
    const std::vector<trust::PublicKey> added = {repository_->key()};
    ASSERT_TRUE(repository.rotate(online, added, old, {}, wall_.now_s()).ok());
    ASSERT_TRUE(repository.rotate(chosen, added, old, {}, wall_.now_s()).ok());
    ASSERT_TRUE(repository.sign(root_).ok());
    ASSERT_TRUE(repository.sign(targets_).ok());
  }
  add_release("people", "1.1.0", "a better model");
  publish();
  // Devices follow by themselves.
  EXPECT_TRUE(device_gets("people/1.1.0/manifest.json").ok());
  // What the thief goes on to sign is nobody's.
  forge_role("assignments", "assignments/cam-1.json", "{}", stolen_);
  const auto got = device_gets("assignments/cam-1.json");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, Code::kDenied) << got.error().message;
}

}  // namespace
}  // namespace polder::hub
