#include "hub/store/ask.h"

#include <utility>

#include "base/fail.h"

namespace polder::hub {

Result<Rows> stored(Result<Rows> rows) {
  if (rows.ok()) return rows;
  const Code code = rows.error().code;
  const bool is_of_now = code == Code::kUnavailable || code == Code::kExhausted;
  return Error{is_of_now ? code : Code::kIo, std::move(rows.error().message)};
}

Result<Rows> ask(Database& database, std::string_view sql, const Values& values) {
  return stored(database.query(sql, values));
}

Status tell(Database& database, std::string_view sql, const Values& values) {
  const auto rows = ask(database, sql, values);
  return rows.ok() ? Status() : Status(rows.error());
}

}  // namespace polder::hub
