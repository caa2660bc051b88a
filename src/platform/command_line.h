// Command lines by option tables, for every program: what is unknown is named with what is near.
//
//   constexpr Option kOptions[] = {{"--threads", "N", "threads", false, whole<1, 256>}};
//   TRY_VALUE(const Args args, Args::parse(words, kOptions, 0, 1));
//   const std::int64_t threads = args.integer("--threads", 1);
//
// Options with a value that are not given are taken from the environment, which is why this is
// here.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace polder::command_line {

using Words = std::span<const std::string_view>;

// Whether a value can be what an option takes, without a look at any file, and the words that it is
// of, or begins with, for completion in a shell.
struct Check {
  using StatusOf = Status (*)(std::string_view option, const std::string& value);
  constexpr Check() = default;  // any text
  constexpr Check(StatusOf of, Words (*known)() = nullptr) : status_of(of), words(known) {}

  StatusOf status_of = nullptr;  // errors name the option
  Words (*words)() = nullptr;    // null: nobody knows them all
};

struct Option {
  std::string_view name;   // "--threads"
  std::string_view value;  // what follows it: "N"; empty for a switch
  std::string_view help;
  bool repeats = false;
  Check check = {};  // of each value given
  // Only as it is typed: it decides what is trusted, or acts. A forgotten variable must not.
  bool typed_only = false;
  // One that repeats and is taken from the environment all the same: words between spaces.
  bool words = false;
};

Status check_whole(std::string_view option, const std::string& value, std::int64_t min,
                   std::int64_t max);
Status check_real(std::string_view option, const std::string& value, double min, double max);
Status check_one_of(std::string_view option, const std::string& value, Words known);
// Checks for tables: whole<1, 256>, one_of<kTypes> of a table of words that lasts.
template <std::int64_t min, std::int64_t max>
Status whole(std::string_view option, const std::string& value) {
  return check_whole(option, value, min, max);
}
template <int min, int max>
Status real(std::string_view option, const std::string& value) {
  return check_real(option, value, min, max);
}
template <const auto& kKnown>
Words words_of() {
  return kKnown;
}
template <const auto& kKnown>
inline constexpr Check one_of{[](std::string_view option, const std::string& value) {
                                return check_one_of(option, value, kKnown);
                              },
                              words_of<kKnown>};

// What a command was given. An option with a value that is not given, does not repeat (but for
// `words`) and is not typed_only is taken from the environment: --output-dir from
// POLDER_OUTPUT_DIR. Of switches only
// --json is, from POLDER_JSON=1.
class Args {
 public:
  // Errors: kInvalid for an unknown option (naming the nearest), a missing value or one that its
  // check refuses, too few or too many positional arguments. "--name value" and "--name=value" both
  // work; "-o" is the one that begins with --out; "--" ends options.
  static Result<Args> parse(std::span<char* const> argv, std::span<const Option> options,
                            int min_positional, int max_positional);

  bool has(std::string_view option) const;
  // The last value given, or `fallback`.
  std::string text(std::string_view option, std::string_view fallback = "") const;
  std::vector<std::string> all(std::string_view option) const;
  // Of options that are checked as numbers.
  std::int64_t integer(std::string_view option, std::int64_t fallback) const;
  double real(std::string_view option, double fallback) const;
  std::span<const std::string> positional() const { return positional_; }
  // Options and their values, in their order; those of the environment last.
  std::span<const std::pair<std::string, std::string>> given() const { return given_; }

 private:
  Status take_environment(std::span<const Option> options);

  std::vector<std::pair<std::string, std::string>> given_;
  std::vector<std::string> positional_;
};

// The one switch that the environment may set, for it changes nothing but how things are said.
inline constexpr std::string_view kJsonOption = "--json";
// Whether POLDER_JSON asks for JSON: 1 or true, 0 or false. kInvalid for anything else.
Result<bool> json_of_environment();
// The table for the help: a line for each option.
std::string options_help(std::span<const Option> options);
// What -o stands for: --output, --output-dir or --out, of which a command has at most one.
bool is_output(std::string_view option);

}  // namespace polder::command_line
