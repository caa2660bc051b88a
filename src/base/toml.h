// TOML files as a checked tree, and option tables from which both the checks and the reference
// pages come: an unknown key is an error with its line and the nearest known key.
//
//   constexpr Option kOptions[] = {
//       {.name = "threshold", .type = OptionType::kFloat, .fallback = "0.4", .min = 0, .max = 1,
//        .doc = "Detections below this score are dropped."}};
//   TRY_VALUE(auto settings, Settings::check(table, kOptions, "pipeline.toml", "[[node]]
//   'detect'")); const double threshold = settings.number("threshold");
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polder {

enum class TomlKind : std::uint8_t { kBool, kInteger, kFloat, kString, kArray, kTable };

struct TomlMember;

// One value and everything below it. Dates are not supported and are an error when parsed.
struct TomlValue {
  TomlKind kind = TomlKind::kTable;
  int line = 0;  // from 1; 0 for a value that no file holds
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;  // also set for kInteger
  std::string string;
  std::vector<TomlValue> items;     // kArray
  std::vector<TomlMember> members;  // kTable, in the order of their names

  // The member of that name, or nullptr.
  const TomlValue* find(std::string_view name) const;
  TomlValue* find(std::string_view name);
};

// A name and its value: std::pair, but for clang 14, which refuses one of an incomplete TomlValue.
struct TomlMember {
  TomlMember(std::string name, TomlValue value)
      : first(std::move(name)), second(std::move(value)) {}

  std::string first;
  TomlValue second;
};

inline constexpr std::size_t kMaxTomlBytes = 256 * 1024;
inline constexpr std::size_t kMaxTomlLineBytes = 1024;  // bounds the depth of dotted keys
inline constexpr int kMaxTomlDepth = 16;

// Parses `text`; `file` names it in errors ("pipeline.toml:12: ..."). Errors: kCorrupt for bad
// TOML, kExhausted above the caps.
Result<TomlValue> parse_toml(std::string_view text, std::string_view file);

enum class OptionType : std::uint8_t {
  kBool,
  kInteger,
  kFloat,
  kString,
  kStrings,  // array of strings, or one string
  kNumbers,  // array of numbers, or one number
  kPoints,   // array of [x, y]
  kTable,    // looked into by the owner of the option
  kTables,   // [[sections]], or an array of tables; looked into likewise
};
std::string_view option_type_name(OptionType type);

// One key of a section. `fallback` is TOML text as a user would write it; empty: no value.
struct Option {
  std::string_view name;
  OptionType type = OptionType::kString;
  std::string_view fallback = {};
  bool required = false;
  std::string_view unit = {};
  double min =
      -std::numeric_limits<double>::infinity();  // of numbers, and of each item of kNumbers
  double max = std::numeric_limits<double>::infinity();
  std::string_view choices = {};  // "block|latest": the accepted strings
  std::string_view doc = {};
  // Belongs to what was released: a device's own settings may not change it.
  bool fixed = false;
};

// A table that was checked against its options: the getters cannot fail and know the fallbacks.
class Settings {
 public:
  // `where` names the section in errors. The strings of `options` must outlive the settings.
  // Errors (kInvalid): unknown key, wrong type, out of range, missing required key.
  static Result<Settings> check(const TomlValue& table, std::span<const Option> options,
                                std::string_view file, std::string_view where);

  // Whether the table or a fallback gives the option a value.
  bool has(std::string_view name) const { return find(name) != nullptr; }
  bool flag(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  const std::string& string(std::string_view name) const;
  std::vector<std::string> strings(std::string_view name) const;
  std::vector<double> numbers(std::string_view name) const;
  std::vector<std::pair<double, double>> points(std::string_view name) const;
  // The raw value, or nullptr.
  const TomlValue* find(std::string_view name) const;

  // "pipeline.toml:12: [[node]] 'detect'": for errors that the owner of the option finds.
  std::string place(std::string_view name) const;

 private:
  std::vector<Option> options_;
  std::vector<TomlValue> values_;  // by option; used where present_
  std::vector<bool> present_;
  std::string file_, where_;
  int line_ = 0;
};

// The value as TOML text, on one line: what parse_toml() makes of "v = TEXT" is the value again.
// Of values without tables.
std::string toml_text(const TomlValue& value);

// A Markdown table of the options, for the reference pages.
std::string options_markdown(std::span<const Option> options);

}  // namespace polder
