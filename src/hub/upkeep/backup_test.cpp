// Backups of a hub, and hubs that go on from one.
#include "hub/upkeep/backup.h"

#include <algorithm>
#include <set>

#include "hub/repository/testing_releaser.h"
#include "hub/rollouts/members.h"
#include "hub/upkeep/rekey.h"
#include "trust/audit_log.h"
#include "trust/sealed_file.h"

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
  std::string digest() const {
    return trust::hex(trust::sha256(read_file(to() + "/SHA256SUMS", 1 << 20).value()));
  }
  // Another folder, with a database of its own.
  HubPlace other(const std::string& name = "other") const {
    fs::create_directory(folder_ / name);
    return {(folder_ / name).string(), (folder_ / name / "hub.db").string()};
  }
  Result<Backup> restored(const HubPlace& into) {
    wall_.set_s(kNowS + kDayS);
    return restore(to(), into, wall_.now_s());
  }

  // As a restoration leaves it whose power went when it had begun.
  void cut_off(const HubPlace& into) const {
    ASSERT_TRUE(begin_change(into.folder, {"restore", digest()}, kNowS + kDayS).ok());
    fs::copy(to() + "/audit-key.pem", into.folder);
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
  EXPECT_TRUE(check_finished(other().folder).ok());
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
           R"({"model":"people","version":"1.0.0","unpublished":true,"one_way":true,)"
           R"("stages":[{"percent":100}]})",
           admin_);
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
  const std::string name = fs::directory_iterator(fs::path(other().folder) / "former")->path();
  EXPECT_EQ(report->origin, "polder-hub-test/" + fs::path(name).filename().string());
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

// All of it before anything is written: a half would say "run it again", which could not help.
TEST_F(BackedUp, WhatWasChangedIsFound) {
  for (const char* name :
       {"backup.json", "audit-key.pem", "hub.db", "repository/repository.toml"}) {
    const std::string path = to() + "/" + name, bytes = read_file(path, 64 << 20).value();
    ASSERT_TRUE(write_file_atomic(path, bytes.substr(0, bytes.size() - 1) + "x").ok());
    const auto refused = restored(other());
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, Code::kCorrupt) << refused.error().message;
    EXPECT_NE(refused.error().message.find(name), std::string::npos) << refused.error().message;
    EXPECT_TRUE(fs::is_empty(other().folder)) << name;
    fs::remove(path);
    EXPECT_FALSE(restored(other()).ok()) << name;
    EXPECT_TRUE(fs::is_empty(other().folder)) << name;
    ASSERT_TRUE(write_file_atomic(path, bytes).ok());
  }
  EXPECT_TRUE(restored(other()).ok());
}

class SealedBackup : public BackedUp {
 protected:
  static constexpr std::string_view kPassphrase = "correct horse battery staple";
  void SetUp() override {
    BackedUp::SetUp();
    fs::remove_all(to());
    made_ = back_up(hub(), to(), kNowS, kPassphrase);
    ASSERT_TRUE(made_.ok()) << made_.error().message;
  }
  // As in the clear, but that it is sealed.
  void refused(std::string_view passphrase, Code code, std::string_view what) {
    const auto refused = restore(to(), other(), kNowS + kDayS, passphrase);
    ASSERT_FALSE(refused.ok()) << what;
    EXPECT_EQ(refused.error().code, code) << refused.error().message;
    EXPECT_NE(refused.error().message.find(what), std::string::npos) << refused.error().message;
    EXPECT_TRUE(fs::is_empty(other().folder)) << what;
  }
  std::string bytes(const std::string& name) const {
    return read_file(to() + "/" + name, 64 << 20).value();
  }
  void put(const std::string& name, std::string_view bytes) const {
    ASSERT_TRUE(write_file_atomic(to() + "/" + name, bytes).ok());
  }
  // As who can change files can change sums.
  void mend_sums() const {
    std::string sums = bytes("SHA256SUMS"), mended;
    for (std::size_t at = 0; at < sums.size(); at = sums.find('\n', at) + 1) {
      const std::string name = sums.substr(at + 66, sums.find('\n', at) - at - 66);
      mended += trust::hex(trust::sha256(bytes(name))) + "  " + name + "\n";
    }
    put("SHA256SUMS", mended);
  }
};

TEST_F(SealedBackup, GoesOnAsItWasAndShowsNothingMeanwhile) {
  for (const auto& file : fs::recursive_directory_iterator(to())) {
    if (!file.is_regular_file()) continue;
    const std::string text = read_file(file.path(), 64 << 20).value();
    for (const char* clear : {"of ca-key.pem", "SQLite format 3", "polder-hub-test", "taken"})
      EXPECT_EQ(text.find(clear), std::string::npos) << file.path() << " shows: " << clear;
  }
  EXPECT_FALSE(fs::exists(folder_ / ".backup"));
  const auto old = restore(to(), other(), kNowS + kDayS, kPassphrase);
  ASSERT_TRUE(old.ok()) << old.error().message;
  EXPECT_EQ(old->version, repository_->version());
  EXPECT_EQ(old->taken_s, kNowS);
  EXPECT_EQ(old->files, made_->files);
  EXPECT_EQ(old->bytes, made_->bytes);
  EXPECT_EQ(read_file(other().folder + "/ca-key.pem", 100).value(), "of ca-key.pem");
  EXPECT_FALSE(fs::exists(other().folder + "/passphrase.json"));
  EXPECT_FALSE(fs::exists(other().folder + "/SHA256SUMS.sealed"));
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "repository"))
    if (file.is_regular_file()) {
      const fs::path name = fs::relative(file.path(), folder_);
      EXPECT_EQ(read_file(other().folder / name, 64 << 20).value(),
                read_file(file.path(), 64 << 20).value())
          << name;
    }
}

// For people, who check with `sha256sum` what they have no passphrase for there.
TEST_F(SealedBackup, ItsSumsAreOfEveryFileThere) {
  const std::string sums = bytes("SHA256SUMS");
  std::size_t files = 0;
  for (const auto& file : fs::recursive_directory_iterator(to())) {
    const std::string name = fs::relative(file.path(), to());
    if (!file.is_regular_file() || name == "SHA256SUMS") continue;
    const std::string line = trust::hex(trust::sha256(bytes(name))) + "  " + name + "\n";
    EXPECT_NE(sums.find(line), std::string::npos) << line;
    ++files;
  }
  EXPECT_EQ(std::ranges::count(sums, '\n'), std::ptrdiff_t(files));
}

TEST_F(SealedBackup, OnlyItsPassphraseOpensIt) {
  refused("correct horse battery stapl", Code::kDenied, "this passphrase does not open it");
  refused("", Code::kDenied, "--passphrase-file FILE");
  // Nor is one that nobody sealed taken for one that was.
  fs::remove_all(to());
  ASSERT_TRUE(back_up(hub(), to(), kNowS).ok());
  refused(kPassphrase, Code::kDenied, "is not encrypted");
}

// With sums that fit what was done, as who does it writes others.
TEST_F(SealedBackup, WhatWasChangedIsFoundWhateverTheSumsSay) {
  const std::string database = bytes("hub.db"), sums = bytes("SHA256SUMS");
  ASSERT_GT(database.size(), trust::kSealedHeaderBytes + 2 * trust::kSealedSegmentBytes);
  std::string flipped = database, swapped = database;
  flipped[trust::kSealedHeaderBytes + 5] ^= 1;
  for (std::size_t i = 0; i < trust::kSealedSegmentBytes; ++i)
    std::swap(swapped[trust::kSealedHeaderBytes + i],
              swapped[trust::kSealedHeaderBytes + trust::kSealedSegmentBytes + i]);
  const std::string cut =
      database.substr(0, trust::kSealedHeaderBytes + trust::kSealedSegmentBytes);
  for (const std::string& odd : {flipped, swapped, cut, bytes("audit-key.pem"), std::string()}) {
    put("hub.db", odd);
    refused(kPassphrase, Code::kCorrupt, "hub.db: is not what was backed up");
    mend_sums();
    refused(kPassphrase, Code::kCorrupt, "SHA256SUMS: is not the list that was sealed");
    put("SHA256SUMS", sums);
  }
  put("hub.db", database);
  // One less, and the whole of another time.
  put("SHA256SUMS", sums.substr(sums.find('\n') + 1));
  refused(kPassphrase, Code::kDenied, "is not encrypted");
  const std::size_t own = sums.rfind('\n', sums.size() - 2) + 1;  // the sealed list's own line
  put("SHA256SUMS", sums.substr(0, sums.rfind('\n', own - 2) + 1) + sums.substr(own));
  refused(kPassphrase, Code::kCorrupt, "SHA256SUMS: is not the list that was sealed");
  put("SHA256SUMS", sums);
  const std::string list = bytes("SHA256SUMS.sealed");
  put("SHA256SUMS.sealed", list.substr(0, list.size() - 1));
  refused(kPassphrase, Code::kCorrupt, "SHA256SUMS.sealed");
  put("SHA256SUMS.sealed", list);
  std::string salted = bytes("passphrase.json");
  const std::size_t digit = salted.find("\"salt\": \"") + 9;
  salted[digit] = salted[digit] == '0' ? '1' : '0';
  put("passphrase.json", salted);
  mend_sums();
  refused(kPassphrase, Code::kDenied, "passphrase.json or SHA256SUMS.sealed was changed");
}

// Well formed, and of another time: so much more would be taken from devices.
TEST_F(BackedUp, ItsFactsAreHeldToTheirSum) {
  const std::string path = to() + "/backup.json", facts = read_file(path, 1 << 16).value();
  const std::size_t year = facts.find("\"20");
  ASSERT_NE(year, facts.npos);
  ASSERT_TRUE(
      write_file_atomic(path, facts.substr(0, year) + "\"19" + facts.substr(year + 3)).ok());
  const auto refused = restored(other());
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("is not what was backed up"), std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(fs::is_empty(other().folder));
}

TEST_F(BackedUp, WhatIsCutOffIsNoBackup) {
  const std::string path = to() + "/SHA256SUMS", sums = read_file(path, 1 << 20).value();
  std::vector<std::string> odd = {sums + std::string(64, '0') + "  ../../x\n", "x\n", ""};
  // At the end of any line, and without any one of them.
  for (std::size_t at = 0; at < sums.size(); at = sums.find('\n', at) + 1) {
    odd.push_back(sums.substr(0, at));
    odd.push_back(sums.substr(0, at) + sums.substr(sums.find('\n', at) + 1));
  }
  for (const std::string& text : odd) {
    ASSERT_TRUE(write_file_atomic(path, text).ok());
    EXPECT_EQ(restored(other()).error().code, Code::kCorrupt) << text;
    EXPECT_TRUE(fs::is_empty(other().folder)) << text;
  }
  fs::remove(path);
  EXPECT_EQ(restored(other()).error().code, Code::kNotFound);
}

TEST_F(BackedUp, IsNotMixedWithWhatIsThere) {
  // The journal of another database would be played into this one.
  for (const char* name : {"hub.db-wal", "uploads", "server.pem"}) {
    const HubPlace into = other(std::string("beside ") + name);
    ASSERT_TRUE(write_file_atomic(into.folder + "/" + name, "of another").ok());
    EXPECT_EQ(restored(into).error().code, Code::kDenied);
    EXPECT_EQ(read_file(into.folder + "/" + name, 100).value(), "of another");
  }
  // Half of one backup, and then another.
  cut_off(other());
  ASSERT_TRUE(back_up(hub(), to() + "2", kNowS + 1).ok());
  const auto mixed = restore(to() + "2", other(), wall_.now_s());
  ASSERT_FALSE(mixed.ok());
  EXPECT_EQ(mixed.error().code, Code::kDenied);
  EXPECT_NE(mixed.error().message.find("another backup"), std::string::npos);
  // What was left of it is not played into what comes, either.
  {
    const std::string half = (folder_ / "half.db").string();
    const auto open = open_database(half).value();
    ASSERT_TRUE(open->run("CREATE TABLE of_the_half (id BIGINT)").ok());
    fs::copy(half + "-wal", other().folder + "/hub.db-wal");
  }
  const auto whole = restored(other());
  ASSERT_TRUE(whole.ok()) << whole.error().message;
  const auto database = open_database(other().database).value();
  EXPECT_EQ(database->query("SELECT 1 FROM restoration").value().size(), 1u);
  EXPECT_FALSE(database->query("SELECT 1 FROM of_the_half").ok());
  // What a process that was killed had not finished is nothing, and goes.
  const std::string left = other("fresh").folder + "/.polder-7-0.tmp";
  ASSERT_TRUE(write_file_atomic(left, "of a key").ok());
  ASSERT_TRUE(restored(other("fresh")).ok());
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(BackedUp, NothingElseBeginsWhereOneWasCutOff) {
  cut_off(other());
  for (const Status& refused :
       {check_finished(other().folder), Status(rekey(other(), wall_.now_s()).error()),
        Status(back_up(other(), to() + "2", wall_.now_s()).error())}) {
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::kDenied);
    EXPECT_NE(refused.error().message.find("'polder-hub restore' was cut off"), std::string::npos);
  }
}

TEST_F(BackedUp, TwoHubsOfOneHaveLogsOfTheirOwn) {
  ASSERT_TRUE(restored(other("one")).ok());
  ASSERT_TRUE(restored(other("two")).ok());
  const auto name_of = [&](const char* folder) {
    const auto log = open_readable(other(folder).folder + "/audit.log").value();
    return trust::verify_log(*log, {})->origin;
  };
  EXPECT_NE(name_of("one"), name_of("two"));
}

// Both put a log aside in the same second.
TEST_F(BackedUp, IsRekeyedAndNothingThatWasPutAsideIsLost) {
  ASSERT_TRUE(restored(other()).ok());
  const auto rekeyed = rekey(other(), wall_.now_s());
  ASSERT_TRUE(rekeyed.ok()) << rekeyed.error().message;
  std::set<std::string> origins;
  for (const auto& former : fs::directory_iterator(other().folder + "/former")) {
    const auto log = open_readable(former.path() / "audit.log").value();
    origins.insert(trust::verify_log(*log, {})->origin);
  }
  EXPECT_EQ(origins.size(), 2u);
  EXPECT_TRUE(origins.contains("polder-hub-test"));
}

// The power went once the database had all of it, and the folder did not say so yet.
TEST_F(BackedUp, GoesOnInPostgresWhereItWasCutOff) {
  if (!is_postgres(where_)) GTEST_SKIP() << "of PostgreSQL";
  stop();
  remove_tables();
  const HubPlace into{other().folder, where_};
  ASSERT_TRUE(begin_change(into.folder, {"restore", digest()}, kNowS + kDayS).ok());
  const std::string marker = into.folder + "/unfinished", text = read_file(marker, 1 << 16).value();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(write_file_atomic(marker, text).ok());
    const auto done = restored(into);
    ASSERT_TRUE(done.ok()) << done.error().message;
    const auto database = open_database(where_).value();
    EXPECT_EQ(database->query("SELECT restored_s, taken_s FROM restoration").value(),
              (Rows{{kNowS + kDayS, kNowS}}));
    EXPECT_EQ(database->query("SELECT 1 FROM audit_pending WHERE act = 'hub_restored'")->size(),
              1u);
  }
  // Another one's rows are not written over.
  EXPECT_EQ(restored({other("second").folder, where_}).error().code, Code::kDenied);
}

TEST_F(BackedUp, IsNotOfTheFuture) {
  EXPECT_EQ(restore(to(), other(), kNowS - 1).error().code, Code::kDenied);
}

}  // namespace
}  // namespace polder::hub
