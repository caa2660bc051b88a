#include "trust/assignment.h"

#include <gtest/gtest.h>

#include <functional>

namespace polder::trust {
namespace {

Version version(std::string_view text) { return Version::parse(text, "test").value(); }

Assignment good() {
  Assignment assignment;
  assignment.device = "cam-12";
  assignment.releases = {{"people", version("1.2.0"), false}, {"polderd", version("0.9.0"), true}};
  assignment.not_before_s = 1'900'000'000;
  assignment.shadow = true;
  assignment.retry = 3;
  return assignment;
}

std::string error_of(const std::function<void(Json::Members&)>& change) {
  Json json = good().to_json();
  change(*json.members());
  const auto assignment = Assignment::parse(json.compact(), "a.json");
  return assignment.ok() ? "accepted" : assignment.error().message;
}

Json& release(Json::Members& members, std::size_t i) {
  return (*members.at("releases").array())[i];
}

TEST(Assignment, ComesBackAsItWas) {
  const Assignment all = good();
  EXPECT_TRUE(Assignment::parse(all.bytes(), "a").value() == all);
  const Assignment least;
  EXPECT_TRUE(Assignment::parse(least.bytes(), "a").value() == least);
  EXPECT_EQ(least.to_json().compact(),
            R"({"device":"default","format":1,"releases":[],"shadow":false})");
  EXPECT_TRUE(Assignment::parse(R"({"device":"default","format":1,"releases":[]})", "a").value() ==
              least);
}

TEST(Assignment, IsForItsDeviceOrForAll) {
  EXPECT_TRUE(good().check_device("cam-12").ok());
  const Status other = good().check_device("cam-1");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, Code::kDenied);
  EXPECT_TRUE(Assignment().check_device("cam-1").ok());
  EXPECT_EQ(assignment_target("cam-12"), "assignments/cam-12.json");
}

TEST(Assignment, WrongFormsSayWhatWasExpected) {
  const auto says = [](std::string_view what, const std::function<void(Json::Members&)>& change) {
    const std::string error = error_of(change);
    EXPECT_NE(error.find(what), std::string::npos) << error;
  };
  says("of format 2; this build reads format 1", [](auto& m) { m["format"] = 2; });
  says("is 'shadow' meant?", [](auto& m) { m["shadows"] = true; });
  says("is 'slot' meant?", [](auto& m) { (*release(m, 0).members())["slots"] = "model"; });
  says("model or runtime expected, 'a' found",
       [](auto& m) { (*release(m, 0).members())["slot"] = "a"; });
  says("a.json.releases[1].version: a version such as",
       [](auto& m) { (*release(m, 1).members())["version"] = "1"; });
  says("in front, expected, '../x' found",
       [](auto& m) { (*release(m, 0).members())["name"] = "../x"; });
  says("'polderd' twice", [](auto& m) { (*release(m, 0).members())["name"] = "polderd"; });
  says("2 of slot runtime", [](auto& m) { (*release(m, 0).members())["slot"] = "runtime"; });
  says("device: a name of 1 to 128 letters", [](auto& m) { m["device"] = "a/b"; });
  says("a.json.device", [](auto& m) { m["device"] = std::string(65, 'a'); });
  says("a.json.not_before: a time such as", [](auto& m) { m["not_before"] = "tomorrow"; });
  says("a.json.retry", [](auto& m) { m["retry"] = -1; });
  for (const char* needed : {"format", "device", "releases"}) {
    says(needed, [&](auto& m) { m.erase(needed); });
  }
}

TEST(Assignment, IsHeldToItsCaps) {
  Assignment many;
  for (std::size_t i = 0; i < kMaxAssignedReleases; ++i) {
    many.releases.push_back({"m" + std::to_string(i), version("1.0.0"), false});
  }
  EXPECT_TRUE(Assignment::parse(many.bytes(), "a").ok());
  many.releases.push_back({"more", version("1.0.0"), false});
  EXPECT_EQ(many.validate().error().code, Code::kExhausted);
  EXPECT_FALSE(Assignment::parse(many.bytes(), "a").ok());
  EXPECT_EQ(Assignment::parse(std::string(kMaxAssignmentBytes + 1, ' '), "a").error().code,
            Code::kExhausted);
}

}  // namespace
}  // namespace polder::trust
