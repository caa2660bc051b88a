// Backups of a hub, and hubs that go on from one.
#include "hub/upkeep/backup.h"

#include "hub/repository/testing_releaser.h"
#include "hub/rollouts/members.h"
#include "trust/audit_log.h"

namespace polder::hub {
namespace {

namespace fs = std::filesystem;

class BackedUp : public AssigningTest {
 protected:
  void SetUp() override {
    AssigningTest::SetUp();
    // Of the program's own.
    for (const char* name : {"ca-key.pem", "ca.pem", "online-key.pem", "audit-key.pem"})
      ASSERT_TRUE(write_file_atomic((folder_ / name).string(), std::string("of ") + name).ok());
    made_ = back_up(hub(), to(), wall_.now_s());
  }
  HubPlace hub() const { return {folder_.string(), where_}; }
  std::string to() const { return (folder_ / "backup").string(); }
  // Another folder, with a database of its own.
  HubPlace other(const std::string& name = "other") const {
    fs::create_directory(folder_ / name);
    return {(folder_ / name).string(), (folder_ / name / "hub.db").string()};
  }
  Result<Backup> restored(const HubPlace& into) {
    wall_.set_s(kNowS + kDayS);
    return restore(to(), into, wall_.now_s());
  }

  Result<Backup> made_ = Error{Code::kNotFound, ""};
};

TEST_F(BackedUp, HasAllThatAHubNeeds) {
  ASSERT_TRUE(made_.ok()) << made_.error().message;
  EXPECT_EQ(made_->taken_s, kNowS);
  EXPECT_EQ(made_->version, repository_->version());
  for (const char* name :
       {"hub.db", "ca-key.pem", "ca.pem", "online-key.pem", "audit-key.pem", "audit.log",
        "repository/repository.toml", "repository/metadata/timestamp.json", "SHA256SUMS"})
    EXPECT_TRUE(fs::exists(fs::path(to()) / name)) << name;
  EXPECT_EQ(fs::exists(fs::path(to()) / "hub.db.snapshot"), false);
  EXPECT_EQ(back_up(hub(), to(), kNowS).error().code, Code::kDenied);
  EXPECT_EQ(back_up(other(), to() + "2", kNowS).error().code, Code::kNotFound);
}

TEST_F(BackedUp, GoesOnAsItWas) {
  want("cam-1", "1.0.0");
  const std::string token = enrolment_token();
  fs::remove_all(to());
  ASSERT_TRUE(back_up(hub(), to(), kNowS).ok());
  const auto old = restored(other());
  ASSERT_TRUE(old.ok()) << old.error().message;
  EXPECT_EQ(old->version, repository_->version());
  const auto database = open_database(other().database).value();
  EXPECT_EQ(database->query("SELECT restored_s, taken_s, version FROM restoration").value(),
            (Rows{{kNowS + kDayS, kNowS, repository_->version()}}));
  EXPECT_EQ(database->query("SELECT version FROM wanted").value(), (Rows{{"1.0.0"}}));
  // What was not used may have been since.
  EXPECT_EQ(
      database->query("SELECT COUNT(*) FROM enrolment_token WHERE expires_s > ?", {kNowS + kDayS})
          .value()[0][0]
          .integer(),
      0);
  EXPECT_FALSE(fs::exists(fs::path(other().folder) / kRestoringName));
  for (const char* part : {"repository/metadata", "repository/blobs"})
    for (const auto& file : fs::recursive_directory_iterator(folder_ / part))
      EXPECT_TRUE(fs::exists(fs::path(other().folder) / fs::relative(file.path(), folder_)))
          << file.path();
  EXPECT_EQ(restored(other()).error().code, Code::kDenied) << "a hub is there";
}

TEST_F(BackedUp, RolloutsThatWentOnWaitForPeople) {
  write("INSERT INTO device (id, key_id, enrolled_s) VALUES ('cam-1', 'its key', 1)");
  const Status known = writer_->write([&](Database& database) {
    ModelNews news;
    news.running = "0.9.0";
    return note_model(database, "cam-1", "people", news, wall_.now_s());
  });
  ASSERT_TRUE(known.ok()) << known.error().message;
  const Response made =
      send("POST", "/v1/rollouts",
           R"({"model":"people","version":"1.0.0","stages":[{"percent":100}]})", admin_);
  ASSERT_EQ(made.status, 201) << made.body;
  fs::remove_all(to());
  ASSERT_TRUE(back_up(hub(), to(), kNowS).ok());
  ASSERT_TRUE(restored(other()).ok());
  const auto database = open_database(other().database).value();
  const Rows rollouts = database->query("SELECT phase, reason FROM rollout").value();
  ASSERT_EQ(rollouts.size(), 1u);
  EXPECT_EQ(rollouts[0][0].text(), "paused");
  EXPECT_NE(rollouts[0][1].text().find("resume or abort"), std::string::npos);
}

TEST_F(BackedUp, GoesOnInAnotherLog) {
  ASSERT_TRUE(restored(other()).ok());
  const std::string path = other().folder + "/audit.log";
  const auto log = open_readable(path).value();
  const auto report = trust::verify_log(*log, {});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->origin, "polder-hub-test/2");
  ASSERT_TRUE(report->after);
  EXPECT_EQ(report->after->origin, "polder-hub-test");
  // Where the log of the backup ends, of which the database has every entry, and none waits twice.
  const std::string former =
      fs::directory_iterator(fs::path(other().folder) / "former")->path() / "audit.log";
  const auto before = open_readable(former).value();
  EXPECT_EQ(trust::verify_log(*before, {})->root, report->after->root);
  const auto database = open_database(other().database).value();
  EXPECT_EQ(database->query("SELECT COUNT(*) FROM audit_entry WHERE log = 'polder-hub-test'")
                .value()[0][0]
                .integer(),
            static_cast<std::int64_t>(report->after->size));
  const Rows waiting = database->query("SELECT act FROM audit_pending ORDER BY place").value();
  ASSERT_FALSE(waiting.empty());
  EXPECT_EQ(waiting.back()[0].text(), "hub_restored");
}

TEST_F(BackedUp, WhatWasChangedIsFound) {
  const std::string key = to() + "/audit-key.pem";
  ASSERT_TRUE(write_file_atomic(key, "of audit-key.peM").ok());
  const auto refused = restored(other());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kCorrupt);
  EXPECT_NE(refused.error().message.find("audit-key.pem"), std::string::npos);
  EXPECT_TRUE(fs::exists(fs::path(other().folder) / kRestoringName)) << "no hub begins there";
  // Cut off, it is done again.
  ASSERT_TRUE(write_file_atomic(key, "of audit-key.pem").ok());
  EXPECT_TRUE(restored(other()).ok());
  // One that is half, or names files elsewhere.
  const std::string sums = read_file(to() + "/SHA256SUMS", 1 << 20).value();
  ASSERT_TRUE(
      write_file_atomic(to() + "/SHA256SUMS", sums + std::string(64, '0') + "  ../../x\n").ok());
  EXPECT_EQ(restored(other("third")).error().code, Code::kCorrupt);
  fs::remove(fs::path(to()) / "SHA256SUMS");
  EXPECT_EQ(restored(other("third")).error().code, Code::kNotFound);
}

TEST_F(BackedUp, IsNotOfTheFuture) {
  EXPECT_EQ(restore(to(), other(), kNowS - 1).error().code, Code::kDenied);
}

}  // namespace
}  // namespace polder::hub
