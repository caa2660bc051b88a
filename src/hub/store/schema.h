// The tables of a hub's database, and the way from those of an older hub to today's.
#pragma once

#include <polder/error.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hub/store/database.h"

namespace polder::hub {

// The statements that lead from one version of the tables to the next. Steps that were released are
// never changed: databases have taken them.
using SchemaStep = std::vector<std::string_view>;

// Brings the database to the newest version, all of it or nothing, whichever of several hubs comes
// first. Errors: kIncompatible when a newer hub has changed it already; those of the database.
Status migrate(Database& database);
// The same with other steps, for tests.
Status migrate(Database& database, const std::vector<SchemaStep>& steps);

// A database that is a hub's, or nobody's yet.
struct HubDatabase {
  std::unique_ptr<Database> database;
  bool is_new = false;  // it has no tables
};
// Looks before anything is written, so that what is refused is as it was to the last byte. Errors:
// kIncompatible where it has tables of something else, or of a newer hub; those of the database.
Result<HubDatabase> open_of_hub(std::string_view where);

// That its tables are of today, without changing them. Errors: kNotFound where it has none;
// kIncompatible; those of the database.
Status check_today(Database& database);

// A table as those steps make it. Tables that others refer to come before them.
struct Table {
  std::string name;
  std::vector<std::string> columns, key;  // of the primary key
};
const std::vector<Table>& tables_of_hub();

}  // namespace polder::hub
