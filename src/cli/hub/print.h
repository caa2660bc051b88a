// What the commands on a hub print of its answers: as JSON, or lines for people.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/args.h"
#include "trust/json.h"

namespace polder::cli {

// What a terminal may show of a value: text as it is, lists and members in one line.
std::string shown(const trust::Json& value);

// Of a device of which the hub says that it is silent, when it was seen: "2026-12-01T04:05:16Z
// (silent)".
void mark_silent(trust::Json& device);

// Rows of cells in columns as wide as they need, the first row as the heading.
using Table = std::vector<std::vector<std::string>>;
std::string table_text(const Table& table, std::string_view margin = "");

// Its members, one a line; lists of documents as tables, texts of more lines as they are. Returns
// the exit status.
Result<int> print_document(const Args& args, const trust::Json& answer);

struct List {
  std::string_view member;  // of the document in JSON
  std::vector<std::string_view> columns;
  std::string_view none;  // said of an empty one
};
// A heading, and a line for each.
Result<int> print_list(const Args& args, trust::Json::Array all, const List& list);

// What waits beside an approval, of which only one can be published; "": nothing does.
std::string rivals_of(const trust::Json& approval);

// The token alone, so that it can go to a file; the rest is in the JSON.
Result<int> print_token(const Args& args, const trust::Json& answer);

}  // namespace polder::cli
