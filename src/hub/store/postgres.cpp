// The adapter of libpq, PostgreSQL's own client.
#include <libpq-fe.h>

#include <charconv>
#include <chrono>
#include <map>
#include <thread>

#include "base/fail.h"
#include "hub/store/connections.h"

namespace polder::hub {
namespace {

// Types by their number in pg_type, which never changes.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat4 = 700,
              kFloat8 = 701, kNumeric = 1700;
constexpr std::size_t kMaxStatements = 500;  // kept prepared
// Of the lock of whoever serves a database: "pold".
constexpr int kHoldNumber = 0x706f6c64;
constexpr int kHoldTries = 20;
constexpr std::chrono::milliseconds kHoldAgain{250};

struct Closer {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Closer>;
using Outcome = std::unique_ptr<PGresult, Closer>;

// Messages end with a line's end, and may have several.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) line += c == '\n' || c == '\t' ? ' ' : c;
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

Code code_of(std::string_view state) {
  if (state == "08P01") return Code::kInvalid;  // too few values
  if (state.starts_with("08") || state.starts_with("57") || state.starts_with("40"))
    return Code::kUnavailable;  // no connection, a shutdown, a deadlock
  if (state.starts_with("53") || state.starts_with("54")) return Code::kExhausted;
  if (state.starts_with("28") || state == "42501") return Code::kDenied;
  if (state.starts_with("58")) return Code::kIo;
  if (state.starts_with("XX")) return Code::kCorrupt;
  return Code::kInvalid;
}

// '?' becomes $1, $2, ...; BLOB becomes BYTEA.
std::string translated(std::string_view sql) {
  constexpr std::string_view kBlob = "BLOB";
  std::string text;
  int places = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '?') {
      text += fmt::format("${}", ++places);
    } else if (sql.substr(i).starts_with(kBlob)) {
      text += "BYTEA";
      i += kBlob.size() - 1;
    } else {
      text += sql[i];
    }
  }
  return text;
}

// What a statement is given, alive as long as the call.
struct Parameters {
  std::vector<std::string> texts;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;

  explicit Parameters(const Values& given) {
    texts.reserve(given.size());
    for (const Value& value : given) std::visit(*this, value.kinds());
  }
  void operator()(std::monostate) { add(nullptr, 0, false); }
  void operator()(std::int64_t number) { add_text(fmt::format("{}", number)); }
  void operator()(double number) { add_text(fmt::format("{}", number)); }
  void operator()(const std::string& text) { add(text.c_str(), text.size(), false); }
  void operator()(const Bytes& bytes) { add(bytes.bytes.data(), bytes.bytes.size(), true); }

 private:
  void add_text(std::string text) {
    texts.push_back(std::move(text));
    add(texts.back().c_str(), texts.back().size(), false);
  }
  void add(const char* data, std::size_t bytes, bool is_binary) {
    values.push_back(data);
    lengths.push_back(static_cast<int>(bytes));
    formats.push_back(is_binary ? 1 : 0);
  }
};

Result<Value> column(const PGresult* result, int row, int at) {
  if (PQgetisnull(result, row, at)) return Value();
  const std::string_view text(PQgetvalue(result, row, at),
                              static_cast<std::size_t>(PQgetlength(result, row, at)));
  const auto parsed = [&](auto number) -> Result<Value> {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc())
      return fail(Code::kCorrupt, "column '{}': '{}' is no number", PQfname(result, at), text);
    return Value(number);
  };
  switch (PQftype(result, at)) {
    case kInt2:
    case kInt4:
    case kInt8: return parsed(std::int64_t{});
    case kFloat4:
    case kFloat8:
    case kNumeric: return parsed(double{});
    case kBool: return Value(text == "t" ? 1 : 0);
    case kBytea: {
      std::size_t bytes = 0;
      unsigned char* const raw =
          PQunescapeBytea(reinterpret_cast<const unsigned char*>(text.data()), &bytes);
      if (!raw) return fail(Code::kExhausted, "column '{}': no memory", PQfname(result, at));
      Bytes made{std::string(reinterpret_cast<const char*>(raw), bytes)};
      PQfreemem(raw);
      return Value(std::move(made));
    }
    default: return Value(text);
  }
}

class Postgres final : public Database {
 public:
  Postgres(Connection connection, std::string name)
      : connection_(std::move(connection)), name_(std::move(name)) {}

  // Of a connection that is new. What the server, the database or the role says otherwise is not
  // for a hub: what it has answered is on the disk.
  Status set_up() {
    const std::string settings = "SET client_min_messages = warning; SET synchronous_commit = on";
    const Outcome done(PQexec(connection_.get(), settings.c_str()));
    return PQresultStatus(done.get()) == PGRES_COMMAND_OK ? Status()
                                                          : Status(error(done.get(), settings));
  }
  std::string_view catalogue_text() const override {
    return "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
  }

 private:
  Result<Rows> execute(std::string_view sql, const Values& values) override {
    TRY(connect(sql));
    TRY_VALUE(const std::string statement, prepared(sql));
    const Parameters given(values);
    Outcome outcome(PQexecPrepared(connection_.get(), statement.c_str(),
                                   static_cast<int>(values.size()), given.values.data(),
                                   given.lengths.data(), given.formats.data(), 0));
    const ExecStatusType status = PQresultStatus(outcome.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return error(outcome.get(), sql);
    Rows rows;
    const int count = PQntuples(outcome.get()), columns = PQnfields(outcome.get());
    for (int row = 0; row < count; ++row) {
      Row& read = rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        TRY_VALUE(Value value, column(outcome.get(), row, i));
        read.push_back(std::move(value));
      }
    }
    return rows;
  }

  Status hold() override {
    if (is_lost_ || PQstatus(connection_.get()) != CONNECTION_OK) TRY(connect("hold"));
    is_held_ = true;
    return take_hold();
  }

  // As SQLite does it: as if one wrote after the other.
  std::string_view begin_text() const override { return "BEGIN ISOLATION LEVEL SERIALIZABLE"; }

  // Anew where the server was away. What was begun on the old connection is undone, so nothing may
  // follow as if it were not.
  Status connect(std::string_view sql) {
    if (PQstatus(connection_.get()) == CONNECTION_OK && !is_lost_) return {};
    if (is_in_transaction())
      return fail(Code::kUnavailable, "{}: the connection was lost: {}", name_, sql);
    statements_.clear();
    PQreset(connection_.get());
    is_lost_ = false;
    if (PQstatus(connection_.get()) == CONNECTION_OK) {
      TRY(set_up());
      return is_held_ ? take_hold() : Status();
    }
    return fail(Code::kUnavailable, "{}: {}", name_, one_line(PQerrorMessage(connection_.get())));
  }

  // The server ends it with the connection: with the old one at once, should it not know yet that
  // this is gone.
  Status take_hold() {
    const std::string of_old = fmt::format(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
        "objid = {} AND granted AND pid = {} AND pid <> pg_backend_pid()",
        kHoldNumber, holder_pid_);
    const std::string take = fmt::format("SELECT pg_try_advisory_lock({})", kHoldNumber);
    for (int i = 0; i < kHoldTries; ++i) {
      if (i > 0) std::this_thread::sleep_for(kHoldAgain);
      if (holder_pid_ != 0) Outcome ended(PQexec(connection_.get(), of_old.c_str()));
      const Outcome taken(PQexec(connection_.get(), take.c_str()));
      if (PQresultStatus(taken.get()) != PGRES_TUPLES_OK) return error(taken.get(), take);
      if (std::string_view(PQgetvalue(taken.get(), 0, 0)) != "t") continue;
      holder_pid_ = PQbackendPID(connection_.get());
      return {};
    }
    // Until it has it nothing may be asked here, nor written.
    is_lost_ = true;
    return fail(Code::kUnavailable,
                "{}: another polder-hub serves this database, from {}: one hub serves a database: "
                "end that one, or give this one a database of its own",
                name_, holder());
  }

  // "192.0.2.7 (process 4711 of the server)".
  std::string holder() {
    const std::string ask = fmt::format(
        "SELECT COALESCE(host(a.client_addr), 'its own machine'), a.pid FROM pg_locks l JOIN "
        "pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.objid = {} AND "
        "l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database())",
        kHoldNumber);
    const Outcome found(PQexec(connection_.get(), ask.c_str()));
    if (PQresultStatus(found.get()) != PGRES_TUPLES_OK || PQntuples(found.get()) == 0)
      return "somewhere";
    return fmt::format("{} (process {} of the server)", PQgetvalue(found.get(), 0, 0),
                       PQgetvalue(found.get(), 0, 1));
  }

  // What the server says has a state; what it has not is said by this side of a connection that is
  // lost, though its status may not tell yet.
  Error error(const PGresult* outcome, std::string_view sql) {
    const char* state = outcome ? PQresultErrorField(outcome, PG_DIAG_SQLSTATE) : nullptr;
    const char* text = outcome ? PQresultErrorField(outcome, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    is_lost_ = !state || PQstatus(connection_.get()) != CONNECTION_OK;
    return fail(is_lost_ ? Code::kUnavailable : code_of(state), "{}: {}: {}", name_,
                one_line(text ? text : PQerrorMessage(connection_.get())), sql);
  }

  Result<std::string> prepared(std::string_view sql) {
    if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
    if (statements_.size() >= kMaxStatements) {
      Outcome all(PQexec(connection_.get(), "DEALLOCATE ALL"));
      if (PQresultStatus(all.get()) != PGRES_COMMAND_OK) return error(all.get(), sql);
      statements_.clear();
    }
    std::string name = fmt::format("s{}", ++last_statement_);
    Outcome outcome(
        PQprepare(connection_.get(), name.c_str(), translated(sql).c_str(), 0, nullptr));
    if (PQresultStatus(outcome.get()) != PGRES_COMMAND_OK) return error(outcome.get(), sql);
    statements_.emplace(sql, name);
    return name;
  }

  Connection connection_;
  bool is_lost_ = false, is_held_ = false;
  int holder_pid_ = 0;  // the server's process of the connection that had it last
  std::string name_;    // without a password
  std::map<std::string, std::string, std::less<>> statements_;
  std::int64_t last_statement_ = 0;
};

}  // namespace

Result<std::unique_ptr<Database>> open_postgres(std::string_view url) {
  Connection connection(PQconnectdb(std::string(url).c_str()));
  PGconn* const made = connection.get();
  if (!made) return fail(Code::kExhausted, "no memory for a connection to PostgreSQL");
  const auto part = [](const char* text) { return std::string(text ? text : ""); };
  std::string name =
      fmt::format("postgres://{}:{}/{}", part(PQhost(made)), part(PQport(made)), part(PQdb(made)));
  if (PQstatus(made) != CONNECTION_OK)
    return fail(Code::kUnavailable, "{}: {}", name, one_line(PQerrorMessage(made)));
  auto database = std::make_unique<Postgres>(std::move(connection), std::move(name));
  TRY(database->set_up());
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace polder::hub
