// One connection to the hub's database: SQLite in a file, or PostgreSQL. Both run the same
// statements, which is why they are held to what both understand.
//
//   TRY_VALUE(const auto database, open_database("/var/lib/polder-hub/hub.db"));
//   TRY(database->run("INSERT INTO device (id, seen_s) VALUES (?, ?)", {"cam-7", now_s}));
//   TRY_VALUE(const Rows rows, database->query("SELECT id FROM device WHERE seen_s < ?", {limit}));
//
// A value stands for each '?'; text of statements never holds what came from outside. Whole
// numbers are BIGINT, text is TEXT, bytes are BLOB (BYTEA of PostgreSQL: the word is replaced).
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace polder::hub {

struct Bytes {
  std::string bytes;
  bool operator==(const Bytes&) const = default;
};

// Nothing (NULL), a whole number, a number, text without NUL, bytes.
class Value {
 public:
  Value() = default;
  Value(std::int64_t number) : value_(number) {}
  Value(int number) : value_(std::int64_t{number}) {}
  Value(double number) : value_(number) {}
  Value(std::string text) : value_(std::move(text)) {}
  Value(std::string_view text) : value_(std::string(text)) {}
  Value(const char* text) : value_(std::string(text)) {}
  Value(Bytes bytes) : value_(std::move(bytes)) {}

  using Kinds = std::variant<std::monostate, std::int64_t, double, std::string, Bytes>;
  const Kinds& kinds() const { return value_; }
  bool is_null() const { return value_.index() == 0; }
  // Of a column that holds them; 0 and empty for what is of another kind.
  std::int64_t integer() const;
  double number() const;
  const std::string& text() const;
  const std::string& bytes() const;
  bool operator==(const Value&) const = default;

 private:
  Kinds value_;
};

using Row = std::vector<Value>;
using Rows = std::vector<Row>;
using Values = std::vector<Value>;

// Not thread-safe. Errors of all: kInvalid, a constraint or a statement is wrong; kExhausted, the
// disk is full; kUnavailable, the server is away, the file is locked, or others wrote the same (try
// again); kDenied; kIo; kCorrupt, the file is damaged.
class Database {
 public:
  virtual ~Database() = default;
  Result<Rows> query(std::string_view sql, const Values& values = {});
  Status run(std::string_view sql, const Values& values = {});

  // All of it or nothing, as if nobody else wrote meanwhile, durable when it returns. `work`
  // returns the first error that it sees, which undoes it. Within another one it is a part of that,
  // which is undone alone. When a server goes away at the very end, kUnavailable may be said of
  // what is done: what is tried again must bear that.
  Status transaction(const std::function<Status()>& work);

  // Of all that ask for it one connection has the database, also once it was made anew: for the hub
  // that serves it, and so with room for many writes. (A file is its folder's, which has a lock of
  // its own.) Errors: kUnavailable while another has it, saying from where.
  virtual Status hold() { return {}; }

  // The names of the tables that it has, by the catalogue.
  Result<std::vector<std::string>> tables();
  // What asks for them.
  virtual std::string_view catalogue_text() const = 0;

 protected:
  bool is_in_transaction() const { return depth_ > 0; }

 private:
  virtual Result<Rows> execute(std::string_view sql, const Values& values) = 0;
  virtual std::string_view begin_text() const = 0;

  int depth_ = 0;               // of transactions within each other
  std::optional<Error> error_;  // of the first statement that failed in the innermost one
};

// "postgres://USER:PASSWORD@HOST:PORT/NAME" (or postgresql://), or a path of a file that is made
// where it is not. Errors name what was opened, without a password.
Result<std::unique_ptr<Database>> open_database(std::string_view where);
// The same, of what is there, to read alone: nothing is written there.
Result<std::unique_ptr<Database>> open_to_read(std::string_view where);
bool is_postgres(std::string_view where);

}  // namespace polder::hub
