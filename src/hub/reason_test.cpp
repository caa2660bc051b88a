// Sentences, and how their values stand in them.
#include "hub/reason.h"

#include <gtest/gtest.h>

namespace polder::hub {
namespace {

TEST(Reason, SaysItsValuesAndKeepsThem) {
  const Reason few = say(why::kTooFew, {{"there", 1}, {"all", 4}});
  EXPECT_EQ(few.text, "1 of 4 devices run it by now");
  EXPECT_EQ(trust::Json(why_of(std::span(&few, 1))).compact(),
            R"([{"code":"too_few","text":"1 of 4 devices run it by now",)"
            R"("values":{"all":4,"there":1}}])");
  EXPECT_EQ(say(why::kWorse, {{"measure", "errors"},
                              {"than", "before"},
                              {"ratio", 2.0},
                              {"low", 1.23456},
                              {"high", 3.5},
                              {"evidence", 41.26},
                              {"at", 40.0}})
                .text,
            "errors: 2.00 times as often as before (1.23 to 3.50), evidence 41.3 of 40 over all "
            "measures");
}

TEST(Reason, OfWhatIsNotThereStaysAsItIs) {
  EXPECT_EQ(say({"odd", "{a} of {b:.1f}"}, {{"a", "{b}"}}).text, "{b} of {b:.1f}");
}

}  // namespace
}  // namespace polder::hub
