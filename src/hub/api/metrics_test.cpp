// What the hub tells Prometheus; on PostgreSQL too (tests/hub).
#include <gtest/gtest.h>

#include "hub/api/testing_hub.h"
#include "hub/telemetry/store.h"
#include "proto/report.h"

namespace polder::hub {
namespace {

class Metrics : public HubTest {
 protected:
  std::string page() const {
    const Response response = send("GET", "/metrics", "", admin_);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
    return response.body;
  }
  // The value of a sample, as it is written; empty where there is none.
  std::string value(const std::string& sample) const {
    const std::string text = "\n" + page(), line = "\n" + sample + " ";
    const std::size_t at = text.find(line);
    if (at == text.npos) return "";
    const std::size_t from = at + line.size();
    return text.substr(from, text.find('\n', from) - from);
  }
  void check_in(const std::string& device, decltype(proto::Report::what) what) const {
    const proto::Report report{
        .device = device, .program = "1", .time_s = wall_.now_s(), .what = std::move(what)};
    const Status done = write(*hub_, [&](Database& database) -> Status {
      const auto taken = take_checkin(database, device, {"1", 0, {report}}, wall_.now_s());
      return taken.ok() ? Status() : Status(taken.error());
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void run(const std::string& sql) const {
    const Status done = write(*hub_, [&](Database& database) { return database.run(sql); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
};

TEST_F(Metrics, TellHowTheFleetDoes) {
  EXPECT_EQ(value("polder_hub_devices{state=\"new\"}"), "0");
  for (const char* device : {"cam-1", "cam-2", "cam-3", "cam-4"}) {
    trust::TestSigner key(trust::Scheme::kEcdsaP256);
    enrolled(key, device);
  }
  const proto::ReportRelease release{.model = "people", .version = "1.2.0"};
  const auto started =
      proto::ReportLifecycle{proto::LifecycleKind::kStarted, "people", std::optional(release)};
  check_in("cam-1", started);
  check_in("cam-4", started);
  wall_.set_s(kNowS + kSeenLatelyPolls * kPollS + 1);
  check_in("cam-2", proto::ReportAlarm{.what = proto::AlarmKind::kCrashLoop,
                                       .unit = "people",
                                       .release = release,
                                       .code = {},
                                       .text = "",
                                       .signal = ""});
  EXPECT_EQ(send("POST", "/v1/devices/cam-4/revoke", "", admin_).status, 204);
  EXPECT_EQ(value("polder_hub_devices{state=\"seen_lately\"}"), "1");
  EXPECT_EQ(value("polder_hub_devices{state=\"silent\"}"), "1");
  EXPECT_EQ(value("polder_hub_devices{state=\"new\"}"), "1");
  EXPECT_EQ(value("polder_hub_devices{state=\"revoked\"}"), "1");
  EXPECT_EQ(value("polder_hub_units{model=\"people\",version=\"1.2.0\",health=\"starting\"}"), "1");
  EXPECT_EQ(value("polder_hub_alarms_last_hour{what=\"crash_loop\"}"), "1");
  wall_.set_s(kNowS + kSeenLatelyPolls * kPollS + 3'602);
  EXPECT_EQ(value("polder_hub_alarms_last_hour{what=\"crash_loop\"}"), "");
}

TEST_F(Metrics, TellOfRolloutsAndOfWhatExpires) {
  for (const auto& [id, phase, trouble] :
       {std::array{"r1", "aborted", ""}, {"r2", "running", ""}, {"r3", "paused", "a plan of 9"}})
    run(
        fmt::format("INSERT INTO rollout (id, place, model, version, other_version, plan, phase, "
                    "stage, stage_since_s, reason, gate, created_s, created_by, look_s, looks, "
                    "retry, has_old, members, trouble) VALUES ('{}', {}, 'people', '1.2.0', '', "
                    "'', '{}', 2, {}, '', '', 0, '', 300, 0, 0, 1, 7, '{}')",
                    id, id[1], phase, kNowS - 60, trouble));
  EXPECT_EQ(value("polder_hub_rollouts{phase=\"aborted\"}"), "1");
  EXPECT_EQ(value("polder_hub_rollouts{phase=\"running\"}"), "1");
  EXPECT_EQ(value("polder_hub_rollouts{phase=\"done\"}"), "0");
  const std::string r2 = "{rollout=\"r2\",model=\"people\",version=\"1.2.0\"}";
  EXPECT_EQ(value("polder_hub_rollout_stage" + r2), "3");
  EXPECT_EQ(value("polder_hub_rollout_stage_begin_timestamp_seconds" + r2),
            std::to_string(kNowS - 60));
  EXPECT_EQ(value("polder_hub_rollout_trouble" + r2), "0");
  EXPECT_EQ(value("polder_hub_rollout_trouble{rollout=\"r3\",model=\"people\",version=\"1.2.0\"}"),
            "1");
  EXPECT_EQ(page().find("rollout=\"r1\""), std::string::npos);  // it is over
  EXPECT_EQ(value("polder_hub_approvals_open"), "0");
  EXPECT_GT(std::stoll(value("polder_hub_authority_expiry_timestamp_seconds")), kNowS);
}

TEST_F(Metrics, CountRequestsByWhoAskedAndWhatCameOfThem) {
  const std::string refused = "polder_hub_requests_total{asker=\"person\",status=\"4xx\"}";
  // As the server does.
  const auto send = [this](std::string_view target, const std::string& by = "") {
    Response response = HubTest::send("GET", target, "", by);
    router_->sent(response, 500'000);
    return response.status;
  };
  EXPECT_EQ(value(refused), "0");
  EXPECT_EQ(send("/v1/devices", "Bearer x"), 401);
  EXPECT_EQ(send("/metrics"), 401);
  EXPECT_EQ(value(refused), "2");
  EXPECT_EQ(send("/nothing"), 404);
  EXPECT_EQ(send("/healthz"), 200);
  EXPECT_EQ(send("/v1/self"), 401);
  EXPECT_EQ(value("polder_hub_requests_total{asker=\"anyone\",status=\"4xx\"}"), "1");
  EXPECT_EQ(value("polder_hub_requests_total{asker=\"anyone\",status=\"2xx\"}"), "1");
  EXPECT_EQ(value("polder_hub_requests_total{asker=\"device\",status=\"4xx\"}"), "1");
  EXPECT_EQ(value("polder_hub_request_seconds_total{asker=\"person\"}"), "1");
  EXPECT_EQ(send("/metrics?all=1", admin_), 400);
}

}  // namespace
}  // namespace polder::hub
