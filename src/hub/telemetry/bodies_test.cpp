// Many reports in one body mean what they mean one by one.
#include <random>

#include "hub/rollouts/testing_fleet.h"
#include "hub/telemetry/store.h"

namespace polder::hub {
namespace {

class Bodies : public FleetTest {
 protected:
  using Reports = std::vector<proto::Report>;

  std::size_t below(std::size_t count) { return random_() % count; }

  decltype(proto::Report::what) anything() {
    const std::string version = std::vector<std::string>{"0.9.0", "1.0.0", "1.1.0"}[below(3)];
    switch (below(8)) {
      case 0:
        return proto::ReportAlarm{
            .what = std::vector{proto::AlarmKind::kNotRunning, proto::AlarmKind::kReleaseRefused,
                                proto::AlarmKind::kDrift, proto::AlarmKind::kCrashLoop}[below(4)],
            .unit = "people",
            .release = release(version),
            // One that is not to blame for most.
            .code = below(4) > 0 ? std::optional(Code::kNotFound) : std::nullopt,
            .text = ""};
      case 1:
        return proto::ReportLifecycle{
            std::vector{proto::LifecycleKind::kStarted, proto::LifecycleKind::kActivated,
                        proto::LifecycleKind::kCommitted}[below(3)],
            below(4) > 0 ? "people" : "doors", release(version)};
      default: break;
    }
    Device as = devices_[0];
    as.runs = version;
    if (version == "1.0.0" && below(2) == 0) as.shadow = "1.1.0";
    proto::ReportMetrics metrics = window(as);
    for (int i = 0; i < 2; ++i) {
      proto::ReportUnit more{.name = i == 0 ? "doors" : "faces",
                             .health = proto::ReportHealth::kStarting,
                             .frames = below(5)};
      if (below(2) == 0) metrics.units.push_back(std::move(more));
    }
    return metrics;
  }
  Reports made(int count) {
    Reports reports;
    for (int i = 0; i < count; ++i)
      reports.push_back({.device = "cam-0",
                         .program = "1",
                         .boot = 1 + below(2),
                         .sequence = below(40),
                         .time_s = wall_.now_s() - static_cast<std::int64_t>(below(3) * 800),
                         .what = anything()});
    return reports;
  }

  // What is in the database when all of that has been taken in parts of `at_once`; undone again.
  std::vector<std::string> left_by(const Reports& reports, std::size_t at_once) {
    std::vector<std::string> left;
    const Status undone = write(*hub_, [&](Database& database) -> Status {
      for (std::size_t i = 0; i < reports.size(); i += at_once) {
        proto::Checkin body{.program = "1", .timestamp = 1, .reports = {}};
        for (std::size_t k = i; k < std::min(i + at_once, reports.size()); ++k)
          body.reports.push_back(reports[k]);
        const auto taken = take_checkin(database, "cam-0", body, wall_.now_s());
        if (!taken.ok()) return taken.error();
      }
      for (const char* const table :
           {"device_unit", "device_model", "metric_window", "alarm", "report_taken", "rollout",
            "rollout_device", "rollout_counts", "rollout_limit", "rollout_history", "wanted"}) {
        const auto rows = database.query(fmt::format("SELECT * FROM {}", table));
        if (!rows.ok()) return rows.error();
        for (const Row& row : *rows) {
          left.emplace_back(table);
          for (const Value& value : row)
            left.back() += fmt::format(" {}{}{}", value.text(), value.integer(), value.number());
        }
      }
      std::ranges::sort(left);
      return Error{Code::kInvalid, "undone"};
    });
    EXPECT_EQ(undone.error().message, "undone");
    return left;
  }

  std::mt19937_64 random_;
};

TEST_F(Bodies, AreWhatTheirReportsAreOneByOne) {
  history_looks_ = 0;
  make_fleet(4);
  begin("1.1.0");
  for (int i = 0; i < 3; ++i) look();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    random_.seed(seed);
    Reports reports = made(24);
    std::ranges::stable_sort(reports, {}, [](const proto::Report& report) {
      return std::pair(report.boot, report.sequence);
    });
    const auto alone = left_by(reports, 1);
    EXPECT_GT(alone.size(), 30u);
    EXPECT_EQ(left_by(reports, reports.size()), alone);
    EXPECT_EQ(left_by(reports, 5), alone);
  }
}

}  // namespace
}  // namespace polder::hub
