#include "base/json_text.h"

#include <gtest/gtest.h>

namespace polder {

TEST(JsonQuote, EscapesWhatJsonAndScriptsForbid) {
  EXPECT_EQ(json_quote("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
  EXPECT_EQ(json_quote("</script>"), "\"\\u003c/script>\"");
  EXPECT_EQ(json_quote("caf\xc3\xa9 \xe2\x82\xac"), "\"caf\xc3\xa9 \xe2\x82\xac\"");
  EXPECT_EQ(json_quote("\xff\xc0\x80x\xed\xa0\x80"),
            "\"\\ufffd\\ufffd\\ufffdx\\ufffd\\ufffd\\ufffd\"");
  EXPECT_EQ(json_quote("\x7f\u009b31m\u00a0"), "\"\\u007f\\u009b31m\u00a0\"");
  EXPECT_EQ(json_quote("\xe2\x82"), "\"\\ufffd\\ufffd\"");
}

}  // namespace polder
