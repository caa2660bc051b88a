#include "platform/command_line.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace polder::command_line {
namespace {

constexpr Option kOptions[] = {{"--threads", "N", "threads", false, whole<1, 256>},
                               {"--label", "TEXT", "a label", true},
                               {"--output", "FILE", "a file"},
                               {"--json", "", "as JSON"}};

Result<Args> parse(std::vector<std::string> words) {
  static std::vector<std::string> kept;
  kept = std::move(words);
  std::vector<char*> argv;
  for (std::string& word : kept) argv.push_back(word.data());
  return Args::parse(argv, kOptions, 0, 1);
}

TEST(CommandLine, TakesValuesEitherWay) {
  const auto args = parse({"--threads=3", "--label", "a", "--label=b", "-o", "x", "--", "--json"});
  ASSERT_TRUE(args.ok()) << args.error().message;
  EXPECT_EQ(args->integer("--threads", 1), 3);
  EXPECT_EQ(args->all("--label").size(), 2u);
  EXPECT_EQ(args->text("--output"), "x");
  EXPECT_FALSE(args->has("--json"));
  ASSERT_EQ(args->positional().size(), 1u);
  EXPECT_EQ(args->positional()[0], "--json");
}

TEST(CommandLine, SaysWhatIsWrong) {
  struct Case {
    std::vector<std::string> words;
    const char* message;
  };
  const Case cases[] = {{{"--thread", "3"}, "did you mean '--threads'?"},
                        {{"--threads"}, "needs a value"},
                        {{"--threads", "0"}, "from 1 to 256"},
                        {{"--threads", "x"}, "'x' given"},
                        {{"--json=1"}, "takes no value"},
                        {{"a", "b"}, "unexpected argument 'b'"}};
  for (const Case& c : cases) {
    const auto args = parse(c.words);
    ASSERT_FALSE(args.ok());
    EXPECT_NE(args.error().message.find(c.message), std::string::npos) << args.error().message;
  }
}

TEST(CommandLine, TheEnvironmentStandsInAndIsChecked) {
  ::setenv("POLDER_THREADS", "9", 1);
  EXPECT_EQ(parse({})->integer("--threads", 1), 9);
  EXPECT_EQ(parse({"--threads", "2"})->integer("--threads", 1), 2);
  ::setenv("POLDER_THREADS", "many", 1);
  EXPECT_FALSE(parse({}).ok());
  ::unsetenv("POLDER_THREADS");
}

TEST(CommandLine, TheEnvironmentHasWordsOfWhatMayBeRepeated) {
  constexpr Option kHosts[] = {{"--host", "NAME", "a name", true, nullptr, false, true},
                               {"--key", "FILE", "signs", true}};
  ::setenv("POLDER_HOST", " a.example  b.example ", 1);
  ::setenv("POLDER_KEY", "key.pem", 1);
  const auto args = Args::parse({}, kHosts, 0, 0);
  char option[] = "--host", value[] = "c.example";
  char* const words[] = {option, value};
  const auto given = Args::parse(words, kHosts, 0, 0);
  ::unsetenv("POLDER_HOST");
  ::unsetenv("POLDER_KEY");
  ASSERT_TRUE(args.ok());
  EXPECT_EQ(args->all("--host"), (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_TRUE(args->all("--key").empty());
  EXPECT_EQ(given->all("--host"), (std::vector<std::string>{"c.example"}));
}

TEST(CommandLine, NoVariableActsOrIsTrusted) {
  constexpr Option kActs[] = {{"--install", "", "acts"},
                              {"--threshold", "N", "is trusted", false, whole<1, 9>, true}};
  ::setenv("POLDER_INSTALL", "1", 1);
  ::setenv("POLDER_THRESHOLD", "1", 1);
  const auto args = Args::parse({}, kActs, 0, 0);
  ::unsetenv("POLDER_INSTALL");
  ::unsetenv("POLDER_THRESHOLD");
  ASSERT_TRUE(args.ok());
  EXPECT_FALSE(args->has("--install"));
  EXPECT_FALSE(args->has("--threshold"));
}

TEST(CommandLine, TheEnvironmentAsksForJson) {
  for (const auto& [value, is_set] :
       {std::pair("1", true), std::pair("true", true), std::pair("0", false),
        std::pair("false", false), std::pair("", false)}) {
    ::setenv("POLDER_JSON", value, 1);
    EXPECT_EQ(parse({})->has("--json"), is_set) << value;
  }
  ::setenv("POLDER_JSON", "yes", 1);
  const auto args = parse({});
  ::unsetenv("POLDER_JSON");
  ASSERT_FALSE(args.ok());
  EXPECT_NE(args.error().message.find("POLDER_JSON"), std::string::npos);
}

TEST(CommandLine, HelpHasALineForEach) {
  const std::string help = options_help(kOptions);
  EXPECT_NE(help.find("  --threads N"), std::string::npos);
  EXPECT_NE(help.find("-o, --output FILE"), std::string::npos);
  EXPECT_NE(help.find("may be repeated"), std::string::npos);
}

}  // namespace
}  // namespace polder::command_line
