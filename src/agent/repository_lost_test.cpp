// A release that was committed and whose slot was lost, when nobody chooses it any more.
#include "agent/testing_client.h"

namespace polder::agent {
namespace {

class Lost : public Client {
 protected:
  Lost() {
    config_.models = {"people"};
    state_ = with_units({}, config_.models, "").value();
    add_assignments();
    first_ = release_of("1.0.0");
    second_ = release_of("2.0.0");
    // 2.0.0 was committed after 1.0.0; neither is left.
    unit().committed = second_, unit().previous = first_, unit().highest = second_.version;
    assign("cam-12", {});
  }
  ReleaseId release_of(const std::string& text) {
    const trust::Manifest manifest = add("people", text);
    return release_id(manifest, manifest.bytes());
  }
  void run(const ReleaseId& release) { unit().active = Slot::kA, unit().slots[0] = release; }
  Unit& unit() { return state_.units.at("people"); }

  ReleaseId first_, second_;
};

TEST_F(Lost, IsOfferedAgainThoughNobodyAssignsIt) {
  EXPECT_EQ(texts(), Texts{"people 2.0.0"});
  run(first_);
  EXPECT_EQ(texts(), Texts{"people 2.0.0"});
  run(second_);
  EXPECT_EQ(texts(), Texts());
}

TEST_F(Lost, GivesWayToWhatIsAssigned) {
  release_of("3.0.0");
  assign("cam-12", {{"people", version("3.0.0")}});
  EXPECT_EQ(texts(), (Texts{"people 3.0.0", "people 2.0.0"}));
  assign("cam-12", {{"people", version("2.0.0")}});
  EXPECT_EQ(texts(), Texts{"people 2.0.0"});
  // Whoever chooses wants what runs now.
  run(first_);
  assign("cam-12", {{"people", version("1.0.0")}});
  EXPECT_EQ(texts(), Texts{"people 1.0.0"});
}

TEST_F(Lost, IsChosenWhereANewerOneHasFailedHere) {
  release_of("3.0.0");
  assign("cam-12", {{"people", version("3.0.0")}});
  const auto outcome = check();
  ASSERT_TRUE(outcome.ok());
  state_.bad.push_back({.release = outcome->offers.at(0).release, .reason = "crash loop"});
  std::vector<Refusal> refusals;
  const auto none = [](const Attempts&) { return std::int64_t(0); };
  const auto chosen = choose_offer(state_, outcome->offers, none, refusals);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->release, second_);
}

TEST_F(Lost, NothingElseComesInItsPlace) {
  unit().committed->manifest[0] ^= 1;
  EXPECT_EQ(texts(), Texts{"!people 2.0.0"});
  EXPECT_NE(reasons_.find("another manifest"), reasons_.npos) << reasons_;
}

TEST_F(Lost, IsRefusedBelowAFloor) {
  trust::Floors floors;
  floors.floors.emplace("people", version("2.0.1"));
  repository_.add_target("targets", std::string(trust::kFloorsTarget), floors.bytes());
  publish();
  EXPECT_EQ(texts(), Texts{"!people 2.0.0"});
  EXPECT_NE(reasons_.find("below the floor 2.0.1"), reasons_.npos) << reasons_;
}

TEST_F(Lost, IsToldWithWhatToDoWhereTheRepositoryHasItNoMore) {
  repository_.targets["people"].targets.erase(manifest_target("people", version("2.0.0")));
  publish();
  EXPECT_EQ(texts(), Texts{"!people 2.0.0"});
  for (const char* part : {"its slot is lost, and it cannot be installed again", "polder repo add"})
    EXPECT_NE(reasons_.find(part), reasons_.npos) << reasons_;
}

}  // namespace
}  // namespace polder::agent
