// All that a hub's database holds, into another one that is empty: from SQLite to PostgreSQL and
// back. What has arrived is read again and held to what was read.
//
//   TRY_VALUE(const auto tables, copy_database(*from, *to));
//   for (const CopiedTable& table : tables) ... table.name, table.rows
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <vector>

#include "hub/store/database.h"

namespace polder::hub {

struct CopiedTable {
  std::string name;
  std::int64_t rows = 0;
  std::string digest;  // of all rows, in whatever order; hexadecimal
};

// As it was at one moment; all of it or nothing. Of SQLite no other connection writes meanwhile.
// Errors: kDenied where `to` has rows already; kCorrupt when something else has arrived than was
// sent; kIncompatible of the tables of an older or newer hub; those of the databases.
Result<std::vector<CopiedTable>> copy_database(Database& from, Database& to);

// That it has no rows of a hub, without changing it. Errors: kDenied; those of the database.
Status check_empty(Database& to);

}  // namespace polder::hub
