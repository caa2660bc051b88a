#include "telemetry/counters.h"

#include <gtest/gtest.h>

namespace polder::telemetry {
namespace {

TEST(Counters, ByName) {
  Counters counters, more;
  counters.add("person");
  counters.add("person", 2);
  more.add("car");
  more.add("person");
  counters.merge(more);
  EXPECT_EQ(counters.counts().at("person"), 4u);
  EXPECT_EQ(counters.counts().at("car"), 1u);
}

TEST(Counters, ThereAreOnlySoMany) {
  Counters counters;
  for (int i = 0; i < 1000; ++i) counters.add("name" + std::to_string(i));
  EXPECT_EQ(counters.counts().size(), Counters::kMaxNames);
  EXPECT_EQ(counters.counts().at(std::string(Counters::kOther)), 1000 - Counters::kMaxNames + 1);
  counters.add("name3");  // those that were there go on
  EXPECT_EQ(counters.counts().at("name3"), 2u);
  Counters longer;
  longer.add(std::string(1000, 'x'));
  EXPECT_EQ(longer.counts().begin()->first.size(), Counters::kMaxNameBytes);
}

}  // namespace
}  // namespace polder::telemetry
