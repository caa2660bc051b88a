// Rollouts with a window in a time zone that the hub does not know any more: its tzdata is gone, or
// has lost the name. They wait; what devices take part in, and get, stays the same.
#include <string>

#include "hub/rollouts/testing_fleet.h"

namespace polder::hub {
namespace {

constexpr const char* kAlways =
    R"(,"window":{"from":"00:00","to":"24:00","zone":"Europe/Amsterdam"})";

class LostZone : public FleetTest {
 protected:
  void lose_zone() { rename("Europe/Amsterdam", "Europe/Nowhere"); }
  void rename(const std::string& from, const std::string& to) {
    const Status done = writer_->write([&](Database& database) {
      return database.run("UPDATE rollout SET plan = REPLACE(plan, ?, ?)", {from, to});
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
};

TEST_F(LostZone, OfOneThatIsDoneANewDeviceStillGetsWhatItLeft) {
  make_fleet(20);
  for (const char* version : {"1.1.0", "1.2.0"}) {
    publish_release(version);
    const std::string id = begin(version, kAlways);
    for (int i = 0; i < 80 && phase(id) == "running"; ++i) look();
    ASSERT_EQ(phase(id), "done") << gate(id);
  }
  lose_zone();
  add_device("cam-new", "");
  EXPECT_EQ(wanted().at("cam-new"), "1.2.0");
  EXPECT_TRUE(rollout("r2").find("trouble")->is_null()) << "it is over";
}

TEST_F(LostZone, OfOneThatRunsTheWindowIsClosedAndItSaysWhatToDo) {
  make_fleet(5);
  const std::string id = begin("1.1.0", kAlways);
  look();
  ASSERT_TRUE(rollout(id).find("trouble")->is_null());
  ASSERT_TRUE(*rollout(id).find("window")->find("open")->boolean());
  lose_zone();
  add_device("cam-new");
  EXPECT_EQ(count(id, "matching"), 6) << "who comes takes part";
  const std::int64_t told = count(id, "wanted");
  looks(20);
  EXPECT_EQ(count(id, "wanted"), told);
  const trust::Json lost = rollout(id);
  const std::string trouble = *lost.find("trouble")->string();
  EXPECT_NE(trouble.find("no time zone 'Europe/Nowhere'"), std::string::npos) << trouble;
  EXPECT_NE(trouble.find("install the package tzdata"), std::string::npos) << trouble;
  EXPECT_NE(gate(id).find("00:00-24:00 Europe/Nowhere: it is closed"), std::string::npos);
  EXPECT_FALSE(*lost.find("window")->find("open")->boolean());
  EXPECT_TRUE(lost.find("window")->find("opens")->is_null());
  // It is there again.
  rename("Europe/Nowhere", "Europe/Amsterdam");
  look();
  EXPECT_TRUE(rollout(id).find("trouble")->is_null());
  EXPECT_GT(count(id, "wanted"), told);
}

TEST_F(LostZone, AHardFailureEndsIt) {
  make_fleet(5);
  const std::string id = begin("1.1.0", kAlways, R"("stages":[{"percent":100}])");
  look();
  ASSERT_EQ(count(id, "wanted"), 0) << "it watches first";
  looks(6);
  ASSERT_EQ(count(id, "wanted"), 5);
  lose_zone();
  alarm("cam-0", proto::AlarmKind::kCrashLoop, "1.1.0");
  EXPECT_EQ(phase(id), "aborted");
  EXPECT_EQ(wanted_to_run("1.0.0"), 5);
}

TEST_F(LostZone, NoOtherOneIsTaken) {
  make_fleet(1);
  const Response refused = order("1.1.0", R"(,"window":{"from":"01:00","to":"02:00",)"
                                          R"("zone":"Europe/Amsterdm"})");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(text(refused, "detail"),
            "body.window.zone: there is no time zone 'Europe/Amsterdm'; did you mean "
            "'Europe/Amsterdam'?");
}

}  // namespace
}  // namespace polder::hub
