#include "hub/store/database.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/fail.h"
#include "hub/store/schema.h"
#include "hub/store/writer.h"
#include "platform/file.h"

namespace polder::hub {
namespace {

// The server of the environment: tests/hub/postgres_test.py starts one.
const char* postgres() { return std::getenv("POLDER_POSTGRES"); }

// Of the hub's tables, the one that a writer needs.
void make_last_write(Database& database) {
  ASSERT_TRUE(database
                  .run("CREATE TABLE IF NOT EXISTS last_write (place BIGINT PRIMARY KEY, name TEXT "
                       "NOT NULL)")
                  .ok());
}

// What it answers to its next COMMIT is lost: of one that is done, or of one that is not.
class LostAnswer final : public Database {
 public:
  LostAnswer(std::unique_ptr<Database> inner, bool is_done)
      : inner_(std::move(inner)), is_done_(is_done) {}
  int commits() const { return commits_; }
  std::string_view catalogue_text() const override { return inner_->catalogue_text(); }

 private:
  Result<Rows> execute(std::string_view sql, const Values& values) override {
    if (sql != "COMMIT" || ++commits_ > 1) return inner_->query(sql, values);
    EXPECT_TRUE(inner_->run(is_done_ ? "COMMIT" : "ROLLBACK").ok());
    return fail(Code::kUnavailable, "the connection was lost");
  }
  std::string_view begin_text() const override { return "BEGIN"; }

  const std::unique_ptr<Database> inner_;
  const bool is_done_;
  int commits_ = 0;
};

class Databases : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) == "PostgreSQL") {
      if (!postgres()) GTEST_SKIP() << "POLDER_POSTGRES names no server";
      where_ = postgres();
    } else {
      folder_ = std::filesystem::temp_directory_path() / ("polder-hub-" + std::to_string(getpid()));
      std::filesystem::remove_all(folder_);
      std::filesystem::create_directory(folder_);
      where_ = folder_ / "hub.db";
    }
    database_ = open();
    ASSERT_TRUE(database_);
    ASSERT_TRUE(database_->run("DROP TABLE IF EXISTS thing").ok());
    const Status made = database_->run(
        "CREATE TABLE thing (id BIGINT PRIMARY KEY, name TEXT NOT NULL, weight DOUBLE PRECISION, "
        "data BLOB)");
    ASSERT_TRUE(made.ok()) << made.error().message;
    make_last_write(*database_);
  }
  void TearDown() override {
    database_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<Database> open() const {
    auto made = open_database(where_);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? std::move(*made) : nullptr;
  }
  static Status add(Database& database, std::int64_t id, std::string_view name = "a") {
    return database.run("INSERT INTO thing (id, name) VALUES (?, ?)", {id, name});
  }
  std::int64_t count() const {
    const auto rows = database_->query("SELECT count(*) FROM thing");
    EXPECT_TRUE(rows.ok()) << rows.error().message;
    return rows.ok() ? (*rows)[0][0].integer() : -1;
  }

  std::string where_;
  std::filesystem::path folder_;
  std::unique_ptr<Database> database_;
};

INSTANTIATE_TEST_SUITE_P(, Databases, testing::Values("SQLite", "PostgreSQL"),
                         [](const auto& one) { return std::string(one.param); });

TEST_P(Databases, GiveBackWhatTheyWereGiven) {
  const std::string all_bytes = [] {
    std::string text;
    for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
    return text;
  }();
  const Rows given = {
      {std::int64_t{1}, "Ünïcode 'quoted' \"too\" ? $1", 0.1, Bytes{all_bytes}},
      {std::numeric_limits<std::int64_t>::min(), "", -1e300, Bytes{""}},
      {std::numeric_limits<std::int64_t>::max(), std::string(100'000, 'x'), 5e-324, Value()},
  };
  for (const Row& row : given)
    ASSERT_TRUE(database_->run("INSERT INTO thing VALUES (?, ?, ?, ?)", row).ok());
  for (const Row& row : given) {
    const auto read = database_->query("SELECT * FROM thing WHERE id = ?", {row[0]});
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(read->size(), 1u);
    EXPECT_TRUE((*read)[0] == row) << row[0].integer();
  }
  const auto none = database_->query("SELECT name FROM thing WHERE name = ?", {"none"});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST_P(Databases, RefuseWhatIsWrong) {
  ASSERT_TRUE(add(*database_, 1).ok());
  const auto code = [&](std::string_view sql, const Values& values) {
    const auto rows = database_->query(sql, values);
    EXPECT_FALSE(rows.ok());
    if (rows.ok()) return Code::kTimeout;
    EXPECT_NE(rows.error().message.find(sql), std::string::npos) << rows.error().message;
    return rows.error().code;
  };
  EXPECT_EQ(code("INSERT INTO thing (id, name) VALUES (?, ?)", {1, "twice"}), Code::kInvalid);
  EXPECT_EQ(code("INSERT INTO thing (id, name) VALUES (?, ?)", {2, Value()}), Code::kInvalid);
  EXPECT_EQ(code("INSERT INTO thing (id, name) VALUES (?, ?)", {2, std::string("a\0b", 3)}),
            Code::kInvalid);
  EXPECT_EQ(code("SELECT id FROM thing WHERE id = ?", {}), Code::kInvalid);
  EXPECT_EQ(code("SELECT nothing FROM thing", {}), Code::kInvalid);
  EXPECT_EQ(code("SELEKT 1", {}), Code::kInvalid);
  EXPECT_EQ(count(), 1);
}

TEST_P(Databases, UndoAllOfAFailedTransaction) {
  const Status done = database_->transaction([&]() -> Status {
    TRY(add(*database_, 1));
    TRY(add(*database_, 2));
    return add(*database_, 1);
  });
  EXPECT_FALSE(done.ok());
  EXPECT_EQ(count(), 0);
  EXPECT_TRUE(database_->transaction([&] { return add(*database_, 1); }).ok());
  EXPECT_EQ(count(), 1);
}

TEST_P(Databases, UndoWhatGoesOnAfterAnError) {
  const Status done = database_->transaction([&]() -> Status {
    TRY(add(*database_, 1));
    [[maybe_unused]] const Status ignored = add(*database_, 1);
    return {};
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kInvalid);
  EXPECT_EQ(count(), 0);
  // Of a part as well, and what has failed before it began is not its fault.
  ASSERT_FALSE(database_->run("SELEKT 1").ok());
  const Status whole = database_->transaction([&]() -> Status {
    TRY(add(*database_, 2));
    const Status part = database_->transaction([&]() -> Status {
      TRY(add(*database_, 3));
      [[maybe_unused]] const Status ignored = add(*database_, 3);
      return {};
    });
    EXPECT_FALSE(part.ok());
    return add(*database_, 4);
  });
  EXPECT_TRUE(whole.ok()) << whole.error().message;
  EXPECT_EQ(count(), 2);
}

TEST_P(Databases, UndoAPartAlone) {
  const Status done = database_->transaction([&]() -> Status {
    TRY(add(*database_, 1));
    const Status part = database_->transaction([&]() -> Status {
      TRY(add(*database_, 2));
      return add(*database_, 1);
    });
    EXPECT_FALSE(part.ok());
    return add(*database_, 3);
  });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(count(), 2);
}

TEST_P(Databases, TablesGoFromVersionToVersionAndNeverBack) {
  ASSERT_TRUE(database_->run("DROP TABLE IF EXISTS hub_schema").ok());
  ASSERT_TRUE(database_->run("DROP TABLE IF EXISTS step").ok());
  const std::vector<SchemaStep> one = {{"CREATE TABLE step (id BIGINT)"}};
  std::vector<SchemaStep> two = one;
  two.push_back({"ALTER TABLE step ADD COLUMN name TEXT", "INSERT INTO step VALUES (7, 'a')"});
  EXPECT_TRUE(migrate(*database_, one).ok());
  EXPECT_TRUE(migrate(*database_, one).ok());  // a second start
  ASSERT_TRUE(database_->run("INSERT INTO step VALUES (1)").ok());
  std::vector<SchemaStep> broken = two;
  broken[1].push_back("INSERT INTO nothing VALUES (1)");
  EXPECT_FALSE(migrate(*database_, broken).ok());  // and nothing of it is left
  EXPECT_TRUE(migrate(*database_, two).ok());
  const auto rows = database_->query("SELECT id, name FROM step ORDER BY id");
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(*rows, (Rows{{1, Value()}, {7, "a"}}));
  const Status older = migrate(*database_, one);
  ASSERT_FALSE(older.ok());
  EXPECT_EQ(older.error().code, Code::kIncompatible);
  EXPECT_EQ(older.error().message,
            "the database has tables of version 2, this polder-hub knows them up to 1: run the "
            "polder-hub that was used last, or a newer one");
  ASSERT_TRUE(database_->run("DROP TABLE hub_schema").ok());
  ASSERT_TRUE(database_->run("DROP TABLE step").ok());
}

// Whose it is is asked before anything is written: not even the journal of a file is another then.
TEST_P(Databases, WhatIsNoHubsOrANewerOnesStaysAsItIs) {
  const bool is_file = !is_postgres(where_);
  if (is_file) where_ = folder_ / "other.db";
  const auto there = [&] {
    const auto database = open_to_read(where_).value();
    std::string found = fmt::format("{}", fmt::join(database->tables().value(), ","));
    const auto version = database->query("SELECT version FROM hub_schema");
    if (version.ok())
      for (const Row& row : *version) found += fmt::format(" {}", row[0].integer());
    return is_file ? read_file(where_, 1 << 20).value() : found;
  };
  const auto refused = [&](std::string_view what, Code code) {
    const std::string before = there();
    const auto opened = open_of_hub(where_);
    ASSERT_FALSE(opened.ok()) << what;
    EXPECT_EQ(opened.error().code, code) << opened.error().message;
    EXPECT_NE(opened.error().message.find(what), std::string::npos) << opened.error().message;
    EXPECT_TRUE(there() == before) << what;
  };
  if (is_file) {
    EXPECT_TRUE(open_of_hub(where_)->is_new) << "of what is not there";
    std::filesystem::remove(where_);
  }
  const auto database = open_database(where_).value();
  EXPECT_TRUE(!is_file || database->run("PRAGMA journal_mode = DELETE").ok());
  for (const char* table : {"hub_schema", "thing"})
    ASSERT_TRUE(database->run(fmt::format("DROP TABLE IF EXISTS {}", table)).ok());
  ASSERT_TRUE(database->run("CREATE TABLE thing (id BIGINT)").ok());
  refused("something else", Code::kIncompatible);
  refused("thing", Code::kIncompatible);
  const Status today = check_today(*database);
  ASSERT_FALSE(today.ok());
  EXPECT_NE(today.error().message.find("something else"), std::string::npos);
  // As a hub that was refused here has left it once.
  ASSERT_TRUE(database->run("CREATE TABLE hub_schema (version BIGINT NOT NULL)").ok());
  refused("something else", Code::kIncompatible);
  ASSERT_TRUE(database->run("INSERT INTO hub_schema (version) VALUES (1000)").ok());
  refused("tables of version 1000", Code::kIncompatible);
  ASSERT_TRUE(database->run("UPDATE hub_schema SET version = 1").ok());
  const auto older = open_of_hub(where_);
  ASSERT_TRUE(older.ok()) << older.error().message;
  EXPECT_FALSE(older->is_new) << "tables beside its own are fine";
  ASSERT_TRUE(database->run("DROP TABLE hub_schema").ok());
}

TEST(Sqlite, AnEmptyFileIsNewAndHasNothingOfToday) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("polder-hub-empty-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const std::string file = folder / "hub.db";
  ASSERT_TRUE(write_file_atomic(file, "").ok());
  const Status today = check_today(*open_to_read(file).value());
  ASSERT_FALSE(today.ok());
  EXPECT_EQ(today.error().code, Code::kNotFound);
  EXPECT_NE(today.error().message.find("is empty: name the one"), std::string::npos);
  EXPECT_TRUE(open_of_hub(file)->is_new);
  std::filesystem::remove_all(folder);
}

TEST_P(Databases, AWriterCommitsTogetherAndAnswersEach) {
  Writer writer(open());
  constexpr int kThreads = 8, kEach = 25;
  std::atomic<int> good = 0, bad = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::int64_t id =
            i % 5 == 0 ? 1'000'000 : t * 1000 + i;  // one that only one may have
        const Status done = writer.write([id](Database& database) { return add(database, id); });
        ++(done.ok() ? good : bad);
        EXPECT_TRUE(done.ok() || done.error().code == Code::kInvalid) << done.error().message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, kThreads * 20 + 1);
  EXPECT_EQ(bad, kThreads * 5 - 1);
  EXPECT_EQ(count(), kThreads * 20 + 1);
  EXPECT_EQ(writer.figures().writes, std::uint64_t{kThreads * kEach});
}

TEST_P(Databases, AWriterWhoseAnswerIsLostWritesOnce) {
  for (const bool is_done : {true, false}) {
    ASSERT_TRUE(database_->run("DROP TABLE IF EXISTS lost").ok());
    ASSERT_TRUE(database_->run("CREATE TABLE lost (id BIGINT)").ok());
    auto made = std::make_unique<LostAnswer>(open(), is_done);
    const LostAnswer& database = *made;
    Writer writer(std::move(made));
    int seen = 0;
    const Status written = writer.write([&](Database& one) {
      ++seen;
      return one.run("INSERT INTO lost VALUES (?)", {7});
    });
    EXPECT_TRUE(written.ok()) << written.error().message;
    EXPECT_EQ(seen, is_done ? 1 : 2);
    EXPECT_EQ(database.commits(), 2);
    const auto rows = database_->query("SELECT id FROM lost");
    ASSERT_TRUE(rows.ok()) << rows.error().message;
    EXPECT_EQ(*rows, (Rows{{7}}));
  }
}

TEST_P(Databases, AWriterEndsWhenAllIsDone) {
  std::atomic<int> done = 0;
  {
    Writer writer(open());
    for (int i = 0; i < 100; ++i)
      writer.write_later([i](Database& database) { return add(database, i); },
                         [&](const Status& status) { done += status.ok(); });
  }
  EXPECT_EQ(done, 100);
  EXPECT_EQ(count(), 100);
}

// One that is killed while it writes: whatever it was told is there.
TEST_P(Databases, KeepWhatTheyAcknowledged) {
  for (int round = 0; round < 5; ++round) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto made = open_database(where_);
      if (!made.ok()) _exit(1);
      for (std::int64_t id = round * 1'000'000;; ++id) {
        if (!add(**made, id).ok()) _exit(2);
        if (write(pipes[1], &id, sizeof id) != sizeof id) _exit(3);
      }
    }
    close(pipes[1]);
    std::int64_t last = -1;
    for (int i = 0; i < 10 + 7 * round; ++i)
      ASSERT_EQ(read(pipes[0], &last, sizeof last), ssize_t{sizeof last});
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (read(pipes[0], &last, sizeof last) == ssize_t{sizeof last}) {
    }
    close(pipes[0]);
    const auto rows = database_->query("SELECT count(*) FROM thing WHERE id BETWEEN ? AND ?",
                                       {round * 1'000'000, last});
    ASSERT_TRUE(rows.ok()) << rows.error().message;
    EXPECT_EQ((*rows)[0][0].integer(), last - round * 1'000'000 + 1);
  }
}

TEST(Postgres, GoesOnWhenTheServerIsBack) {
  if (!postgres()) GTEST_SKIP() << "POLDER_POSTGRES names no server";
  auto first = open_database(postgres()), second = open_database(postgres());
  ASSERT_TRUE(first.ok() && second.ok());
  Database& database = **first;
  ASSERT_TRUE(database.run("DROP TABLE IF EXISTS lost").ok());
  ASSERT_TRUE(database.run("CREATE TABLE lost (id BIGINT)").ok());
  const auto cut = [&] {
    const auto cut_all = (*second)->query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        "current_database() AND pid <> pg_backend_pid()");
    EXPECT_TRUE(cut_all.ok());
  };
  const auto set_for_all = [&](std::string_view what) {
    const Status done = (*second)->run(
        fmt::format("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {}', current_database()); END "
                    "$$",
                    what));
    EXPECT_TRUE(done.ok()) << done.error().message;
  };
  set_for_all("SET synchronous_commit = off");
  cut();
  // It finds out; the next is on a new connection.
  const Status found = database.run("INSERT INTO lost VALUES (?)", {1});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kUnavailable) << found.error().message;
  EXPECT_TRUE(database.run("INSERT INTO lost VALUES (?)", {2}).ok());
  // On which what is answered is on the disk, too.
  EXPECT_EQ(database.query("SHOW synchronous_commit").value(), (Rows{{"on"}}));
  set_for_all("RESET synchronous_commit");

  // In a transaction nothing of it may stay, whatever its work does about errors.
  const Status done = database.transaction([&]() -> Status {
    TRY(database.run("INSERT INTO lost VALUES (?)", {3}));
    cut();
    [[maybe_unused]] const Status ignored = database.run("INSERT INTO lost VALUES (?)", {4});
    EXPECT_FALSE(database.run("INSERT INTO lost VALUES (?)", {5}).ok());
    return {};
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kUnavailable) << done.error().message;
  const auto rows = database.query("SELECT id FROM lost ORDER BY id");
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(*rows, (Rows{{2}}));

  // A writer tries again by itself.
  make_last_write(database);
  Writer writer(std::move(*first));
  cut();
  const Status again =
      writer.write([](Database& one) { return one.run("INSERT INTO lost VALUES (?)", {6}); });
  EXPECT_TRUE(again.ok()) << again.error().message;
}

TEST(Database, SaysWhatCannotBeOpened) {
  const auto no_folder = open_database("/nowhere/at/all/hub.db");
  ASSERT_FALSE(no_folder.ok());
  EXPECT_EQ(no_folder.error().code, Code::kIo);
  EXPECT_NE(no_folder.error().message.find("/nowhere/at/all/hub.db"), std::string::npos);
  const auto no_server = open_database("postgres://polder:secret@127.0.0.1:1/hub");
  ASSERT_FALSE(no_server.ok());
  EXPECT_EQ(no_server.error().code, Code::kUnavailable);
  EXPECT_NE(no_server.error().message.find("127.0.0.1:1/hub"), std::string::npos);
  EXPECT_EQ(no_server.error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace polder::hub
