// A hub's database in another one: all of it, or nothing.
#include "hub/upkeep/copy.h"

#include <filesystem>
#include <set>

#include "base/fail.h"
#include "hub/api/testing_hub.h"
#include "platform/file.h"

namespace polder::hub {
namespace {

class Copying : public HubTest {
 protected:
  void SetUp() override {
    HubTest::SetUp();
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, "cam-1");
    const Status written = writer_->write([](Database& database) -> Status {
      // More than a page, in an order that is not that of text.
      for (int i = 0; i < 2'300; ++i)
        TRY(
            database.run("INSERT INTO report_taken (device, boot, epoch, sequence, taken_s) VALUES "
                         "('cam-1', ?, 2, ?, 3)",
                         {i % 7, i}));
      TRY(
          database.run("INSERT INTO rollout_limit (rollout, number, stage, ms) VALUES ('r1', 1, ?, "
                       "?), ('r1', 2, '', ?)",
                       {"Ünïcode 'x' ?", 0.1, 5e-324}));
      return database.run(
          "INSERT INTO device_tag (device, name, value) VALUES ('cam-1', 'site', '')");
    });
    ASSERT_TRUE(written.ok()) << written.error().message;
    stop();
    source_ = open_database(where_).value();
    target_ = open_database((folder_ / "copy.db").string()).value();
  }

  static std::map<std::string, std::string> digests(const std::vector<CopiedTable>& tables) {
    std::map<std::string, std::string> all;
    for (const CopiedTable& table : tables)
      all[table.name] = fmt::format("{} {}", table.rows, table.digest);
    return all;
  }

  std::unique_ptr<Database> source_, target_;
};

TEST_F(Copying, AllRowsArriveAndComeBackTheSame) {
  const auto there = copy_database(*source_, *target_);
  ASSERT_TRUE(there.ok()) << there.error().message;
  std::map<std::string, std::int64_t> rows;
  for (const CopiedTable& table : *there) rows[table.name] = table.rows;
  EXPECT_EQ(rows["report_taken"], 2'300);
  EXPECT_EQ(rows["rollout_limit"], 2);
  EXPECT_EQ(rows["device"], 1);
  EXPECT_EQ(rows["enrolment_token"], 1);
  EXPECT_EQ(rows["person_token"], 1);
  EXPECT_EQ(rows["alarm"], 0);
  // Back, into what was emptied: of PostgreSQL into PostgreSQL.
  source_.reset();
  std::string back = (folder_ / "back.db").string();
  if (is_postgres(where_)) remove_tables(), back = where_;
  const auto empty = open_database(back).value();
  const auto again = copy_database(*target_, *empty);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(digests(*again), digests(*there));
  const auto limit = empty->query("SELECT stage, ms FROM rollout_limit ORDER BY number");
  EXPECT_EQ(limit.value(), (Rows{{"Ünïcode 'x' ?", 0.1}, {"", 5e-324}}));
}

// A backup is held to its sums when it is restored.
TEST_F(Copying, NotAByteOfAFileThatIsCopiedFromChanges) {
  if (is_postgres(where_)) GTEST_SKIP() << "of SQLite";
  const std::string backup = (folder_ / "backup.db").string();
  ASSERT_TRUE(source_->run("VACUUM INTO ?", {backup}).ok());
  const std::string before = read_file(backup, 64 << 20).value();
  {
    const auto from = open_to_read(backup).value();
    ASSERT_TRUE(from->hold().ok());
    const auto copied = copy_database(*from, *target_);
    ASSERT_TRUE(copied.ok()) << copied.error().message;
    EXPECT_FALSE(from->run("DELETE FROM report_taken").ok());
  }
  EXPECT_TRUE(read_file(backup, 64 << 20).value() == before);
  // Nor does anything stay beside it, or beside one that a hub has served.
  source_.reset();
  ASSERT_TRUE(open_to_read(where_).value()->query("SELECT id FROM device").ok());
  for (const std::string& file : {backup, where_})
    for (const char* const beside : {"-wal", "-shm"})
      EXPECT_FALSE(std::filesystem::exists(file + beside)) << file << beside;
}

TEST_F(Copying, WhereAHubIsNothingIsCopiedTo) {
  ASSERT_TRUE(copy_database(*source_, *target_).ok());
  const auto again = copy_database(*source_, *target_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, Code::kDenied);
  EXPECT_NE(again.error().message.find("device, certificate"), std::string::npos)
      << again.error().message;
  EXPECT_EQ(target_->query("SELECT COUNT(*) FROM report_taken").value()[0][0].integer(), 2'300);
}

TEST_F(Copying, ADatabaseOfAnOlderHubIsNotChangedBeforeItIsRefused) {
  ASSERT_TRUE(copy_database(*source_, *target_).ok());
  ASSERT_TRUE(target_->run("UPDATE hub_schema SET version = version - 1").ok());
  const auto version = [&] {
    return target_->query("SELECT version FROM hub_schema").value()[0][0].integer();
  };
  const std::int64_t before = version();
  EXPECT_EQ(copy_database(*source_, *target_).error().code, Code::kDenied);
  EXPECT_EQ(version(), before);
}

TEST_F(Copying, TablesOfAnotherHubAreNotReadWrongly) {
  ASSERT_TRUE(source_->run("UPDATE hub_schema SET version = version - 1").ok());
  EXPECT_EQ(copy_database(*source_, *target_).error().code, Code::kIncompatible);
}

// Keeps what it is given a little otherwise.
class Careless final : public Database {
 public:
  Careless(Database& to, std::string_view loses) : to_(to), loses_(loses) {}
  std::string_view catalogue_text() const override { return to_.catalogue_text(); }

 private:
  Result<Rows> execute(std::string_view sql, const Values& values) override {
    Values kept = values;
    if (sql.starts_with("INSERT INTO device_tag")) {
      if (loses_ == "a row") return Rows();
      kept.back() = loses_;
    }
    return to_.query(sql, kept);
  }
  std::string_view begin_text() const override { return "BEGIN IMMEDIATE"; }

  Database& to_;
  std::string_view loses_;
};

TEST_F(Copying, WhatArrivesOtherwiseIsFoundAndNothingIsKept) {
  for (const char* loses : {"a row", "a value"}) {
    Careless careless(*target_, loses);
    const auto copied = copy_database(*source_, careless);
    ASSERT_FALSE(copied.ok()) << loses;
    EXPECT_EQ(copied.error().code, Code::kCorrupt) << copied.error().message;
    EXPECT_NE(copied.error().message.find("device_tag"), std::string::npos);
    EXPECT_FALSE(target_->query("SELECT 1 FROM device").ok()) << "not even its tables";
  }
}

// Columns of tables that a later step makes or changes are not forgotten.
TEST_F(Copying, KnowsAllTablesAndColumns) {
  if (is_postgres(where_)) GTEST_SKIP() << "SQLite tells it";
  std::map<std::string, std::set<std::string>> known, there;
  for (const Table& table : tables_of_hub()) {
    known[table.name].insert(table.columns.begin(), table.columns.end());
    EXPECT_FALSE(table.key.empty()) << table.name;
  }
  const Rows columns =
      source_
          ->query(
              "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
              "WHERE m.type = 'table' AND m.name <> 'hub_schema'")
          .value();
  for (const Row& row : columns) there[row[0].text()].insert(row[1].text());
  EXPECT_EQ(known, there);
}

}  // namespace
}  // namespace polder::hub
