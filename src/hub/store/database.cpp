#include "hub/store/database.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "hub/store/connections.h"

namespace polder::hub {
namespace {

template <class T>
const T& get_or_empty(const Value& value) {
  static const T kEmpty{};
  const T* found = std::get_if<T>(&value.kinds());
  return found ? *found : kEmpty;
}

}  // namespace

std::int64_t Value::integer() const { return get_or_empty<std::int64_t>(*this); }
double Value::number() const {
  return std::holds_alternative<std::int64_t>(value_) ? static_cast<double>(integer())
                                                      : get_or_empty<double>(*this);
}
const std::string& Value::text() const { return get_or_empty<std::string>(*this); }
const std::string& Value::bytes() const { return get_or_empty<Bytes>(*this).bytes; }

Result<Rows> Database::query(std::string_view sql, const Values& values) {
  const auto holds_nul = [](const Value& value) {
    return value.text().find('\0') != std::string::npos;
  };
  auto rows = std::ranges::any_of(values, holds_nul)
                  ? fail(Code::kInvalid, "text with a NUL cannot be stored: {}", sql)
                  : execute(sql, values);
  if (!rows.ok() && !error_) error_ = rows.error();
  return rows;
}

Status Database::run(std::string_view sql, const Values& values) {
  const auto rows = query(sql, values);
  return rows.ok() ? Status() : Status(rows.error());
}

Result<std::vector<std::string>> Database::tables() {
  TRY_VALUE(const Rows rows, query(catalogue_text()));
  std::vector<std::string> names;
  for (const Row& row : rows) names.push_back(row[0].text());
  return names;
}

Status Database::transaction(const std::function<Status()>& work) {
  const bool is_whole = depth_ == 0;
  const std::string part = fmt::format("part_{}", depth_);
  TRY(run(is_whole ? std::string(begin_text()) : "SAVEPOINT " + part));
  std::optional<Error> before = std::exchange(error_, std::nullopt);
  ++depth_;
  Status done = work();
  // PostgreSQL takes nothing more after an error, SQLite does: here neither.
  if (done.ok() && error_) done = *error_;
  if (done.ok()) done = run(is_whole ? "COMMIT" : "RELEASE SAVEPOINT " + part);
  if (!done.ok()) {
    // What cannot be undone is lost with the connection, or ends with the whole.
    (void)run(is_whole ? "ROLLBACK" : "ROLLBACK TO SAVEPOINT " + part);
    if (!is_whole) (void)run("RELEASE SAVEPOINT " + part);
  }
  error_ = std::move(before);
  --depth_;
  return done;
}

bool is_postgres(std::string_view where) {
  return where.starts_with("postgres://") || where.starts_with("postgresql://");
}

Result<std::unique_ptr<Database>> open_database(std::string_view where) {
  return is_postgres(where) ? open_postgres(where) : open_sqlite(where, Access::kWrite);
}

Result<std::unique_ptr<Database>> open_to_read(std::string_view where) {
  return is_postgres(where) ? open_postgres(where) : open_sqlite(where, Access::kRead);
}

}  // namespace polder::hub
