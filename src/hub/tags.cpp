#include "hub/tags.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "hub/api/identity.h"
#include "hub/store/ask.h"

namespace polder::hub {

Status check_tag(std::string_view name, std::string_view value) {
  TRY(check_name("tag", name));
  return check_name(fmt::format("tag '{}': its value", name), value);
}

Result<Tags> read_query(std::string_view text) {
  Tags query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    text.remove_prefix(pair.size());
    const std::size_t equals = pair.find('=');
    const bool is_last = text.empty();
    if (!is_last) text.remove_prefix(1);
    if (equals == pair.npos || (!is_last && text.empty()))
      return fail(Code::kInvalid,
                  "query: TAG=VALUE,... expected, such as site=ams,line=3; '{}' "
                  "found",
                  clipped(pair));
    TRY(check_tag(pair.substr(0, equals), pair.substr(equals + 1)));
    if (!query.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second)
      return fail(Code::kInvalid, "query: tag '{}' is there twice", pair.substr(0, equals));
    if (query.size() > kMaxTags) return fail(Code::kInvalid, "query: more than {} tags", kMaxTags);
  }
  return query;
}

std::string query_text(const Tags& query) {
  std::string text;
  for (const auto& [name, value] : query)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

bool holds(const Tags& query, const Tags& tags) {
  return std::ranges::all_of(query, [&](const auto& pair) {
    const auto found = tags.find(pair.first);
    return found != tags.end() && found->second == pair.second;
  });
}

std::string query_condition(const Tags& query, std::string_view column, Values& values) {
  std::string sql;
  for (const auto& [name, value] : query) {
    sql += fmt::format(
        " AND {} IN (SELECT t.device FROM device_tag t WHERE t.name = ? AND t.value = ?)", column);
    values.emplace_back(name);
    values.emplace_back(value);
  }
  return sql;
}

Result<Tags> tags_of(Database& database, std::string_view device) {
  TRY_VALUE(const Rows rows,
            ask(database, "SELECT name, value FROM device_tag WHERE device = ?", {device}));
  Tags tags;
  for (const Row& row : rows) tags.emplace(row[0].text(), row[1].text());
  return tags;
}

}  // namespace polder::hub
