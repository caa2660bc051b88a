// For tests: how SQLite does what it is asked, by its own EXPLAIN QUERY PLAN.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "hub/store/database.h"

namespace polder::hub {

using Plans = std::map<std::string, std::string>;  // by statement

// A database that asks of each statement, once, how it is done.
class Explained final : public Database {
 public:
  Explained(Database& database, Plans& plans) : database_(database), plans_(plans) {}
  Explained(std::unique_ptr<Database> database, Plans& plans)
      : owned_(std::move(database)), database_(*owned_), plans_(plans) {}
  std::string_view catalogue_text() const override { return database_.catalogue_text(); }

 private:
  Result<Rows> execute(std::string_view sql, const Values& values) override {
    const std::string text(sql);
    if (!plans_.contains(text)) {
      const auto rows = database_.query("EXPLAIN QUERY PLAN " + text, values);
      std::string& plan = plans_[text];
      if (!rows.ok()) plan = "SCAN " + rows.error().message;
      else
        for (const Row& row : *rows) plan += row[3].text() + "\n";
    }
    return database_.query(sql, values);
  }
  std::string_view begin_text() const override { return "BEGIN IMMEDIATE"; }

  const std::unique_ptr<Database> owned_;
  Database& database_;
  Plans& plans_;
};

// Through all of a table.
inline bool is_scan(std::string_view line) {
  return line.starts_with("SCAN ") && line != "SCAN CONSTANT ROW";
}

}  // namespace polder::hub
