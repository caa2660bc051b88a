#include "trust/json.h"

#include <gtest/gtest.h>

namespace polder::trust {
namespace {

std::string message_of(std::string_view text) {
  auto parsed = Json::parse(text, "a.json");
  return parsed ? "" : parsed.error().message;
}

TEST(Json, WritesCanonically) {
  const Json json =
      Json::parse(R"( {"b" : [1, -2,true,null], "a":"\u00e9\"\\\n/", "":{}} )", "a.json").value();
  EXPECT_EQ(json.canonical().value(),
            "{\"\":{},\"a\":\"\u00e9\\\"\\\\\n/\",\"b\":[1,-2,true,null]}");
  EXPECT_FALSE(Json::parse("[1.5]", "a.json")->canonical());
}

TEST(Json, ReadsWhatItWrites) {
  const Json json =
      Json::parse(R"({"a":[0.1,1e300,2.0,-3,[],{}],"b":"\u0001\u2028","c":{"d":false}})", "a")
          .value();
  EXPECT_EQ(Json::parse(json.compact(), "a").value(), json);
  EXPECT_EQ(Json::parse(json.pretty(), "a").value(), json);
}

TEST(Json, RefusesWhatTwoReadersWouldReadDifferently) {
  EXPECT_EQ(message_of(R"({"a":1,"b":{"a":1},"a":2})"), "a.json: the name 'a' twice in an object");
  EXPECT_EQ(message_of("[9223372036854775808]"), "a.json: an integer beyond 64 bits");
  EXPECT_EQ(message_of("[-9223372036854775809]"), "a.json: an integer beyond 64 bits");
  EXPECT_EQ(message_of("[9223372036854775807]"), "");
}

TEST(Json, SaysWhereItEnds) {
  EXPECT_EQ(message_of("{\n \"a\": x}"), "a.json:2:7: no JSON here");
  EXPECT_NE(message_of("[1,"), "");
  EXPECT_NE(message_of("[1] 2"), "");
  EXPECT_NE(message_of(""), "");
  EXPECT_NE(message_of("[\"\xff\"]"), "");
  EXPECT_NE(message_of("{\"a\":nul}"), "");
  const std::string deep(Json::kMaxDepth + 1, '[');
  EXPECT_EQ(message_of(deep), "a.json: nested more than 32 deep");
  EXPECT_EQ(message_of(std::string(32, '[') + std::string(32, ']')), "");
}

TEST(Json, ObjectsSayWhatTheyExpected) {
  const Json json = Json::parse(R"({"n":5,"t":"abc","l":["a",1],"o":{"x":1.5}})", "a.json").value();
  const Object object = Object::of(json, "a.json").value();
  EXPECT_EQ(object.integer("n", 1, 5).value(), 5);
  EXPECT_EQ(object.integer("n", 6, 7).error().message,
            "a.json.n: an integer from 6 to 7 expected, 5 found");
  EXPECT_EQ(object.integer("t", 0, 1).error().message, "a.json.t: an integer expected, text found");
  EXPECT_EQ(object.text("m").error().message, "a.json.m: missing");
  EXPECT_EQ(object.text("t", 2).error().message, "a.json.t: 3 bytes of text; 2 at most");
  EXPECT_EQ(object.texts("l", 2).error().message, "a.json.l[1]: text expected, an integer found");
  EXPECT_EQ(object.array("l", 1).error().message, "a.json.l: 2 items; 1 at most");
  EXPECT_EQ(object.object("o")->number("x").value(), 1.5);
  EXPECT_EQ(object.only({"n", "t", "l"}).error().code, Code::kCorrupt);
  EXPECT_TRUE(object.only({"n", "t", "l", "o", "more"}));
  EXPECT_FALSE(Object::of(Json("text"), "a.json"));
}

}  // namespace
}  // namespace polder::trust
