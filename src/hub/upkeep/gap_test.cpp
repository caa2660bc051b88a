// A hub that goes on from a backup, and devices that know more than it does.
#include "hub/upkeep/gap.h"

#include "hub/repository/testing_releaser.h"
#include "hub/rollouts/members.h"
#include "hub/rollouts/observe.h"

namespace polder::hub {
namespace {

class Gap : public AssigningTest {
 protected:
  static constexpr std::int64_t kTakenS = kNowS, kRestoredS = kNowS + 2 * kDayS;

  // Now it is later, and what came in between is lost.
  void restored(std::int64_t version = 1) {
    wall_.set_s(kRestoredS);
    write("INSERT INTO restoration (restored_s, taken_s, version) VALUES (?, ?, ?)",
          {kRestoredS, kTakenS, version});
  }
  std::string given(const trust::TestSigner& key, const std::string& device,
                    std::int64_t issued_s) const {
    return authority_->issue(key.public_key(), device, issued_s).value();
  }
  int self(const std::string& certificate) const {
    return send("GET", "/v1/self", "", "", certificate).status;
  }
  std::string why(const std::string& certificate) const {
    return text(send("GET", "/v1/self", "", "", certificate), "detail");
  }
  void has_version(const std::string& device, std::int64_t version) {
    write(
        "INSERT INTO device (id, key_id, enrolled_s) VALUES (?, ?, 1) ON CONFLICT (id) DO NOTHING",
        {device, "key of " + device});
    write(
        "INSERT INTO device_link (device, seen_s, program, repository, watched_s, swept_s) "
        "VALUES (?, 1, '', ?, 0, 0) ON CONFLICT (device) DO UPDATE SET repository = "
        "excluded.repository",
        {device, version});
  }
  void tells(const std::string& device, const std::string& running, bool is_well = true) {
    const Status done = writer_->write([&](Database& database) {
      ModelNews news;
      news.running = running;
      news.is_well = is_well;
      return note_model(database, device, "people", news, wall_.now_s());
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  std::string wanted_of(const std::string& device, const std::string& model = "people") {
    return readers_
        ->query("SELECT version FROM wanted WHERE device = ? AND model = ?", {device, model})
        .value()[0][0]
        .text();
  }
  void reports(const std::string& device, decltype(proto::Report::what) what) {
    const proto::Report report{
        .device = device, .program = "1", .time_s = wall_.now_s(), .what = std::move(what)};
    const Status done = writer_->write([&](Database& database) {
      return Observer(database, device, wall_.now_s()).take(report, report.time_s);
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void runs(const std::string& device, const std::string& model, const std::string& version) {
    proto::ReportMetrics metrics{.window_ms = 1000};
    metrics.units.push_back({.name = model,
                             .release = proto::ReportRelease{model, version},
                             .health = proto::ReportHealth::kWell});
    reports(device, metrics);
  }
};

TEST_F(Gap, CertificatesThatWereGivenInItAreTaken) {
  trust::TestSigner key(trust::Scheme::kEcdsaP256), later(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  const std::string renewed = given(key, "cam-1", kTakenS + kDayS),
                    enrolled_later = given(later, "cam-2", kTakenS + kDayS);
  EXPECT_EQ(self(renewed), 401);
  restored();
  EXPECT_EQ(self(renewed), 200);
  EXPECT_EQ(self(enrolled_later), 200);
  EXPECT_EQ(self(enrolled_later), 200);
  // From there on they renew as any.
  EXPECT_EQ(renew(later, "cam-2", enrolled_later).status, 201);
  stop();
  start();
  const Rows kept = readers_
                        ->query(
                            "SELECT act, object FROM audit_entry WHERE line LIKE '%given after "
                            "the backup%' ORDER BY sequence")
                        .value();
  EXPECT_EQ(kept, (Rows{{"device_renewed", "cam-1"}, {"device_enrolled", "cam-2"}}));
}

TEST_F(Gap, OthersAreNot) {
  trust::TestSigner key(trust::Scheme::kEcdsaP256), other(trust::Scheme::kEcdsaP256),
      gone(trust::Scheme::kEcdsaP256);
  enrolled(key, "cam-1");
  enrolled(gone, "cam-3");
  EXPECT_EQ(send("POST", "/v1/devices/cam-3/revoke", "", admin_).status, 204);
  restored();
  // Before and after it.
  EXPECT_EQ(self(given(key, "cam-1", kTakenS - 1800)), 401);
  wall_.set_s(kRestoredS + 2 * kDayS);
  EXPECT_EQ(self(given(key, "cam-1", kRestoredS + kDayS)), 401);
  // Another key under the name, another name of the key, one that was revoked before.
  EXPECT_NE(why(given(other, "cam-1", kTakenS + 1)).find("token that names it"), std::string::npos);
  EXPECT_NE(why(given(key, "cam-9", kTakenS + 1)).find("token that names it"), std::string::npos);
  EXPECT_NE(why(given(gone, "cam-3", kTakenS + 1)).find("revoked"), std::string::npos);
  EXPECT_EQ(self(given(other, "..", kTakenS + 1)), 400);
}

TEST_F(Gap, TheRepositoryGoesOnAboveWhatDevicesHaveSeen) {
  has_version("cam-1", 40);
  publisher_->tend();
  const std::int64_t before = repository_->version();
  EXPECT_LT(before, 40) << "nobody has said that it is a copy";
  ASSERT_FALSE(log_.empty());
  EXPECT_NE(log_.back().find("version 40"), std::string::npos) << log_.back();
  want("cam-1", "1.0.0");
  restored(before);
  // One that lies does not drive it to the end of all versions.
  has_version("cam-2", std::int64_t{1} << 52);
  tend();
  publisher_->tend();
  EXPECT_EQ(repository_->version(), 41);
  const RepositoryState state = repository_->state(wall_.now_s()).value();
  for (const auto& role : state.roles) {
    const bool is_own = role.role != "root" && role.role != "targets";
    EXPECT_EQ(role.version, is_own ? 41 : 1) << role.role;
  }
  EXPECT_TRUE(device_gets("assignments/cam-1.json").ok());
  publisher_->tend();
  EXPECT_EQ(repository_->version(), 41);
}

TEST_F(Gap, WhatADeviceRunsIsNotTakenFromIt) {
  add_release("people", "1.1.0");
  publish();
  has_version("cam-1", 2);
  has_version("cam-2", 2);
  tells("cam-1", "1.0.0");
  tells("cam-2", "1.0.0");
  want("cam-1", "1.0.0");
  want("cam-2", "1.0.0");
  tend();
  EXPECT_EQ(assigned("cam-1").releases.size(), 1u);
  restored();
  write("UPDATE repository_state SET value = 0 WHERE name = 'assigned'");
  // Until it has said what it runs, no release is named to it.
  tend();
  EXPECT_TRUE(assigned("cam-1").releases.empty());
  tells("cam-1", "1.1.0");
  tend();
  ASSERT_EQ(assigned("cam-1").releases.size(), 1u);
  EXPECT_EQ(assigned("cam-1").releases[0].version.text(), "1.1.0");
  EXPECT_TRUE(assigned("cam-2").releases.empty());
  // What is not well is not kept; nor is what is older than what it is to run.
  tells("cam-2", "1.1.0", false);
  EXPECT_EQ(wanted_of("cam-2"), "1.0.0");
  tend();
  EXPECT_EQ(assigned("cam-2").releases[0].version.text(), "1.0.0");
  // It is kept once: from then on rollouts say what is to run.
  want("cam-1", "1.0.0");
  tells("cam-1", "1.1.0");
  EXPECT_EQ(wanted_of("cam-1"), "1.0.0");
}

// Alarms leave a device first, and say what was; and it has more models than one.
TEST_F(Gap, NothingIsTakenFromADeviceByItsAlarms) {
  for (const char* model : {"people", "voice"}) add_release(model, "1.1.0");
  add_release("voice", "1.0.0");
  publish();
  has_version("cam-1", 2);
  for (const char* model : {"people", "voice"}) {
    runs("cam-1", model, "1.0.0");
    write(
        "INSERT INTO wanted (device, model, version, shadow, retry, changed) SELECT 'cam-1', ?, "
        "'1.0.0', 0, 0, COALESCE(MAX(changed), 0) + 1 FROM wanted",
        {model});
  }
  tend();
  EXPECT_EQ(assigned("cam-1").releases.size(), 2u);
  restored();
  write("UPDATE repository_state SET value = 0 WHERE name = 'assigned'");
  const proto::ReportRelease now{"people", "1.1.0"};
  for (const proto::AlarmKind kind :
       {proto::AlarmKind::kDrift, proto::AlarmKind::kNotRunning, proto::AlarmKind::kCrashLoop,
        proto::AlarmKind::kUpdateFailed}) {
    reports("cam-1", proto::ReportAlarm{.what = kind, .unit = "people", .release = now});
    tend();
    EXPECT_TRUE(assigned("cam-1").releases.empty()) << proto::alarm_name(kind);
  }
  // What it says of one model says nothing of the other.
  runs("cam-1", "people", "1.1.0");
  tend();
  ASSERT_EQ(assigned("cam-1").releases.size(), 1u);
  EXPECT_EQ(assigned("cam-1").releases[0].model, "people");
  EXPECT_EQ(assigned("cam-1").releases[0].version.text(), "1.1.0");
  runs("cam-1", "voice", "1.1.0");
  tend();
  EXPECT_EQ(assigned("cam-1").releases.size(), 2u);
  EXPECT_EQ(wanted_of("cam-1", "people"), "1.1.0");
  EXPECT_EQ(wanted_of("cam-1", "voice"), "1.1.0");
}

TEST_F(Gap, VersionsThatNobodyCanHavePublishedSinceAreNoGap) {
  restored();
  stop();
  start();
  add_release("people", "1.1.0");
  const auto staged_as = [&](std::int64_t version) {
    auto metadata = trust::tuf::parse_metadata<trust::tuf::Targets>(
                        read_file(repo_ + "/staged/targets.json", 1 << 20).value(), "targets")
                        .value();
    metadata.body.version = version;
    trust::Signer* const signer = &targets_;
    return write_file_atomic(
               repo_ + "/staged/targets.json",
               trust::tuf::sign_metadata(trust::tuf::to_json(metadata.body), {&signer, 1}).value())
        .ok();
  };
  ASSERT_TRUE(staged_as(std::int64_t{1} << 50));
  EXPECT_EQ(push().status, 403);
  ASSERT_TRUE(staged_as(1 + 2 * kDayS));
  EXPECT_EQ(push().status, 201);
}

TEST_F(Gap, WhatPeoplePublishedSinceIsPushedAgain) {
  // Two publications of targets are lost here; who pushes has the last one.
  add_release("people", "1.1.0");
  auto staged = repo();
  const std::string lost = read_file(repo_ + "/staged/targets.json", 1 << 20).value();
  auto metadata = trust::tuf::parse_metadata<trust::tuf::Targets>(lost, "targets").value();
  metadata.body.version += 1;
  trust::Signer* const signer = &targets_;
  ASSERT_TRUE(
      write_file_atomic(
          repo_ + "/staged/targets.json",
          trust::tuf::sign_metadata(trust::tuf::to_json(metadata.body), {&signer, 1}).value())
          .ok());
  EXPECT_EQ(push().status, 403);
  restored();
  stop();
  start();
  const Response pushed = push();
  ASSERT_EQ(pushed.status, 201) << pushed.body;
  EXPECT_NE(pushed.body.find("1.1.0"), std::string::npos);
  EXPECT_EQ(decide(text(pushed, "id")).status, 200);
  EXPECT_TRUE(device_gets("people/1.1.0/manifest.json").ok());
}

// --- A clock that was ahead, and old versions ---

TEST_F(Gap, AClockThatWasAheadIsSetRightOnce) {
  want("cam-1", "1.0.0");
  wall_.set_s(kNowS + 100 * kDayS);
  tend();
  EXPECT_TRUE(device_gets("assignments/cam-1.json").ok());
  const std::int64_t ahead = repository_->version();
  wall_.set_s(kNowS + kDayS);
  log_.clear();
  want("cam-1", "1.0.0", false, 1);
  tend();
  EXPECT_EQ(repository_->version(), ahead);
  ASSERT_FALSE(log_.empty());
  EXPECT_NE(log_.back().find("--clock-is-right"), std::string::npos) << log_.back();
  repository_->trust_clock();
  tend();
  EXPECT_GT(repository_->version(), ahead);
  log_.clear();
  want("cam-1", "1.0.0", false, 2);
  tend();
  EXPECT_TRUE(log_.empty()) << log_[0];
  // Only once: one that goes back later is behind.
  wall_.set_s(kNowS - 30 * kDayS);
  want("cam-1", "1.0.0", false, 3);
  tend();
  EXPECT_FALSE(log_.empty());
}

TEST_F(Gap, OldMetadataAndAssignmentsGo) {
  const auto count = [&](const char* folder) {
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& file :
         std::filesystem::directory_iterator(folder_ / "repository" / folder))
      ++files;
    return files;
  };
  for (int i = 1; i <= 20; ++i) {
    want("cam-1", "1.0.0", false, i);
    tend();
  }
  const std::size_t before = count("metadata"), targets = count("targets/assignments");
  EXPECT_GE(before, 40u);
  EXPECT_EQ(targets, 20u);
  // As if all of it were of yesterday, but for the newest five.
  std::vector<std::filesystem::path> paths;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder_ / "repository"))
    if (file.is_regular_file()) paths.push_back(file.path());
  const auto yesterday = std::filesystem::file_time_type::clock::now() - std::chrono::hours(24);
  const std::int64_t newest = repository_->state(wall_.now_s()).value().roles[2].version;
  for (const auto& path : paths) {
    const std::string name = path.filename();
    const bool is_new = name.ends_with(".snapshot.json") && std::stoll(name) > newest - 5;
    if (!is_new) std::filesystem::last_write_time(path, yesterday);
  }
  const std::int64_t real_s = SystemWallClock().now_s();
  EXPECT_GT(repository_->prune(real_s).value(), 40u);
  // The newest, the five that were replaced lately, and all roots.
  EXPECT_EQ(count("targets/assignments"), 6u);
  EXPECT_EQ(count("metadata"), 6u * 2 + 3);
  EXPECT_EQ(repository_->prune(real_s).value(), 0u);
  EXPECT_TRUE(device_gets("assignments/cam-1.json").ok());
  EXPECT_TRUE(device_gets("people/1.0.0/manifest.json").ok());
  want("cam-1", "1.0.0", false, 99);
  tend();
  EXPECT_EQ(assigned("cam-1").retry, 99);
}

}  // namespace
}  // namespace polder::hub
