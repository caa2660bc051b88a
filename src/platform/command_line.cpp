#include "platform/command_line.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "base/check.h"
#include "base/fail.h"
#include "base/text.h"

namespace polder::command_line {

namespace {

const Option* find_option(std::span<const Option> options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : &*found;
}

std::string_view output_option(std::span<const Option> options) {
  const auto found = std::ranges::find_if(options, is_output, &Option::name);
  return found == options.end() ? "-o" : found->name;
}

Error unknown_option(std::string_view name, std::span<const Option> options) {
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  const std::string_view near = nearest_name(name, names);
  return fail(Code::kInvalid, "unknown option '{}'{}", name,
              near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near));
}

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What the environment has for an option; "" when nothing.
std::string of_environment(std::string_view option, std::string* variable = nullptr) {
  std::string name = "POLDER_";
  for (const char c : option.substr(2))
    name += c == '-' ? '_' : char(std::toupper(static_cast<unsigned char>(c)));
  const char* value = std::getenv(name.c_str());
  if (variable) *variable = name;
  return value ? value : "";
}

}  // namespace

Result<bool> json_of_environment() {
  std::string variable;
  const std::string value = of_environment(kJsonOption, &variable);
  if (value == "1" || value == "true") return true;
  if (value.empty() || value == "0" || value == "false") return false;
  return fail(Code::kInvalid, "{}: 1 or true for {}, 0 or false for none expected, '{}' given",
              variable, kJsonOption, value);
}

bool is_output(std::string_view option) { return option.starts_with("--out"); }

Result<Args> Args::parse(std::span<char* const> argv, std::span<const Option> options,
                         int min_positional, int max_positional) {
  Args args;
  bool options_end = false;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string_view word = argv[i];
    if (options_end || word.size() < 2 || word[0] != '-') {
      args.positional_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      options_end = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view given = word.substr(0, equals);
    const std::string_view name = given == "-o" ? output_option(options) : given;
    const Option* option = find_option(options, name);
    if (!option) return unknown_option(given, options);
    std::string value;
    if (option->value.empty()) {
      if (equals != word.npos) return fail(Code::kInvalid, "'{}' takes no value", name);
    } else if (equals != word.npos) {
      value = word.substr(equals + 1);
    } else if (i + 1 < argv.size()) {
      value = argv[++i];
    } else {
      return fail(Code::kInvalid, "'{}' needs a value: {} {}", name, name, option->value);
    }
    args.given_.emplace_back(name, std::move(value));
  }
  TRY(args.take_environment(options));
  for (const auto& [name, value] : args.given_) {
    if (const Check& check = find_option(options, name)->check; check.status_of != nullptr)
      TRY(check.status_of(name, value));
  }
  const int count = int(args.positional_.size());
  if (count < min_positional)
    return fail(Code::kInvalid, "{} of {} arguments given", count, min_positional);
  if (count > max_positional) {
    return fail(Code::kInvalid, "unexpected argument '{}'",
                args.positional_[std::size_t(max_positional)]);
  }
  return args;
}

Status Args::take_environment(std::span<const Option> options) {
  for (const Option& option : options) {
    if ((option.repeats && !option.words) || option.typed_only || has(option.name)) continue;
    if (option.name == kJsonOption) {
      TRY_VALUE(const bool is_set, json_of_environment());
      if (is_set) given_.emplace_back(option.name, "");
    } else if (option.value.empty()) {
      continue;
    } else if (std::string value = of_environment(option.name); option.words) {
      std::istringstream words(value);
      while (words >> value) given_.emplace_back(option.name, value);
    } else if (!value.empty()) {
      given_.emplace_back(option.name, std::move(value));
    }
  }
  return {};
}

bool Args::has(std::string_view option) const {
  return std::ranges::any_of(given_, [&](const auto& entry) { return entry.first == option; });
}

std::string Args::text(std::string_view option, std::string_view fallback) const {
  std::string value(fallback);
  for (const auto& [name, given] : given_) {
    if (name == option) value = given;
  }
  return value;
}

std::vector<std::string> Args::all(std::string_view option) const {
  std::vector<std::string> values;
  for (const auto& [name, given] : given_) {
    if (name == option) values.push_back(given);
  }
  return values;
}

std::int64_t Args::integer(std::string_view option, std::int64_t fallback) const {
  if (!has(option)) return fallback;
  const auto number = whole_number(text(option));
  POLDER_CHECK(number);  // the option's table lacks its check
  return *number;
}

double Args::real(std::string_view option, double fallback) const {
  return has(option) ? std::strtod(text(option).c_str(), nullptr) : fallback;
}

Status check_whole(std::string_view option, const std::string& value, std::int64_t min,
                   std::int64_t max) {
  const auto number = whole_number(value);
  if (number && *number >= min && *number <= max) return {};
  return fail(Code::kInvalid, "{}: a whole number from {} to {} expected, '{}' given", option, min,
              max, value);
}

Status check_real(std::string_view option, const std::string& value, double min, double max) {
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (!value.empty() && !*end && number >= min && number <= max) return {};
  return fail(Code::kInvalid, "{}: a number from {} to {} expected, '{}' given", option, min, max,
              value);
}

Status check_one_of(std::string_view option, const std::string& value, Words known) {
  if (std::ranges::find(known, value) != known.end()) return {};
  std::string list;
  for (std::size_t i = 0; i < known.size(); ++i)
    list += fmt::format("{}{}", i == 0 ? "" : i + 1 == known.size() ? " or " : ", ", known[i]);
  return fail(Code::kInvalid, "{}: {} expected, '{}' given", option, list, value);
}

std::string options_help(std::span<const Option> options) {
  std::string text;
  for (const Option& option : options) {
    const std::string left =
        fmt::format("{}{}{}{}", is_output(option.name) ? "-o, " : "", option.name,
                    option.value.empty() ? "" : " ", option.value);
    text += left.size() <= 24 ? fmt::format("  {:<26}{}", left, option.help)
                              : fmt::format("  {}\n{:28}{}", left, "", option.help);
    text += option.repeats ? "; may be repeated\n" : "\n";
  }
  return text;
}

}  // namespace polder::command_line
