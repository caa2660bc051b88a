// The only file that sees toml++. Its parser recurses with the nesting of values and its trees are
// destroyed recursively, so the caps on lines and depth come before and beside it.
#include "base/toml.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/fail.h"

namespace polder {

static_assert(TOML_MAX_NESTED_VALUES == kMaxTomlDepth);

namespace {

Result<TomlValue> convert(const toml::node& node, std::string_view file, int depth);

Status convert_members(const toml::table& table, std::string_view file, int depth, TomlValue& out) {
  for (const auto& [key, value] : table) {
    TRY_VALUE(TomlValue member, convert(value, file, depth + 1));
    if (member.line == 0) member.line = int(key.source().begin.line);
    out.members.emplace_back(std::string(key.str()), std::move(member));
  }
  return {};
}

Status convert_items(const toml::array& array, std::string_view file, int depth, TomlValue& out) {
  out.items.reserve(array.size());
  for (const auto& value : array) {
    TRY_VALUE(TomlValue item, convert(value, file, depth + 1));
    out.items.push_back(std::move(item));
  }
  return {};
}

Result<TomlValue> convert(const toml::node& node, std::string_view file, int depth) {
  TomlValue out;
  out.line = int(node.source().begin.line);
  if (depth > kMaxTomlDepth)
    return fail(Code::kExhausted, "{}:{}: values nest deeper than {} levels", file, out.line,
                kMaxTomlDepth);
  if (const auto* table = node.as_table()) {
    TRY(convert_members(*table, file, depth, out));
  } else if (const auto* array = node.as_array()) {
    out.kind = TomlKind::kArray;
    TRY(convert_items(*array, file, depth, out));
  } else if (const auto* text = node.as_string()) {
    out.kind = TomlKind::kString;
    out.string = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = TomlKind::kInteger;
    out.integer = integer->get();
    out.number = double(integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    out.kind = TomlKind::kFloat;
    out.number = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = TomlKind::kBool;
    out.boolean = boolean->get();
  } else {
    return fail(Code::kUnsupported, "{}:{}: dates and times are not used here; write a string",
                file, out.line);
  }
  return out;
}

Status check_caps(std::string_view text, std::string_view file) {
  if (text.size() > kMaxTomlBytes)
    return fail(Code::kExhausted, "{}: {} bytes; a TOML file may have at most {}", file,
                text.size(), kMaxTomlBytes);
  int line = 1;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin > kMaxTomlLineBytes)
      return fail(Code::kExhausted, "{}:{}: a line of {} bytes; at most {} are accepted", file,
                  line, end - begin, kMaxTomlLineBytes);
    begin = end + 1;
  }
  return {};
}

bool is_number(const TomlValue& value) {
  return value.kind == TomlKind::kInteger || value.kind == TomlKind::kFloat;
}

bool is_point(const TomlValue& value) {
  return value.kind == TomlKind::kArray && value.items.size() == 2 && is_number(value.items[0]) &&
         is_number(value.items[1]);
}

bool has_type(const TomlValue& value, OptionType type) {
  const auto all = [&](auto&& predicate) {
    return value.kind == TomlKind::kArray && std::ranges::all_of(value.items, predicate);
  };
  const auto is_string = [](const TomlValue& item) { return item.kind == TomlKind::kString; };
  switch (type) {
    case OptionType::kBool: return value.kind == TomlKind::kBool;
    case OptionType::kInteger: return value.kind == TomlKind::kInteger;
    case OptionType::kFloat: return is_number(value);
    case OptionType::kString: return is_string(value);
    case OptionType::kStrings: return is_string(value) || all(is_string);
    case OptionType::kNumbers: return is_number(value) || all(is_number);
    case OptionType::kPoints: return all(is_point);
    case OptionType::kTable: return value.kind == TomlKind::kTable;
  }
  return false;
}

std::string_view kind_name(TomlKind kind) {
  switch (kind) {
    case TomlKind::kBool: return "a boolean";
    case TomlKind::kInteger: return "an integer";
    case TomlKind::kFloat: return "a number";
    case TomlKind::kString: return "a string";
    case TomlKind::kArray: return "an array";
    case TomlKind::kTable: return "a table";
  }
  return "something else";
}

bool is_choice(std::string_view choices, std::string_view text) {
  while (!choices.empty()) {
    const std::size_t bar = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, bar) == text) return true;
    choices.remove_prefix(std::min(bar + 1, choices.size()));
  }
  return false;
}

Status check_range(double number, const Option& option, std::string_view place) {
  if (number >= option.min && number <= option.max) return {};
  return fail(Code::kInvalid, "{}: '{}' is {}; expected {} to {}{}{}", place, option.name, number,
              option.min, option.max, option.unit.empty() ? "" : " ", option.unit);
}

Status check_value(const TomlValue& value, const Option& option, std::string_view place) {
  if (!has_type(value, option.type))
    return fail(Code::kInvalid, "{}: '{}' must be {}, found {}", place, option.name,
                option_type_name(option.type), kind_name(value.kind));
  if (is_number(value)) TRY(check_range(value.number, option, place));
  if (option.type == OptionType::kNumbers)
    for (const TomlValue& item : value.items) TRY(check_range(item.number, option, place));
  if (!option.choices.empty() && !is_choice(option.choices, value.string))
    return fail(Code::kInvalid, "{}: '{}' is '{}'; expected one of {}", place, option.name,
                value.string, option.choices);
  return {};
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = int(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = int(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

const TomlValue* TomlValue::find(std::string_view name) const {
  for (const auto& [key, value] : members)
    if (key == name) return &value;
  return nullptr;
}

TomlValue* TomlValue::find(std::string_view name) {
  return const_cast<TomlValue*>(std::as_const(*this).find(name));
}

Result<TomlValue> parse_toml(std::string_view text, std::string_view file) {
  TRY(check_caps(text, file));
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    const auto& error = parsed.error();
    return fail(Code::kCorrupt, "{}:{}: {}", file, error.source().begin.line, error.description());
  }
  return convert(parsed.table(), file, 0);
}

std::string_view option_type_name(OptionType type) {
  switch (type) {
    case OptionType::kBool: return "true or false";
    case OptionType::kInteger: return "an integer";
    case OptionType::kFloat: return "a number";
    case OptionType::kString: return "a string";
    case OptionType::kStrings: return "an array of strings";
    case OptionType::kNumbers: return "an array of numbers";
    case OptionType::kPoints: return "an array of [x, y]";
    case OptionType::kTable: return "a table";
  }
  return "?";
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > 64) return {};
  std::string_view best;
  int best_distance = std::max(2, int(name.size()) / 3) + 1;
  for (const std::string_view candidate : known) {
    const int distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

Result<Settings> Settings::check(const TomlValue& table, std::span<const Option> options,
                                 std::string_view file, std::string_view where) {
  Settings settings;
  settings.options_ = options;
  settings.file_ = file;
  settings.where_ = where;
  settings.line_ = table.line;
  settings.values_.resize(options.size());
  settings.present_.resize(options.size());
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);

  for (const auto& [key, value] : table.members) {
    const std::string place = fmt::format("{}:{}", file, value.line);
    const auto found = std::ranges::find(names, std::string_view(key));
    if (found == names.end()) {
      const std::string_view near = nearest_name(key, names);
      return fail(Code::kInvalid, "{}: unknown key '{}' in {}{}", place, key, where,
                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    const std::size_t index = std::size_t(found - names.begin());
    TRY(check_value(value, options[index], fmt::format("{}: {}", place, where)));
    settings.values_[index] = value;
    settings.present_[index] = true;
  }
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (settings.present_[i]) continue;
    if (options[i].required)
      return fail(Code::kInvalid, "{}:{}: {} needs '{}' ({})", file, table.line, where,
                  options[i].name, options[i].doc);
    if (options[i].fallback.empty()) continue;
    TRY_VALUE(TomlValue parsed, parse_toml(fmt::format("v = {}", options[i].fallback), "fallback"));
    POLDER_CHECK(parsed.members.size() == 1 && has_type(parsed.members[0].second, options[i].type));
    settings.values_[i] = std::move(parsed.members[0].second);
    settings.values_[i].line = table.line;
    settings.present_[i] = true;
  }
  return settings;
}

const TomlValue* Settings::find(std::string_view name) const {
  for (std::size_t i = 0; i < options_.size(); ++i)
    if (options_[i].name == name) return present_[i] ? &values_[i] : nullptr;
  POLDER_CHECK(!"an option that the table does not declare");
  return nullptr;
}

namespace {
const TomlValue& needed(const Settings& settings, std::string_view name) {
  const TomlValue* value = settings.find(name);
  POLDER_CHECK(value != nullptr);
  return *value;
}
}  // namespace

bool Settings::flag(std::string_view name) const { return needed(*this, name).boolean; }
std::int64_t Settings::integer(std::string_view name) const { return needed(*this, name).integer; }
double Settings::number(std::string_view name) const { return needed(*this, name).number; }
const std::string& Settings::string(std::string_view name) const {
  return needed(*this, name).string;
}

std::vector<std::string> Settings::strings(std::string_view name) const {
  std::vector<std::string> out;
  if (const TomlValue* value = find(name)) {
    if (value->kind == TomlKind::kString) return {value->string};
    for (const TomlValue& item : value->items) out.push_back(item.string);
  }
  return out;
}

std::vector<double> Settings::numbers(std::string_view name) const {
  std::vector<double> out;
  if (const TomlValue* value = find(name)) {
    if (is_number(*value)) return {value->number};
    for (const TomlValue& item : value->items) out.push_back(item.number);
  }
  return out;
}

std::vector<std::pair<double, double>> Settings::points(std::string_view name) const {
  std::vector<std::pair<double, double>> out;
  if (const TomlValue* value = find(name))
    for (const TomlValue& item : value->items)
      out.emplace_back(item.items[0].number, item.items[1].number);
  return out;
}

std::string Settings::place(std::string_view name) const {
  const TomlValue* value = find(name);
  return fmt::format("{}:{}: {}", file_, value ? value->line : line_, where_);
}

std::string options_markdown(std::span<const Option> options) {
  if (options.empty()) return "No options.\n";
  std::string out = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Option& option : options) {
    std::string value(option.choices.empty() ? option_type_name(option.type) : option.choices);
    for (std::size_t at = 0; (at = value.find('|', at)) != std::string::npos; at += 4)
      value.replace(at, 1, " \\| ");
    const bool low = std::isfinite(option.min), high = std::isfinite(option.max);
    if (low && high) value += fmt::format(", {} to {}", option.min, option.max);
    else if (low) value += fmt::format(", at least {}", option.min);
    else if (high) value += fmt::format(", at most {}", option.max);
    if (!option.unit.empty()) value += fmt::format(" ({})", option.unit);
    const std::string fallback = option.required           ? "required"
                                 : option.fallback.empty() ? "–"
                                                           : fmt::format("`{}`", option.fallback);
    out += fmt::format("| `{}` | {} | {} | {} |\n", option.name, value, fallback, option.doc);
  }
  return out;
}

}  // namespace polder
