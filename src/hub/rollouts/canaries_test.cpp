// Who becomes a canary, and with whom it is compared.
#include "hub/rollouts/canaries.h"

#include <gtest/gtest.h>

#include <set>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

class Canaries : public FleetTest {
 protected:
  void tag(const std::string& name, const std::string& site) {
    const std::string body = R"({"site":")" + site + R"("})";
    EXPECT_EQ(send("PUT", "/v1/devices/" + name + "/tags", body, admin_).status, 200);
  }
  std::set<std::string> canaries() {
    std::set<std::string> names;
    for (const auto& [name, version] : wanted()) names.insert(name);
    return names;
  }
  std::map<std::int64_t, std::uint32_t> strata(const std::string& id) {
    std::map<std::int64_t, std::uint32_t> found;
    const Status done = writer_->write([&](Database& database) -> Status {
      const auto rollout = load_rollout(database, id);
      if (!rollout.ok()) return rollout.error();
      auto all = strata_of(database, *rollout);
      if (!all.ok()) return all.error();
      found = std::move(*all);
      return {};
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
    return found;
  }
};

constexpr const char* kTwoFirst =
    R"("stages":[{"devices":2,"least_minutes":1,"errors_an_hour":180},{"percent":100}])";

TEST_F(Canaries, AreThoseThatTellSomething) {
  make_fleet(12);
  for (Device& one : devices_) one.is_even = one.name != "cam-3" && one.name != "cam-8";
  begin("1.1.0", "", kTwoFirst);
  looks(history_looks_ + 1);
  EXPECT_EQ(canaries(), (std::set<std::string>{"cam-3", "cam-8"}));
}

TEST_F(Canaries, AreAnyWhereTooFewTellSomething) {
  make_fleet(12);
  for (Device& one : devices_) one.is_even = one.name != "cam-3";
  begin("1.1.0", "", kTwoFirst);
  looks(history_looks_ + 1);
  EXPECT_EQ(canaries().size(), 2u);
  EXPECT_TRUE(canaries().contains("cam-3"));
}

TEST_F(Canaries, AreOfSeveralSites) {
  make_fleet(20);
  for (int i = 0; i < 20; ++i) tag("cam-" + std::to_string(i), i < 16 ? "ams" : "rtm");
  const std::string id = begin("1.1.0", R"(,"strata":"site")", kTwoFirst);
  looks(history_looks_ + 1);
  int of_rotterdam = 0;
  for (const std::string& name : canaries()) of_rotterdam += std::stoi(name.substr(4)) >= 16;
  EXPECT_EQ(canaries().size(), 2u);
  EXPECT_EQ(of_rotterdam, 1);
  for (int i = 0; i < 100 && stage(id) == 0; ++i) look();
  EXPECT_EQ(stage(id), 1) << gate(id);
}

TEST_F(Canaries, ASmallSiteIsComparedWithTheRest) {
  make_fleet(9);
  for (int i = 0; i < 9; ++i)
    if (i != 8) tag("cam-" + std::to_string(i), i < 4 ? "ams" : i < 7 ? "rtm" : "utr");
  const auto found = strata(begin("1.1.0", R"(,"strata":"site")", kTwoFirst));
  EXPECT_EQ(found.size(), 4u);
  for (const auto& [number, stratum] : found) EXPECT_EQ(stratum, 1u) << number;
  for (const char* bad : {R"(,"strata":"")", R"(,"strata":"a b")", R"(,"strata":3)"})
    EXPECT_EQ(order("1.2.0", bad).status, 400) << bad;
}

}  // namespace
}  // namespace polder::hub
