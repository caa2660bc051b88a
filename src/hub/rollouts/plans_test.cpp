// How SQLite does what a check-in, a look and the end of a rollout ask of it: by an index that
// leads to what is meant, however large the fleet. Each statement is explained as it comes; those
// that a rollout may ask once, of all of its devices, are named.
#include <memory>
#include <sstream>
#include <string>

#include "hub/rollouts/members.h"
#include "hub/rollouts/testing_fleet.h"
#include "hub/store/testing_plans.h"
#include "hub/telemetry/store.h"

namespace polder::hub {
namespace {

// Through all of a table, or all devices of a rollout or a model.
bool is_broad(const std::string& line) {
  if (is_scan(line) || line.ends_with("device_model_model (model=?)")) return true;
  // The indices of those that something is wrong with are of few.
  return line.find("rollout_device") != line.npos && line.ends_with(" (rollout=?)") &&
         line.find("rollout_device_trouble") == line.npos &&
         line.find("rollout_device_failure") == line.npos;
}
// Once for a rollout, at its end, its devices are free for others.
constexpr std::string_view kDischarge =
    "UPDATE rollout_device SET active_model = NULL WHERE rollout = ?";

// Through all that are told, or only to look through all that are told nothing yet: what tells them
// changes each once.
bool looks_at_most(const std::string& sql, const std::string& line) {
  if (line.ends_with("(rollout=? AND wanted>?)")) return !sql.ends_with(" wanted > 0 LIMIT 1");
  return sql.starts_with("SELECT ") && line.ends_with("(rollout=? AND wanted=?)");
}

std::string broad(const Plans& plans) {
  std::string all;
  for (const auto& [sql, plan] : plans) {
    if (sql == kDischarge) continue;
    std::istringstream lines(plan);
    for (std::string line; std::getline(lines, line);)
      if (is_broad(line) || looks_at_most(sql, line)) all += line + "\n    " + sql + "\n";
  }
  return all;
}

class RolloutPlans : public FleetTest {
 protected:
  void SetUp() override {
    if (std::getenv("POLDER_POSTGRES")) GTEST_SKIP() << "SQLite alone explains itself so";
    FleetTest::SetUp();
  }
  Database& seen(Database& database) override {
    explained_ = std::make_unique<Explained>(database, plans_);
    return *explained_;
  }

  // As a device that has a report for its hub.
  void check_in(const std::string& name) {
    proto::Report report{.device = name,
                         .program = "1",
                         .boot = 1,
                         .sequence = ++sequence_,
                         .time_s = wall_.now_s(),
                         .what = window(device(name))};
    proto::Checkin checkin{.program = "1", .timestamp = 1, .reports = {}};
    checkin.reports.push_back(std::move(report));
    const Status done = write(*hub_, [&](Database& database) -> Status {
      const auto taken = take_checkin(seen(database), name, checkin, wall_.now_s());
      return taken.ok() ? Status() : Status(taken.error());
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void follow(const std::string& id) {
    for (int i = 0; i < 80 && phase(id) == "running"; ++i) {
      look();
      check_in("cam-1");
    }
  }

  Plans plans_;
  std::unique_ptr<Explained> explained_;
  std::uint64_t sequence_ = 0;
};

TEST_F(RolloutPlans, NothingOfOneThatIsDoneGoesThroughTheFleet) {
  make_fleet(20);
  const std::string id = begin("1.1.0", R"(,"strata":"site")");
  follow(id);
  ASSERT_EQ(phase(id), "done") << gate(id);
  EXPECT_EQ(broad(plans_), "");
}

TEST_F(RolloutPlans, NothingOfOneThatFindsNobodyThereGoesThroughTheFleet) {
  make_fleet(20);
  history_looks_ = 0;
  wall_.set_s(wall_.now_s() + 2 * kThereS);
  const std::string id = begin("1.1.0");
  for (int i = 0; i < 3; ++i) {
    wall_.set_s(wall_.now_s() + kTestLookS);
    turn();
  }
  ASSERT_NE(gate(id).find("0 of 1 devices are there"), std::string::npos) << gate(id);
  EXPECT_EQ(broad(plans_), "");
}

TEST_F(RolloutPlans, NothingOfOneThatIsAbortedGoesThroughTheFleet) {
  make_fleet(20);
  behaviour_["1.1.0"].crashes = true;
  const std::string id = begin("1.1.0");
  follow(id);
  ASSERT_EQ(phase(id), "aborted") << gate(id);
  EXPECT_EQ(broad(plans_), "");
}

}  // namespace
}  // namespace polder::hub
