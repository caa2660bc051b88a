// For tests of the driver: a repository and workers that do as they are told, on a disk in memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/driver.h"
#include "agent/testing.h"
#include "base/fail.h"
#include "platform/storage_fake.h"

namespace polder::agent {

inline ReleaseId release(const std::string& text, const std::string& model = "people") {
  return {model, trust::Version::parse(text, "test").value(), trust::sha256(model + text)};
}

// A repository with one release at a time, and the slots, as the disk would have them.
class FakeReleases final : public Releases {
 public:
  std::vector<Offer> offers;
  std::vector<Refusal> refusals;
  Error check_error{Code::kIo, ""}, download_error{Code::kIo, ""}, stage_error{Code::kIo, ""};
  std::map<std::pair<std::string, Slot>, ReleaseId> slots;
  std::map<std::pair<std::string, Slot>, Code> damaged;  // what a hash of a slot comes to
  int hashed = 0;
  std::map<std::string, trust::Version> floors;
  std::optional<std::int64_t> root;
  int checks = 0, downloads = 0, tidied = 0;
  std::function<void()> during_download;

  Result<CheckOutcome> check(const AgentState&, std::int64_t) override {
    ++checks;
    if (!check_error.message.empty()) return Error(check_error);
    return CheckOutcome{
        .offers = offers, .refusals = refusals, .time_seen_s = kNow, .floors = floors};
  }
  std::optional<std::int64_t> new_root() override { return std::exchange(root, std::nullopt); }
  Status download(const AgentState&, const Alive& alive) override {
    ++downloads;
    if (during_download) during_download();
    TRY(alive());
    return outcome(download_error);
  }
  Status verify(const AgentState&, const Alive&) override { return {}; }
  Status stage(const AgentState& state, const Alive&) override {
    TRY(clear(state.update->unit, state.update->slot));
    TRY(outcome(stage_error));
    slots.insert_or_assign({state.update->unit, state.update->slot}, state.update->release);
    return {};
  }
  Status clear(const std::string& unit, Slot slot) override {
    slots.erase({unit, slot});
    damaged.erase({unit, slot});
    return {};
  }
  Status verify_slot(const std::string& unit, Slot slot, const ReleaseId& id,
                     const Alive&) override {
    ++hashed;
    if (const auto at = damaged.find({unit, slot}); at != damaged.end())
      return fail(at->second, "its bytes have another digest");
    const auto found = slots.find({unit, slot});
    if (found != slots.end() && found->second == id) return {};
    return fail(Code::kCorrupt, "not what was staged");
  }
  Status tidy(const AgentState&) override {
    ++tidied;
    return {};
  }

 private:
  static Status outcome(const Error& error) {
    return error.message.empty() ? Status() : Status(Error(error));
  }
};

class FakeRunner final : public Runner {
 public:
  Error probe_error{Code::kIo, ""};
  std::string bad_version;     // its health is bad
  bool is_crash_loop = true;   // for that
  bool has_recovered = false;  // of that
  std::optional<Code> bad_code;
  std::vector<ReleaseId> runs;       // all that were begun
  std::set<std::string> unopenable;  // versions
  std::map<std::string, ReleaseId> running;
  bool shadowing = false;
  std::uint64_t failed_start = 0;
  int shadowed = 0, polls = 0, shadow_fails_at = 1'000'000;
  Error shadow_error{Code::kIo, ""};

  Status probe(const std::string&, Slot, const ReleaseId&, const Alive& alive) override {
    TRY(alive());
    return probe_error.message.empty() ? Status() : Status(Error(probe_error));
  }
  Status run(const std::string& unit, Slot, const ReleaseId& id) override {
    running.erase(unit);
    shadowing = false;
    if (unopenable.contains(id.version.text())) return fail(Code::kCorrupt, "not whole");
    running.insert_or_assign(unit, id);
    runs.push_back(id);
    return {};
  }
  void stop(const std::string& unit) override { running.erase(unit); }
  Status shadow(const std::string&, Slot, const ReleaseId&) override {
    ++shadowed;
    shadowing = true;
    if (shadowed < shadow_fails_at) return {};
    return Error(shadow_error);
  }
  void end_shadow(const std::string&) override { shadowing = false; }
  void poll() override { ++polls; }
  UnitHealth health(const std::string& unit) override {
    const auto found = running.find(unit);
    if (found == running.end()) return {};
    if (found->second.version.text() == bad_version && has_recovered)
      return {.health = Health::kWell, .code = bad_code, .is_crash_loop = is_crash_loop};
    if (found->second.version.text() == bad_version)
      return {Health::kFailed, "it crashes", bad_code, is_crash_loop};
    return {.health = Health::kWell, .failed_start = failed_start};
  }
};

class DriverTest : public testing::Test {
 protected:
  FakeStorage disk;
  FakeReleases releases;
  FakeRunner runner;
  ManualClock clock;
  ManualWallClock wall{kNow};
  std::vector<Occurrence> occurred;
  std::uint64_t seed = 1;
  std::int64_t retry_after_s = 0;
  Config config =
      parse_config("device = \"d\"\nmodels = [\"people\"]\nruntime = \"polderd\"\n", "test")
          .value();

  Driver driver(Self self = {}) {
    return Driver(
        config, {},
        {disk, releases, runner, clock, wall, [this] { return seed++; },
         [this](const Occurrence& o) { occurred.push_back(o); }, [this] { return retry_after_s; }},
        self);
  }
  int count(trust::Act act) const {
    return int(std::ranges::count(occurred, act, &Occurrence::act));
  }
  void settle(Driver& agent) {
    const auto turn = agent.turn_until_idle();
    ASSERT_TRUE(turn.ok());
  }
  void install(const std::string& version) {
    releases.offers = {{"people", release(version)}};
    Driver agent = driver();
    ASSERT_TRUE(agent.start().ok());
    settle(agent);
    ASSERT_EQ(agent.state().units.at("people").committed, release(version));
  }
};

}  // namespace polder::agent
