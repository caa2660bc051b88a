#include "release/plan_facts.h"

#include <algorithm>

#include "release/testing.h"
#include "runtime/plan.h"

namespace polder::release {
namespace {

using PlanFactsTest = ReleaseTest;

TEST_F(PlanFactsTest, SaysWhatAPlanNeeds) {
  for (const kernel::Isa target : kernel::kAllIsas) {
    const auto facts = plan_facts(write_plan("m.plan", test_graph(), target), "m.plan").value();
    EXPECT_EQ(facts.target, kernel::isa_name(target));
    EXPECT_EQ(facts.requirement.backend, "native");
    EXPECT_EQ(facts.requirement.plan_format, kPlanFormat);
    EXPECT_FALSE(facts.requirement.operators.empty());
    for (const auto& [name, version] : facts.requirement.operators) {
      EXPECT_GE(version, 1) << name;
    }
  }
}

TEST_F(PlanFactsTest, CutsLieWhereConstantsBegin) {
  const std::string one = write_plan("one.plan", test_graph(3, 1));
  const auto facts = plan_facts(one, "one.plan").value();
  EXPECT_GE(facts.cuts.size(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(facts.cuts));
  EXPECT_EQ(std::ranges::adjacent_find(facts.cuts), facts.cuts.end());
  EXPECT_LT(facts.cuts.back(), read("one.plan").size());
  // Other weights of the same model differ from the first cut on, and lie at the same places.
  const auto other = plan_facts(write_plan("other.plan", test_graph(3, 2)), "other.plan").value();
  EXPECT_EQ(other.cuts, facts.cuts);
  const std::string a = read("one.plan"), b = read("other.plan");
  ASSERT_EQ(a.size(), b.size());
  EXPECT_NE(a.substr(facts.cuts[0]), b.substr(facts.cuts[0]));
}

TEST_F(PlanFactsTest, ErrorsNameTheModel) {
  const std::string plan = read_file(write_plan("m.plan", test_graph()), 1 << 24).value();
  expect_error(plan_facts(path("none.plan"), "m"), Code::kNotFound, {path("none.plan")});
  expect_error(plan_facts(write("cut.plan", plan.substr(0, plan.size() - 1)), "cut"),
               Code::kCorrupt, {"cut"});
  expect_error(plan_facts(write("text.plan", "nothing of that kind"), "text"), Code::kCorrupt,
               {"text"});
  std::string newer = plan;
  newer[8] = char(kPlanFormat + 1);
  expect_error(plan_facts(write("newer.plan", newer), "newer"), Code::kIncompatible, {"newer"});
  expect_error(plan_facts(write("empty.plan", ""), "empty"), Code::kCorrupt, {"empty"});
}

}  // namespace
}  // namespace polder::release
