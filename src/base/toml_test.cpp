#include "base/toml.h"
#include "base/text.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

constexpr Option kOptions[] = {
    {.name = "threshold",
     .type = OptionType::kFloat,
     .fallback = "0.4",
     .min = 0,
     .max = 1,
     .doc = "Score."},
    {.name = "labels", .type = OptionType::kStrings},
    {.name = "policy",
     .type = OptionType::kString,
     .fallback = "\"block\"",
     .choices = "block|latest"},
    {.name = "polygon", .type = OptionType::kPoints},
    {.name = "mean", .type = OptionType::kNumbers, .fallback = "[1, 2.5]"},
    {.name = "count", .type = OptionType::kInteger, .unit = "frames", .min = 1, .max = 9},
    {.name = "path", .type = OptionType::kString, .required = true, .doc = "the file"},
};

Result<Settings> settings_of(std::string_view text) {
  auto parsed = parse_toml(text, "p.toml");
  if (!parsed.ok()) return std::move(parsed).error();
  return Settings::check(*parsed, kOptions, "p.toml", "[[node]] 'detect' (ssd_decode)");
}

std::string message(std::string_view text) {
  const auto result = settings_of(text);
  return result.ok() ? "" : result.error().message;
}

TEST(Toml, ValuesAndFallbacks) {
  const auto settings =
      settings_of("path = 'a'\nlabels = 'Person'\npolygon = [[1, 2], [3.5, 4]]\ncount = 3");
  ASSERT_TRUE(settings.ok()) << settings.error().message;
  EXPECT_DOUBLE_EQ(settings->number("threshold"), 0.4);
  EXPECT_EQ(settings->strings("labels"), std::vector<std::string>{"Person"});
  EXPECT_EQ(settings->points("polygon")[1], std::make_pair(3.5, 4.0));
  EXPECT_EQ(settings->numbers("mean"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(settings->string("policy"), "block");
  EXPECT_EQ(settings->integer("count"), 3);
  EXPECT_TRUE(settings->has("threshold"));
}

TEST(Toml, UnknownKeyNamesLineAndNearest) {
  EXPECT_EQ(message("path = 'a'\n\ntreshold = 0.5"),
            "p.toml:3: unknown key 'treshold' in [[node]] 'detect' (ssd_decode); did you mean "
            "'threshold'?");
  EXPECT_EQ(message("path = 'a'\nzzzzzzzz = 1"),
            "p.toml:2: unknown key 'zzzzzzzz' in [[node]] 'detect' (ssd_decode)");
}

TEST(Toml, WrongValuesSayWhatIsExpected) {
  EXPECT_NE(message("path = 3").find("'path' must be a string, found an integer"),
            std::string::npos);
  EXPECT_NE(message("path = 'a'\nthreshold = 2").find("'threshold' is 2; expected 0 to 1"),
            std::string::npos);
  EXPECT_NE(message("path = 'a'\nthreshold = nan").find("'threshold' is nan"), std::string::npos);
  EXPECT_NE(message("path = 'a'\npolicy = 'drop'").find("expected one of block|latest"),
            std::string::npos);
  EXPECT_NE(message("path = 'a'\npolygon = [[1,2,3]]").find("an array of [x, y]"),
            std::string::npos);
  EXPECT_NE(message("path = 'a'\ncount = 1.5").find("an integer"), std::string::npos);
  EXPECT_NE(message("").find("needs 'path' (the file)"), std::string::npos);
}

TEST(Toml, HostileTextIsAnError) {
  EXPECT_NE(message("a = \n").find("p.toml:1"), std::string::npos);
  EXPECT_NE(message("path = 'a'\npath = 'b'").find("p.toml:2"), std::string::npos);
  EXPECT_FALSE(parse_toml(std::string(kMaxTomlBytes + 1, '\n'), "x").ok());
  EXPECT_EQ(parse_toml("a = " + std::string(2000, '['), "x").error().code, Code::kExhausted);
  EXPECT_FALSE(parse_toml("a = " + std::string(500, '['), "x").ok());
  std::string keys = "a";
  for (int i = 0; i < 400; ++i) keys += ".a";
  EXPECT_EQ(parse_toml(keys + " = 1", "x").error().code, Code::kExhausted);
  EXPECT_EQ(parse_toml("d = 1979-05-27", "x").error().code, Code::kUnsupported);
  EXPECT_FALSE(parse_toml(std::string_view("a = \"\0\"", 7), "x").ok());
  EXPECT_FALSE(parse_toml("\xff\xfe = 1", "x").ok());
}

TEST(Toml, ReferenceTableShowsRangeAndChoices) {
  const std::string table = options_markdown(kOptions);
  EXPECT_NE(table.find("| `threshold` | a number, 0 to 1 | `0.4` | Score. |"), std::string::npos)
      << table;
  EXPECT_NE(table.find("block \\| latest"), std::string::npos);
  EXPECT_NE(table.find("required"), std::string::npos);
}

TEST(Toml, NearestName) {
  const std::string_view known[] = {"threshold", "labels"};
  EXPECT_EQ(nearest_name("lables", known), "labels");
  EXPECT_EQ(nearest_name("q", known), "");
}

TEST(Toml, TextOfAValueIsReadAsThatValue) {
  for (const char* text : {"true", "-3", "2.5", "3.0", "1e+300", "inf", "\"a\\\"\\\\b\"", "[]",
                           "[1, [2.5, \"x\"], false]"}) {
    const auto parsed = parse_toml(std::string("v = ") + text, "a");
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    EXPECT_EQ(toml_text(parsed->members[0].second), text);
  }
  const auto odd = parse_toml("v = \"\\u0000\\n\\t\\u202e\u00e4<\"", "a");
  ASSERT_TRUE(odd.ok());
  const auto again = parse_toml("v = " + toml_text(odd->members[0].second), "a");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->members[0].second.string, odd->members[0].second.string);
}

}  // namespace
}  // namespace polder
