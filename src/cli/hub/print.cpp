#include "cli/hub/print.h"

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

Result<int> print_document(const Args& args, const Json& answer) {
  if (args.has("--json")) {
    fmt::print("{}", answer.pretty());
    return 0;
  }
  TRY_VALUE(const trust::Object object, trust::Object::of(answer, "answer"));
  for (const auto& [name, value] : object.members()) {
    const Json::Array* const list = value.array();
    const bool is_table = list && !list->empty() && list->front().members();
    fmt::print("{:<18} {}\n", one_line(name), is_table ? "" : shown(value));
    if (!is_table) continue;
    for (const Json& one : *list) fmt::print("  {}\n", shown(one));
  }
  return 0;
}

Result<int> print_list(const Args& args, Json::Array all, const List& list) {
  if (args.has("--json")) {
    fmt::print("{}", Json(Json::Members{{std::string(list.member), std::move(all)}}).pretty());
    return 0;
  }
  if (all.empty()) fmt::print("{}\n", list.none);
  for (const Json& one : all) {
    std::string line;
    for (const std::string_view column : list.columns) {
      const Json* const value = one.find(column);
      line += (line.empty() ? "" : "  ") + (value ? shown(*value) : "-");
    }
    fmt::print("{}\n", line);
  }
  return 0;
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
