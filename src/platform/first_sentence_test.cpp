#include "platform/first_sentence.h"

#include <gtest/gtest.h>

namespace polder::command_line {
namespace {

TEST(FirstSentence, EndsWhereASentenceDoes) {
  EXPECT_EQ(first_sentence("Says what runs."), "Says what runs");
  EXPECT_EQ(first_sentence("Makes a token. It is shown once."), "Makes a token");
  EXPECT_EQ(first_sentence("Prints the keys of polderd.toml as Markdown. More."),
            "Prints the keys of polderd.toml as Markdown");
  EXPECT_EQ(first_sentence("Says all that it would install and what it\nrefuses.\nMore."),
            "Says all that it would install and what it refuses");
  EXPECT_EQ(first_sentence("No dot"), "No dot");
  EXPECT_EQ(first_sentence(""), "");
}

}  // namespace
}  // namespace polder::command_line
