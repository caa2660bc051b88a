// Tags of devices, and queries that name devices by them.
//
//   TRY_VALUE(const Tags query, read_query("site=ams,line=3"));  // all must hold; "": every device
//   if (holds(query, tags)) ...
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "hub/store/database.h"

namespace polder::hub {

inline constexpr std::size_t kMaxTags = 16;  // of a device, and of a query

using Tags = std::map<std::string, std::string, std::less<>>;

// Errors: kInvalid.
Status check_tag(std::string_view name, std::string_view value);
Result<Tags> read_query(std::string_view text);
std::string query_text(const Tags& query);
bool holds(const Tags& query, const Tags& tags);

// What restricts a statement to the devices of a query: " AND COLUMN IN (...)" for each pair, and
// its values at the end of `values`. Found by index.
std::string query_condition(const Tags& query, std::string_view column, Values& values);

// Errors: those of ask().
Result<Tags> tags_of(Database& database, std::string_view device);

}  // namespace polder::hub
