#include "cli/hub/print.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/text.h"

namespace polder::cli {

using trust::Json;

std::string shown(const Json& value) {
  if (value.is_null()) return "-";
  if (value.string()) return one_line(*value.string());
  std::string text;
  if (const Json::Array* const list = value.array()) {
    for (const Json& one : *list) text += (text.empty() ? "" : ", ") + shown(one);
    return text.empty() ? "-" : text;
  }
  if (const Json::Members* const members = value.members()) {
    for (const auto& [name, one] : *members)
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", one_line(name), shown(one));
    return text.empty() ? "-" : text;
  }
  return value.compact();
}

namespace {

// "created_by" as it is said.
std::string heading(std::string_view member) {
  std::string text = one_line(member);
  for (char& c : text) {
    if (c == '_') c = ' ';
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  }
  return text;
}

std::string cell(const Json& row, std::string_view column) {
  const Json* const value = row.find(column);
  return value ? shown(*value) : "-";
}

// What something is called comes first, the rest by the alphabet.
std::size_t place_of(std::string_view member) {
  constexpr std::string_view kFirst[] = {"id",    "device",  "name",  "role",
                                         "model", "version", "state", "devices"};
  return std::size_t(std::ranges::find(kFirst, member) - std::begin(kFirst));
}

bool is_table(const Json& value) {
  const Json::Array* const list = value.array();
  return list && !list->empty() && list->front().members();
}

bool has_lines(const Json& value) {
  return value.string() && value.string()->find('\n') != std::string::npos;
}

// Those of one line before those of several.
std::vector<std::pair<std::string_view, const Json*>> in_order(const Json::Members& members) {
  std::vector<std::pair<std::string_view, const Json*>> all;
  for (const auto& [name, value] : members) all.emplace_back(name, &value);
  std::ranges::stable_sort(all, {}, [](const auto& member) {
    const bool is_long = is_table(*member.second) || has_lines(*member.second);
    return std::pair(is_long, place_of(member.first));
  });
  return all;
}

std::vector<std::string> columns_of(const Json::Array& rows) {
  std::set<std::string> names;
  for (const Json& row : rows)
    if (row.members())
      for (const auto& [name, value] : *row.members()) names.insert(name);
  std::vector<std::string> columns(names.begin(), names.end());
  std::ranges::stable_sort(columns, {}, place_of);
  return columns;
}

template <class Names>
Table table_of(const Json::Array& all, const Names& columns) {
  Table table(1);
  for (const auto& column : columns) table[0].push_back(heading(column));
  for (const Json& one : all) {
    table.emplace_back();
    for (const auto& column : columns) table.back().push_back(cell(one, column));
  }
  return table;
}

}  // namespace

std::string table_text(const Table& table, std::string_view margin) {
  std::vector<std::size_t> widths;
  for (const auto& row : table) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : table) {
    text += margin;
    for (std::size_t i = 0; i + 1 < row.size(); ++i)
      text += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += (row.empty() ? "" : row.back()) + '\n';
  }
  return text;
}

Result<int> print_document(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
  for (const auto& [name, value] : in_order(object.members())) {
    if (is_table(*value)) {
      const Json::Array& rows = *value->array();
      fmt::print("{}\n{}", one_line(name), table_text(table_of(rows, columns_of(rows)), "  "));
      continue;
    }
    if (!has_lines(*value)) {
      fmt::print("{:<18} {}\n", one_line(name), shown(*value));
      continue;
    }
    fmt::print("{}\n", one_line(name));
    std::string_view rest = *value->string();
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      fmt::print("{}\n", one_line(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return 0;
}

void mark_silent(Json& device) {
  const Json* const silent = device.find("silent");
  if (!silent || !silent->boolean() || !*silent->boolean()) return;
  Json& seen = (*device.members())["seen"];
  seen = shown(seen) + " (silent)";
}

Result<int> print_list(const Args& args, Json::Array all, const List& list) {
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{std::string(list.member), std::move(all)}}).pretty());
    return 0;
  }
  if (all.empty()) fmt::print("{}\n", list.none);
  else fmt::print("{}", table_text(table_of(all, list.columns)));
  return 0;
}

std::string rivals_of(const trust::Json& approval) {
  const trust::Json* const rivals = approval.find("rivals");
  if (!rivals || !rivals->array()) return "";
  std::string ids;
  for (const trust::Json& id : *rivals->array()) ids += (ids.empty() ? "" : ", ") + shown(id);
  if (ids.empty()) return "";
  return fmt::format(
      "beside {}, which changes the same in another way: only one of them can be published", ids);
}

Result<int> print_token(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
  TRY_VALUE(const std::string token, object.text("token"));
  fmt::print("{}\n", one_line(token));
  return 0;
}

}  // namespace polder::cli
