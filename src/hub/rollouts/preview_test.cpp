// What a rollout would be, asked before it is begun.
#include <gtest/gtest.h>

#include "hub/rollouts/testing_fleet.h"
#include "trust/tuf_metadata.h"

namespace polder::hub {
namespace {

class Preview : public FleetTest {
 protected:
  Response preview(const std::string& version, const std::string& more = "") {
    return send("POST", "/v1/rollout-previews",
                R"({"model":"people","unpublished":true,"version":")" + version + '"' + more + "}",
                admin_);
  }
  std::vector<std::int64_t> holds(const Response& response) {
    std::vector<std::int64_t> all;
    const trust::Json preview = json(response);
    for (const trust::Json& stage : *preview.find("stages")->array())
      all.push_back(*stage.find("holds")->integer());
    return all;
  }
  std::int64_t least_s(const Response& response, const std::string& which = "") {
    const trust::Json answer = json(response);
    const auto minutes = trust::Object::of(answer, "answer")->number("least_minutes" + which);
    EXPECT_TRUE(minutes.ok()) << response.body;
    return minutes.ok() ? std::lround(*minutes * 60) : -1;
  }
  int minor_ = 0;  // of the last version
  std::int64_t devices(const Response& response, std::string_view what) {
    return *json(response).find("devices")->find(what)->integer();
  }
};

TEST_F(Preview, SaysHowManyDevicesEachStageHoldsAndBeginsNothing) {
  wall_.set_s(wall_.now_s() / 300 * 300);
  make_fleet(40);
  const Response usual = preview("1.1.0");
  ASSERT_EQ(usual.status, 200) << usual.body;
  EXPECT_EQ(holds(usual), (std::vector<std::int64_t>{1, 1, 3, 4, 20, 40}));
  EXPECT_EQ(devices(usual, "matching"), 40);
  EXPECT_EQ(devices(usual, "there"), 40);
  EXPECT_EQ(devices(usual, "running"), 0);
  EXPECT_NE(usual.body.find("people 1.1.0 is not published here"), std::string::npos);
  EXPECT_EQ(devices(preview("1.0.0"), "running"), 40);
  // Eight hours of looks at the old release, three days and three times four hours of stages. The
  // first of them began when the last look at the old one did; in days of it errors are proven too.
  // Where nobody fails each share that is compared takes four hours more to prove that of its own.
  EXPECT_EQ(least_s(preview("1.1.0")), (8 + 3 * 24 + 3 * 4) * 3600 - 300);
  EXPECT_EQ(least_s(preview("1.1.0"), "_without_errors"),
            least_s(preview("1.1.0")) + 2 * (4 * 3600 + 600));
  // A share of few is no less than the number before it, and shadows are no part of who acts.
  const Response own = preview("1.1.0", R"(,"stages":[{"devices":9,"shadow":true},)"
                                        R"({"devices":9},{"percent":1},{"percent":100}])");
  EXPECT_EQ(holds(own), (std::vector<std::int64_t>{9, 9, 9, 40})) << own.body;
  wall_.set_s(wall_.now_s() + 901);
  EXPECT_EQ(devices(preview("1.1.0"), "there"), 0);
  EXPECT_EQ(json(send("GET", "/v1/rollouts", "", admin_)).find("rollouts")->array()->size(), 0u);
  EXPECT_TRUE(readers_->query("SELECT 1 FROM rollout_device")->empty());
}

// Each stage waits for a look, the first that acts for two: the one that is counted in and the
// next.
TEST_F(Preview, CountsTheLooksAfterWhichStagesAreJudged) {
  make_fleet(4);
  wall_.set_s(wall_.now_s() / 300 * 300 + 46);
  const std::string stages = R"(,"stages":[{"devices":1,"least_minutes":0.3},)"
                             R"({"percent":100,"least_minutes":0.2}])";
  const std::string nothing = stages + R"(,"measures":[])";
  EXPECT_EQ(least_s(preview("1.1.0", nothing)), 254 + 300);
  EXPECT_NE(preview("1.1.0", nothing).body.find(R"("least_minutes_without_errors":null)"),
            std::string::npos);
  EXPECT_EQ(least_s(preview("1.1.0", stages + R"(,"history_looks":0)")), 254 + 300 + 300);
  const Response hours = preview("1.1.0", stages + R"(,"history_looks":2,"look_s":3600)");
  EXPECT_GT(least_s(hours), 4 * 3600);
  EXPECT_LE(least_s(hours), 5 * 3600);
  // About eight hours prove half of an end in one.
  const Response eight = preview("1.1.0", stages + R"(,"history_looks":0)");
  EXPECT_NEAR(double(least_s(eight, "_without_errors")), 8 * 3600, 1800);
}

// What is begun where no worker ends ends when the preview says.
TEST_F(Preview, IsWhatTheRolloutTakesThen) {
  history_looks_ = 0;
  measures_ = R"(["errors"])";
  wall_.set_s(wall_.now_s() / kTestLookS * kTestLookS + 5);
  make_fleet(8);
  const auto wait = [&](int history, const std::string& stages) {
    history_looks_ = history;
    const std::string version = "1." + std::to_string(++minor_) + ".0";
    publish_release(version);
    const Response told =
        preview(version, R"(,"look_s":10,"history_looks":)" + std::to_string(history) +
                             R"(,"measures":["errors"],)" + stages);
    const std::int64_t begun_s = wall_.now_s();
    const std::string id = begin(version, "", stages);
    for (const Device& one : devices_) report(one.name, window(one), kTestLookS);
    std::int64_t least_end_s = begun_s;
    for (int i = 0; i < 200 && phase(id) == "running"; ++i) {
      const auto end_s =
          trust::tuf::parse_time(*rollout(id).find("least_end")->string(), "least_end");
      ASSERT_TRUE(end_s.ok());
      EXPECT_GE(*end_s, std::max(least_end_s, wall_.now_s())) << stages;
      least_end_s = *end_s;
      look();
    }
    EXPECT_LE(least_end_s, wall_.now_s() - 5) << stages;
    EXPECT_TRUE(rollout(id).find("least_end")->is_null());
    EXPECT_EQ(phase(id), "done") << gate(id);
    // Looks are taken five seconds after they are over here.
    const std::int64_t took_s = wall_.now_s() - begun_s - 5;
    EXPECT_EQ(took_s, least_s(told, "_without_errors")) << stages;
    EXPECT_GE(took_s, least_s(told)) << stages;
  };
  wait(0, R"("stages":[{"devices":1,"least_minutes":0,"errors_an_hour":180},)"
          R"({"percent":100,"least_minutes":0}])");
  wait(6, R"("stages":[{"devices":1,"least_minutes":1,"errors_an_hour":180},)"
          R"({"percent":50,"least_minutes":0,"errors_an_hour":180},)"
          R"({"percent":100,"least_minutes":1}])");
  wait(2, R"("stages":[{"devices":2,"least_minutes":5,"errors_an_hour":60},)"
          R"({"percent":100,"least_minutes":0.3}])");
  wait(0, R"("stages":[{"percent":100,"least_minutes":0}])");
}

// A stage that has lasted long enough passes when the window opens again.
TEST_F(Preview, CountsTheDaysOfAWindow) {
  measures_ = "[]";
  make_fleet(4);
  constexpr std::int64_t kDayS = 86'400;
  const std::int64_t midnight_s = (wall_.now_s() / kDayS + 1) * kDayS;
  wall_.set_s(midnight_s - 3 * kTestLookS + 5);
  const std::string stages =
      R"("stages":[{"devices":1,"least_minutes":1},{"percent":100,"least_minutes":1}])";
  const std::string window = R"(,"window":{"from":"00:00","to":"00:01"})";
  publish_release("1.1.0");
  const std::int64_t least = least_s(
      preview("1.1.0", R"(,"look_s":10,"history_looks":0,"measures":[],)" + stages + window));
  history_looks_ = 0;
  const std::int64_t begun_s = wall_.now_s();
  const std::string id = begin("1.1.0", window, stages);
  EXPECT_EQ(*rollout(id).find("least_end")->string(),
            trust::tuf::time_text(midnight_s + 2 * kDayS));
  for (int day = 0; day < 3 && phase(id) == "running"; ++day) {
    for (int i = 0; i < 12 && phase(id) == "running"; ++i) look();
    if (phase(id) != "running") break;
    wall_.set_s(midnight_s + (day + 1) * kDayS - 3 * kTestLookS + 5);
    for (const Device& one : devices_) report(one.name, FleetTest::window(one));
  }
  EXPECT_EQ(phase(id), "done") << gate(id);
  const std::int64_t took_s = wall_.now_s() - begun_s - 5;
  EXPECT_EQ(took_s, least);
  EXPECT_EQ(took_s / kDayS, 2);
}

TEST_F(Preview, TellsWhatIsWaitedFor) {
  make_fleet(4);
  const auto says = [&](const std::string& more, const std::string& what) {
    const Response response = preview("1.1.0", more);
    return response.body.find(what) != std::string::npos;
  };
  EXPECT_TRUE(says("", "watches the old release first: 0 of 96 looks"));
  EXPECT_FALSE(says(R"(,"history_looks":0)", "watches the old release"));
  EXPECT_TRUE(says(R"(,"measures":[])", "no measures were asked for"));
  EXPECT_FALSE(says("", "a first release"));
  TearDown();
  SetUp();
  devices_.clear();
  make_fleet(4, "");
  EXPECT_TRUE(says("", "a first release: hard failures and time alone"));
}

TEST_F(Preview, IsOfTheDevicesOfItsQuery) {
  make_fleet(4);
  EXPECT_EQ(send("PUT", "/v1/devices/cam-1/tags", R"({"site":"ams"})", admin_).status, 200);
  EXPECT_EQ(devices(preview("1.1.0", R"(,"query":"site=ams")"), "matching"), 1);
  EXPECT_EQ(send("POST", "/v1/devices/cam-1/revoke", "", admin_).status, 204);
  const Response none = preview("1.1.0", R"(,"query":"site=ams")");
  EXPECT_EQ(devices(none, "matching"), 0);
  EXPECT_NE(none.body.find("no device that has the model is of the query"), std::string::npos);
}

TEST_F(Preview, OfAQueryThatMatchesNobodyTheTagThatNobodyHasIsNamed) {
  make_fleet(2);
  const auto told = [&](const std::string& query) {
    const trust::Json answer = json(preview("1.1.0", R"(,"query":")" + query + '"'));
    std::string texts;
    for (const trust::Json& note : *answer.find("notes")->array()) texts += *note.string() + '\n';
    return texts;
  };
  EXPECT_NE(told("site=ams").find("\nno device has the tag 'site'\n"), std::string::npos);
  EXPECT_EQ(send("PUT", "/v1/devices/cam-1/tags", R"({"site":"ams","line":"3"})", admin_).status,
            200);
  EXPECT_EQ(told("site=ams").find("no device has"), std::string::npos);
  EXPECT_NE(told("sitee=ams").find("the tag 'sitee': is 'site' meant?"), std::string::npos);
  EXPECT_NE(told("site=asm").find("the tag 'site=asm': is 'site=ams' meant?"), std::string::npos);
  EXPECT_NE(told("line=9000,site=ams").find("the tag 'line=9000'\n"), std::string::npos);
}

TEST_F(Preview, RefusesWhatTheRolloutWouldBeRefusedFor) {
  make_fleet(4);
  for (const std::string more : {R"(,"window":{"from":"25:00","to":"05:00"})", R"(,"query":"site")",
                                 R"(,"stages":[{"devices":3},{"devices":1},{"percent":100}])",
                                 R"(,"stages":[{"devices":3,"shadow":true},{"devices":1},)"
                                 R"({"percent":100}])"}) {
    const Response refused = preview("1.1.0", more);
    EXPECT_EQ(refused.status, 400) << refused.body;
    const Response begun =
        send("POST", "/v1/rollouts",
             R"({"model":"people","unpublished":true,"version":"1.1.0")" + more + "}", admin_);
    EXPECT_EQ(text(refused, "detail"), text(begun, "detail"));
  }
  add_device("cam-odd", "0.5.0");
  const Response no_way_back = preview("1.1.0");
  EXPECT_EQ(no_way_back.status, 409) << no_way_back.body;
  EXPECT_EQ(text(no_way_back, "detail"), text(order("1.1.0"), "detail"));
  EXPECT_EQ(preview("1.1.0", R"(,"one_way":true)").status, 200);
  publish_release("0.5.0");
  const std::string id = begin("1.1.0");
  // What the next one would be is seen while another still runs.
  const Response taken = preview("1.2.0");
  EXPECT_EQ(taken.status, 200);
  const trust::Json note = json(taken).find("why")->array()->at(0);
  EXPECT_EQ(*note.find("code")->string(), "taken");
  EXPECT_EQ(note.find("text")->string()->find("refused until rollout " + id + " is over"), 0u);
  EXPECT_EQ(order("1.2.0").status, 409);
}

TEST_F(Preview, WithoutShadowsItSaysThatNothingComparesAnswers) {
  make_fleet(2);
  const auto is_told = [&](const std::string& stages) {
    return preview("1.1.0", stages).body.find("no stage of shadows") != std::string::npos;
  };
  EXPECT_FALSE(is_told(""));
  EXPECT_TRUE(is_told(R"(,"stages":[{"devices":1},{"percent":100}])"));
}

// The form, the command and the API are told the same, before anything begins.
TEST_F(Preview, AReleaseThatIsNotPublishedIsRefusedWithTheNearest) {
  make_fleet(2);
  const auto refused = [&](const std::string& release) {
    std::string all;
    for (const char* path : {"/v1/rollout-previews", "/v1/rollouts"}) {
      const Response response = send("POST", path, "{" + release + "}", admin_);
      EXPECT_EQ(response.status, 404) << response.body;
      EXPECT_TRUE(all.empty() || text(response, "detail") == all) << response.body;
      all = text(response, "detail");
    }
    return all;
  };
  EXPECT_EQ(refused(R"("model":"people","version":"1.0.1")")
                .find("body.version: people 1.0.1 is not published here; did you mean '1.0.0'? "
                      "'polder hub releases --model people' lists"),
            0u);
  EXPECT_EQ(refused(R"("model":"people","version":"1.0.0","other_version":"77.0.0")")
                .find("body.other_version: people 77.0.0 is not published here"),
            0u);
  EXPECT_EQ(refused(R"("model":"poeple","version":"1.0.0")")
                .find("body.model: no release of 'poeple' is published here; did you mean "
                      "'people'? 'polder hub models' lists"),
            0u);
  EXPECT_EQ(preview("1.0.1").status, 200);
}

TEST_F(Preview, ALookIsNoLessThanDevicesTakeToCheckIn) {
  make_fleet(2);
  hub_->poll_s = 60;
  const Response refused = preview("1.1.0", R"(,"look_s":59)");
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_EQ(text(refused, "detail")
                .find("body.look_s: 59 s is less than devices take to check in "
                      "here, 60 s"),
            0u)
      << refused.body;
  EXPECT_EQ(order("1.1.0").status, 400);
  EXPECT_EQ(preview("1.1.0", R"(,"look_s":60)").status, 200);
  // The usual one is as long as that.
  hub_->poll_s = 900;
  const Response made =
      send("POST", "/v1/rollouts", R"({"model":"people","version":"1.0.0"})", admin_);
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(*json(made).find("look_s")->integer(), 900);
}

}  // namespace
}  // namespace polder::hub
