// The adapter of SQLite.
#include <sqlite3.h>

#include <map>

#include "base/fail.h"
#include "hub/store/connections.h"

namespace polder::hub {
namespace {

constexpr int kBusyMs = 5000;
constexpr std::size_t kMaxStatements = 500;  // kept prepared

Code code_of(int status) {
  switch (status & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG: return Code::kExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kCorrupt;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return Code::kDenied;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return Code::kIo;
    default: return Code::kInvalid;
  }
}

struct Closer {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, Closer>;
using Statement = std::unique_ptr<sqlite3_stmt, Closer>;

int bind(sqlite3_stmt* statement, int at, const Value& value) {
  struct Binder {
    sqlite3_stmt* statement;
    int at;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, at); }
    int operator()(std::int64_t number) const { return sqlite3_bind_int64(statement, at, number); }
    int operator()(double number) const { return sqlite3_bind_double(statement, at, number); }
    int operator()(const std::string& text) const {
      return sqlite3_bind_text64(statement, at, text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    }
    int operator()(const Bytes& bytes) const {
      return sqlite3_bind_blob64(statement, at, bytes.bytes.data(), bytes.bytes.size(),
                                 SQLITE_STATIC);
    }
  };
  return std::visit(Binder{statement, at}, value.kinds());
}

Value column(sqlite3_stmt* statement, int at) {
  const auto bytes = [&](const void* from) {
    return std::string(static_cast<const char*>(from),
                       static_cast<std::size_t>(sqlite3_column_bytes(statement, at)));
  };
  switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(statement, at)};
    case SQLITE_FLOAT: return sqlite3_column_double(statement, at);
    case SQLITE_TEXT: return bytes(sqlite3_column_text(statement, at));
    case SQLITE_BLOB: {
      const void* from = sqlite3_column_blob(statement, at);
      return Bytes{from ? bytes(from) : ""};
    }
    default: return {};
  }
}

class Sqlite final : public Database {
 public:
  Sqlite(Connection connection, std::string path, Access access)
      : connection_(std::move(connection)), path_(std::move(path)), access_(access) {}

  // Who serves writes the same pages again and again: they stay in memory, savepoints too, and many
  // reach their place in the file together.
  Status hold() override {
    TRY(run("PRAGMA cache_size = -65536"));  // KiB
    TRY(run("PRAGMA temp_store = MEMORY"));
    return run("PRAGMA wal_autocheckpoint = 8192");  // pages
  }
  std::string_view catalogue_text() const override {
    return "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
           "ORDER BY name";
  }

 private:
  Result<Rows> execute(std::string_view sql, const Values& values) override {
    TRY_VALUE(sqlite3_stmt* const statement, prepared(sql));
    const auto expected = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement));
    if (expected != values.size())
      return fail(Code::kInvalid, "{}: {} values for {} places: {}", path_, values.size(), expected,
                  sql);
    int status = SQLITE_OK;
    for (std::size_t i = 0; i < values.size() && status == SQLITE_OK; ++i)
      status = bind(statement, static_cast<int>(i) + 1, values[i]);
    Rows rows;
    while (status == SQLITE_OK || status == SQLITE_ROW) {
      status = sqlite3_step(statement);
      if (status != SQLITE_ROW) break;
      Row& row = rows.emplace_back();
      const int columns = sqlite3_column_count(statement);
      for (int i = 0; i < columns; ++i) row.push_back(column(statement, i));
    }
    sqlite3_clear_bindings(statement);
    // It has the error's text, which a reset keeps.
    sqlite3_reset(statement);
    if (status != SQLITE_DONE) return error(status, sql);
    return rows;
  }

  // It takes its lock at once: a reader that becomes a writer could be refused.
  std::string_view begin_text() const override {
    return access_ == Access::kWrite ? "BEGIN IMMEDIATE" : "BEGIN";
  }

  Error error(int status, std::string_view sql) const {
    return fail(code_of(status), "{}: {}: {}", path_, sqlite3_errmsg(connection_.get()), sql);
  }

  Result<sqlite3_stmt*> prepared(std::string_view sql) {
    if (const auto found = statements_.find(sql); found != statements_.end())
      return found->second.get();
    sqlite3_stmt* made = nullptr;
    const int status =
        sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    Statement statement(made);
    if (status != SQLITE_OK) return error(status, sql);
    if (!made) return fail(Code::kInvalid, "{}: an empty statement", path_);
    if (statements_.size() >= kMaxStatements) statements_.clear();
    return statements_.emplace(sql, std::move(statement)).first->second.get();
  }

  Connection connection_;  // outlives the statements
  std::map<std::string, Statement, std::less<>> statements_;
  std::string path_;
  const Access access_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(std::string_view path, Access access) {
  std::string name(path);
  sqlite3* made = nullptr;
  // Also to read: who opens a WAL to read alone leaves its files behind.
  const int how = SQLITE_OPEN_READWRITE | (access == Access::kWrite ? SQLITE_OPEN_CREATE : 0);
  const int status = sqlite3_open_v2(name.c_str(), &made,
                                     how | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Connection connection(made);
  if (status != SQLITE_OK)
    return fail(code_of(status), "{}: {}", name, made ? sqlite3_errmsg(made) : "out of memory");
  sqlite3_busy_timeout(made, kBusyMs);
  auto database = std::make_unique<Sqlite>(std::move(connection), name, access);
  if (access == Access::kRead) {
    TRY(database->run("PRAGMA query_only = ON"));
    return std::unique_ptr<Database>(std::move(database));
  }
  // What is committed is on the disk; readers do not wait for the writer.
  for (const char* pragma : {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
                             "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF"})
    TRY(database->run(pragma));
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace polder::hub
