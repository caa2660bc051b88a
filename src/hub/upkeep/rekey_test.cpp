// A hub that gets other keys after a break-in.
#include "hub/upkeep/rekey.h"

#include "hub/api/testing_hub.h"
#include "platform/file.h"
#include "platform/random_access.h"
#include "trust/audit_log.h"

namespace polder::hub {
namespace {

namespace fs = std::filesystem;

class Rekeying : public HubTest {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    // Of the program's own.
    for (const char* name : {"ca-key.pem", "ca.pem", "online-key.pem", "server-key.pem"})
      ASSERT_TRUE(write_file_atomic((folder_ / name).string(), std::string("of ") + name).ok());
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, "cam-1");
    enrolment_token();
  }
  HubPlace hub() const { return {folder_.string(), where_}; }
  Result<Rekeyed> rekeyed() const { return rekey(hub(), kNowS); }
  std::int64_t count(std::string_view of) const {
    const auto database = open_database(where_).value();
    return database->query(fmt::format("SELECT COUNT(*) FROM {}", of)).value()[0][0].integer();
  }
  std::int64_t tokens_that_hold() const {
    return count("person_token WHERE revoked_s IS NULL") +
           count(fmt::format("enrolment_token WHERE used_s IS NULL AND expires_s > {}", kNowS));
  }
};

TEST_F(Rekeying, EndsTokensAndPutsKeysAside) {
  stop();
  EXPECT_EQ(tokens_that_hold(), 2);
  const auto done = rekeyed();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->log_trouble, "");
  EXPECT_EQ(tokens_that_hold(), 1) << "the administrator's that it made";
  for (const char* name :
       {"ca-key.pem", "ca.pem", "online-key.pem", "server-key.pem", "audit.log"}) {
    EXPECT_FALSE(fs::exists(folder_ / name)) << name;
    EXPECT_TRUE(fs::exists(fs::path(done->former) / name)) << name;
  }
  EXPECT_EQ(count("device"), 1);
  EXPECT_TRUE(check_finished(folder_).ok());
}

// What the old log has and the database does not is not told twice, and the next one says where
// that ended.
TEST_F(Rekeying, ItsLogGoesOnWhereTheOneBeforeEnded) {
  stop();
  const std::int64_t entries = count("audit_entry");
  {
    const auto database = open_database(where_).value();
    ASSERT_TRUE(database
                    ->run("INSERT INTO audit_pending (place, id, time_s, actor, act, object, "
                          "details) SELECT 1, 'its id', 1, actor, act, object, '{}' FROM "
                          "audit_entry WHERE act = 'device_enrolled'")
                    .ok());
    auto log = trust::AuditLog::open(audit_file(), {"", "test", kNowS}).value();
    ASSERT_TRUE(log.append({kNowS, "test", trust::Act::kNote, "x", {{"id", "its id"}}}).ok());
  }
  const auto done = rekeyed();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(count("audit_entry"), entries + 1);
  EXPECT_EQ(count("audit_pending WHERE id = 'its id'"), 0);
  EXPECT_EQ(count("audit_pending WHERE act = 'hub_rekeyed'"), 1);
  const auto end = log_before(folder_);
  ASSERT_TRUE(end.ok() && *end);
  const auto before = open_readable(done->former + "/audit.log").value();
  EXPECT_EQ((*end)->root, trust::verify_log(*before, {})->root);
  EXPECT_EQ((*end)->origin, "polder-hub-test");
}

TEST_F(Rekeying, ALogThatWasChangedIsEvidenceAndHoldsNothingUp) {
  stop();
  const std::string log = read_file(audit_file(), 1 << 20).value();
  ASSERT_TRUE(write_file_atomic(audit_file(), "x" + log).ok());
  const auto done = rekeyed();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_NE(done->log_trouble, "");
  EXPECT_FALSE(fs::exists(folder_ / "ca-key.pem"));
  EXPECT_FALSE(*log_before(folder_));
}

TEST_F(Rekeying, AnotherFolderThanTheHubsIsRefused) {
  stop();
  const std::string wrong = (folder_ / "wrong").string();
  fs::create_directory(wrong);
  EXPECT_EQ(rekey({wrong, where_}, kNowS).error().code, Code::kNotFound);
  EXPECT_EQ(tokens_that_hold(), 2);
  EXPECT_TRUE(fs::is_empty(wrong));
}

TEST_F(Rekeying, CutOffItIsDoneAgainAndNothingBeginsBefore) {
  stop();
  const auto change = begin_change(folder_, {"rekey"}, kNowS - 5).value();
  // The half of them is there already.
  fs::create_directories(change.former(folder_));
  for (const char* name : {"ca-key.pem", "audit.log"})
    fs::rename(folder_ / name, fs::path(change.former(folder_)) / name);
  EXPECT_NE(check_finished(folder_).error().message.find("'polder-hub rekey' was cut off"),
            std::string::npos);
  const auto done = rekeyed();
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->former, change.former(folder_));
  for (const char* name : {"ca-key.pem", "online-key.pem", "audit.log"}) {
    EXPECT_FALSE(fs::exists(folder_ / name)) << name;
    EXPECT_TRUE(fs::exists(fs::path(done->former) / name)) << name;
  }
  EXPECT_TRUE(*log_before(folder_));
  EXPECT_TRUE(check_finished(folder_).ok());
}

}  // namespace
}  // namespace polder::hub
