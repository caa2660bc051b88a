// What is said of a worker while it fails and once it runs again, in virtual time.
#include "agent/worker_runner.h"

#include <gtest/gtest.h>

#include "agent/testing.h"
#include "platform/child_fake.h"
#include "platform/storage_fake.h"
#include "trust/testing_release.h"

namespace polder::agent {
namespace {

class WorkerRunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    trust::Manifest manifest = trust::test_manifest();
    const std::string bytes = manifest.bytes();
    release = release_id(manifest, bytes);
    blobs = BlobStore::open(disk).value();
    for (const std::string blob : {"plan for x86-64-v3", "[pipeline]", "person\n", "in.npy",
                                   "out.npy", "chunks", "recipe", "{}"})
      ASSERT_TRUE(replace_stored(disk, BlobStore::name(trust::sha256(blob)), blob).ok());
    slots.emplace(*blobs);
    const trust::Artifact* const chosen[] = {&manifest.artifacts[0]};
    const Status staged = slots->stage("people", Slot::kA, bytes, manifest, chosen);
    ASSERT_TRUE(staged.ok()) << staged.error().message;
    processes.on_start = [this](const ChildOptions&) {
      script = std::make_shared<FakeChildScript>();
      script->outbox.push_back(bytes_of(
          has_camera ? proto::FromWorker(proto::Ready{})
                     : proto::FromWorker(proto::Ended{Code::kNotFound, "no camera", false})));
      if (!has_camera) script->exit = ChildExit{.status = 1};
      return Result<std::shared_ptr<FakeChildScript>>(script);
    };
    runner = std::make_unique<WorkerRunner>(
        config, *slots, disk, processes, clock, "/polderd",
        [this](const Occurrence& what) { occurred.push_back(what); });
    ASSERT_TRUE(runner->run("people", Slot::kA, release).ok());
  }
  void pass_s(std::int64_t seconds) {
    for (std::int64_t i = 0; i < seconds; ++i) {
      clock.advance_us(1'000'000);
      if (has_camera) script->outbox.push_back(bytes_of(proto::Heartbeat{}));
      runner->poll();
    }
  }

  Config config =
      parse_config("device = \"d\"\nmodels = [\"people\"]\noutput.keep = \"nothing\"\n", "test")
          .value();
  FakeStorage disk;
  ManualClock clock;
  std::optional<BlobStore> blobs;
  std::optional<Slots> slots;
  ReleaseId release;
  bool has_camera = false;
  std::shared_ptr<FakeChildScript> script;
  FakeProcesses processes{clock};
  std::vector<Occurrence> occurred;
  std::unique_ptr<WorkerRunner> runner;
};

// Who judges its release still sees that it crashed.
TEST_F(WorkerRunnerTest, OneThatRunsAgainIsWell) {
  pass_s(120);
  EXPECT_EQ(runner->health("people").health, Health::kFailed);
  EXPECT_EQ(runner->health("people").reason, "crash loop: no camera");
  const auto no_shadow = [&] {
    return runner->shadow("people", Slot::kB, {}).error().message.substr(release.text().size());
  };
  EXPECT_EQ(no_shadow(), " does not run: no camera");
  ASSERT_TRUE(runner->health("people").next_start_us);
  EXPECT_LE(*runner->health("people").next_start_us - clock.now_us(), 60'000'000);
  has_camera = true;
  for (const auto failed = script; script == failed;) pass_s(1);
  pass_s(29);
  EXPECT_EQ(runner->health("people").health, Health::kFailed);
  EXPECT_EQ(occurred.back().act, trust::Act::kWorkerFailed);
  const std::size_t before = occurred.size();
  pass_s(1);
  const UnitHealth health = runner->health("people");
  EXPECT_EQ(health.health, Health::kWell);
  EXPECT_EQ(health.reason, "");
  EXPECT_TRUE(health.is_crash_loop);
  EXPECT_EQ(health.code, Code::kNotFound);
  EXPECT_FALSE(health.next_start_us);
  ASSERT_EQ(occurred.size(), before + 1);  // once
  EXPECT_EQ(occurred.back().act, trust::Act::kNote);
  EXPECT_EQ(occurred.back().text, "runs again");
  EXPECT_EQ(no_shadow(), " crashed again and again of late, and runs again: no camera");
  pass_s(700);
  EXPECT_FALSE(runner->health("people").is_crash_loop);
  EXPECT_EQ(occurred.size(), before + 1);
}

}  // namespace
}  // namespace polder::agent
