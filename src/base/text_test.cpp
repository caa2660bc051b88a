#include "base/text.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

TEST(Text, OneLineLeavesNothingThatATerminalObeys) {
  EXPECT_EQ(one_line("conv/w: größe 模型"), "conv/w: größe 模型");
  EXPECT_EQ(one_line("a\x1b[31m\nb\x7f"), "a?[31m?b?");
  EXPECT_EQ(one_line(std::string_view("a\0b", 3)), "a?b");
  EXPECT_EQ(one_line("a\u009b31m"), "a?31m");  // the control sequence introducer of C1
  EXPECT_EQ(one_line("a\x9b"
                     "31m\xff"),
            "a?31m?");                             // the same as one byte
  EXPECT_EQ(one_line("exe\u202efdp"), "exe?fdp");  // right to left
  EXPECT_EQ(one_line("a\u061cz"), "a?z");          // the Arabic letter mark
  EXPECT_EQ(one_line("a\u2028z"), "a?z");
}

TEST(Text, Utf8SequencesAreWellFormed) {
  EXPECT_EQ(utf8_length(""), 0u);
  EXPECT_EQ(utf8_length("a"), 1u);
  EXPECT_EQ(utf8_length(std::string_view("\0", 1)), 1u);
  EXPECT_EQ(utf8_length("é"), 2u);
  EXPECT_EQ(utf8_length("\xf0\x9f\x98\x80!"), 4u);
  EXPECT_EQ(utf8_length("\xc0\x80"), 0u);      // longer than need be
  EXPECT_EQ(utf8_length("\xed\xa0\x80"), 0u);  // a surrogate
  EXPECT_EQ(utf8_length("\xe2\x82"), 0u);      // cut off
  EXPECT_EQ(utf8_length("\xc3("), 0u);
}

TEST(Text, HtmlIsEscaped) {
  EXPECT_EQ(html_text("<script>alert(\"1\")&\x1b"), "&lt;script&gt;alert(&quot;1&quot;)&amp;?");
}

TEST(Text, LongNamesAreClipped) {
  EXPECT_EQ(clipped("conv"), "conv");
  EXPECT_EQ(clipped(std::string(121, 'z')), std::string(120, 'z') + "...");
  EXPECT_EQ(clipped(std::string(119, 'z') + "é"), std::string(119, 'z') + "...");
  EXPECT_EQ(clipped(std::string(200, '\xa9')).size(), 123u);  // no character anywhere
}

TEST(Text, TheMiddleOfALongMessageIsLeftOut) {
  std::string places = "model.onnx: ";
  while (places.size() < 20000) places += "node 'größe': ";
  const Error error = fit_to_show({Code::kCorrupt, places + "input 'zz' is made by no node"});
  EXPECT_LE(error.message.size(), 8000u);
  EXPECT_TRUE(error.message.starts_with("model.onnx: node"));
  EXPECT_TRUE(error.message.ends_with(": input 'zz' is made by no node"));
  EXPECT_NE(error.message.find(" ... "), std::string::npos);
  for (std::size_t shift = 0; shift < 5; ++shift) {
    std::string text(shift, 'a');
    while (text.size() < 9000) text += "模";
    EXPECT_EQ(fit_to_show({Code::kCorrupt, text}).message.find('?'), std::string::npos) << shift;
  }
}

}  // namespace
}  // namespace polder
