// Statements of those who answer requests: an error of the database that a request can do nothing
// about is kIo, whose text is for the hub's log; kUnavailable and kExhausted stay what they are.
#pragma once

#include "hub/store/database.h"

namespace polder::hub {

Result<Rows> stored(Result<Rows> rows);
Result<Rows> ask(Database& database, std::string_view sql, const Values& values);
Status tell(Database& database, std::string_view sql, const Values& values);

}  // namespace polder::hub
