#include "trust/floors.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

Version version(std::string_view text) { return Version::parse(text, "test").value(); }

std::string error_of(std::string_view text) {
  const auto floors = Floors::parse(text, "f.json");
  return floors.ok() ? "accepted" : floors.error().message;
}

TEST(Floors, ComeBackAsTheyWere) {
  Floors floors;
  EXPECT_TRUE(Floors::parse(floors.bytes(), "f").value() == floors);
  ASSERT_TRUE(floors.raise("people", version("1.2.0-rc.1")).ok());
  ASSERT_TRUE(floors.raise("Gauge_2", version("0.0.1")).ok());
  EXPECT_TRUE(Floors::parse(floors.bytes(), "f").value() == floors);
  EXPECT_EQ(floors.to_json().compact(),
            R"({"floors":{"Gauge_2":"0.0.1","people":"1.2.0-rc.1"},"format":1})");
}

TEST(Floors, AllowWhatIsNotBelow) {
  const Floors floors = Floors::parse(R"({"format":1,"floors":{"people":"1.2.0"}})", "f").value();
  EXPECT_TRUE(floors.allows("people", version("1.2.0")));
  EXPECT_TRUE(floors.allows("people", version("1.10.0-alpha")));
  EXPECT_FALSE(floors.allows("people", version("1.2.0-rc.9")));
  EXPECT_FALSE(floors.allows("people", version("1.1.99")));
  EXPECT_TRUE(floors.allows("peoples", version("0.0.0")));
}

TEST(Floors, OnlyRise) {
  Floors floors;
  ASSERT_TRUE(floors.raise("people", version("1.2.0")).ok());
  EXPECT_TRUE(floors.raise("people", version("1.2.0")).ok());
  const Status lower = floors.raise("people", version("1.1.0"));
  ASSERT_FALSE(lower.ok());
  EXPECT_EQ(lower.error().code, Code::kDenied);
  EXPECT_NE(lower.error().message.find("is 1.2.0, above 1.1.0"), std::string::npos);
  EXPECT_EQ(floors.floors["people"], version("1.2.0"));
  EXPECT_EQ(floors.raise("../x", version("1.0.0")).error().code, Code::kInvalid);
}

TEST(Floors, WrongFormsSayWhatWasExpected) {
  const auto says = [](std::string_view text, std::string_view what) {
    const std::string error = error_of(text);
    EXPECT_NE(error.find(what), std::string::npos) << text << ": " << error;
  };
  says("[]", "object");
  says(R"({"floors":{}})", "f.json.format");
  says(R"({"format":2,"floors":{},"new":1})", "floors of format 2; this build reads format 1");
  says(R"({"format":1})", "f.json.floors");
  says(R"({"format":1,"floors":{},"floor":{}})", "unknown member; is 'floors' meant?");
  says(R"({"format":1,"floors":{"a/b":"1.0.0"}})", "in front, expected, 'a/b' found");
  says(R"({"format":1,"floors":{"a":"1.0"}})", "f.json.floors.a: a version such as");
  says(R"({"format":1,"floors":{"a":1}})", "f.json.floors.a");
  says(R"({"format":1,"floors":{"a":"1.0.0","a":"0.1.0"}})", "twice");
}

TEST(Floors, AreHeldToTheirCaps) {
  Floors floors;
  for (std::size_t i = 0; i < kMaxFloors; ++i) {
    ASSERT_TRUE(floors.raise("m" + std::to_string(i), version("1.0.0")).ok());
  }
  EXPECT_TRUE(Floors::parse(floors.bytes(), "f").ok());
  EXPECT_EQ(floors.raise("more", version("1.0.0")).error().code, Code::kExhausted);
  EXPECT_TRUE(floors.raise("m7", version("1.0.1")).ok());
  floors.floors["more"] = version("1.0.0");
  EXPECT_EQ(Floors::parse(floors.bytes(), "f").error().code, Code::kExhausted);
  EXPECT_EQ(Floors::parse(std::string(kMaxFloorsBytes + 1, ' '), "f").error().code,
            Code::kExhausted);
}

}  // namespace
}  // namespace polder::trust
