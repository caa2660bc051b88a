// Whole installations, from the check to the commit, on a disk that loses, tears and reorders what
// it was not made to keep, is full or fails at any call: the real driver, repository client, blob
// store, slots and state; only the network, the clock and the processes are fakes.
//
// POLDER_FAULTS=N makes it N times as thorough (scripts/faults storage).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <random>

#include "agent/driver.h"
#include "agent/repository_releases.h"
#include "base/fail.h"
#include "platform/http_fake.h"
#include "platform/storage_fake.h"
#include "trust/chunks.h"
#include "trust/testing_release.h"
#include "trust/tuf_testing.h"

namespace polder::agent {
namespace {

using trust::tuf::kTestNowS;

constexpr char kUrl[] = "http://repository.example";
constexpr std::int64_t kHourUs = 3'600'000'000;

int thoroughness() {
  const char* text = std::getenv("POLDER_FAULTS");
  return text ? std::max(1, std::atoi(text)) : 1;
}

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, 0);
  for (char& c : out) c = char(random() & 0xff);
  return out;
}

// --- A repository --------------------------------------------------------------------------------

class World {
 public:
  World() { repository_.keys_of("people"), publish(); }

  // One whose plan is `plan`, with a chunk index.
  ReleaseId release(const std::string& version, const std::string& plan) {
    trust::Manifest m;
    m.model = "people";
    m.version = trust::Version::parse(version, "test").value();
    m.created_s = kTestNowS;
    m.licence = "Apache-2.0";
    trust::Artifact artifact{"detector", trust::ArtifactKind::kPlan, "generic", {}, {}, {}, {}};
    artifact.requirement = {1, {{"conv", 1}}, "native"};
    artifact.blob = put(m, plan);
    m.artifacts = {artifact};
    m.blobs[artifact.blob].chunks = put(m, trust::ChunkIndex::of(plan).bytes());
    m.pipeline =
        trust::Pipeline{put(m, "[pipeline] " + version), {{"labels.txt", put(m, "person\n")}}};
    m.goldens.push_back({"street",
                         "detector",
                         {{"image", put(m, "in.npy")}},
                         {{"boxes", put(m, "out of " + version)}},
                         1e-5,
                         0.001});
    m.sbom = put(m, "{}");
    repository_.add_target("people", manifest_target("people", m.version), m.bytes());
    publish();
    released_.push_back(release_id(m, m.bytes()));
    return released_.back();
  }
  void floor(const std::string& version) {
    trust::Floors floors;
    floors.floors = {{"people", trust::Version::parse(version, "test").value()}};
    repository_.add_target("targets", "floors.json", floors.bytes());
    publish();
  }
  bool has(const ReleaseId& release) const {
    return std::ranges::find(released_, release) != released_.end();
  }
  std::string first_root() const { return repository_.files.files.at("1.root.json"); }

  trust::tuf::Fetcher& metadata() { return repository_.files; }
  FakeHttp& http() { return http_; }

 private:
  void publish() {
    auto& role = static_cast<trust::tuf::DelegatedRole&>(repository_.keys_of("people"));
    role.paths = {"people/*/*"};
    repository_.bump();
    repository_.publish();
  }
  trust::Sha256 put(trust::Manifest& manifest, const std::string& bytes) {
    http_.files[std::string(kUrl) + "/" + blob_place(trust::sha256(bytes))] = bytes;
    return trust::test_blob(manifest, bytes);
  }

  trust::tuf::TestRepository repository_{1};
  FakeHttp http_;
  std::vector<ReleaseId> released_;
};

// --- A device ------------------------------------------------------------------------------------

// Opens what it is to run, which must be whole, and says of one version that it crashes.
class TestRunner final : public Runner {
 public:
  TestRunner(Releases& releases, std::string bad) : releases_(releases), bad_(std::move(bad)) {}

  Status probe(const std::string& unit, Slot slot, const ReleaseId& release,
               const Alive&) override {
    return releases_.verify_slot(unit, slot, release, {});
  }
  Status run(const std::string& unit, Slot slot, const ReleaseId& release) override {
    runs_ = release.version.text();
    Status whole = releases_.verify_slot(unit, slot, release, {});
    EXPECT_TRUE(whole.ok() || whole.error().code == Code::kIo) << whole.error().message;
    return whole;
  }
  void stop(const std::string&) override { runs_.clear(); }
  Status shadow(const std::string&, Slot, const ReleaseId&) override { return {}; }
  void end_shadow(const std::string&) override {}
  void poll() override {}
  UnitHealth health(const std::string&) override {
    if (runs_ == bad_ && !bad_.empty()) return {Health::kFailed, "it crashes", {}, true};
    return {Health::kWell, ""};
  }

 private:
  Releases& releases_;
  std::string bad_, runs_;
};

// What a device has to come to, and what it began with.
struct Task {
  std::string name;
  std::string runs, bad, floor;
  bool had_release = true;
};
void PrintTo(const Task& task, std::ostream* out) { *out << task.name; }

class Machine {
 public:
  Machine(World& world, FakeStorage& disk, const Task& task) : world_(world), task_(task) {
    config_ = parse_config("device = \"cam-12\"\nmodels = [\"people\"]\n[updates]\nobserve_s = 1\n",
                           "test")
                  .value();
    device_ = {{"generic"}, {"native"}, 1, {{"conv", 1}}};
    disk_ = &disk;
  }

  // As the program starts; false: it cannot, and would be started again.
  bool start() {
    auto blobs = BlobStore::open(*disk_);
    if (!blobs.ok() || !StoredMetadata(*disk_).start(world_.first_root()).ok()) return false;
    blobs_ = std::make_unique<BlobStore>(*blobs);
    releases_ = std::make_unique<RepositoryReleases>(config_, device_, world_.metadata(), fetcher_,
                                                     *blobs_);
    runner_ = std::make_unique<TestRunner>(*releases_, task_.bad);
    driver_ = std::make_unique<Driver>(
        config_, Policy{},
        DriverParts{*disk_, *releases_, *runner_, clock_, wall_, [this] { return seed_++; }, {}},
        Self{});
    return driver_->start().ok();
  }
  // Some turns; the clocks go on.
  void live(int turns) {
    for (int i = 0; i < turns && !is_done(); ++i) {
      const std::int64_t before_us = clock_.now_us();
      const auto turn = driver_->turn();
      if (!turn.ok()) return;
      // When there is nothing to do but to wait, an hour goes by.
      const bool waits = driver_->state().phase == Phase::kIdle;
      clock_.sleep_until_us(waits ? before_us + kHourUs : turn->wake_us);
      wall_.set_s(kTestNowS + clock_.now_us() / 1'000'000);
    }
  }
  bool is_done() const {
    const AgentState& state = driver_->state();
    const Unit& unit = state.units.at("people");
    const auto floor = state.floors.find("people");
    return !state.update && unit.running() && unit.running()->version.text() == task_.runs &&
           unit.committed == *unit.running() && state.bad.size() == (task_.bad.empty() ? 0 : 1) &&
           (task_.floor.empty() ||
            (floor != state.floors.end() && floor->second.text() == task_.floor));
  }
  // Why it does not get further, as far as it knows.
  std::string problem() const {
    std::string text = fmt::format("it is stuck in phase {}; check: {}",
                                   phase_name(driver_->state().phase), driver_->check_error());
    for (const Refusal& refusal : driver_->refusals()) text += "; refused: " + refusal.reason;
    for (const Attempts& attempts : driver_->state().attempts)
      text += fmt::format("; {} tried {} times", attempts.release.text(), attempts.failures);
    return text;
  }
  // Why the disk does not hold what it must; empty: it does.
  std::string error() {
    const auto state = load_state(*disk_);
    if (!state.ok()) return state.error().message;
    const auto found = state->units.find("people");
    const ReleaseId* running = found == state->units.end() ? nullptr : found->second.running();
    if (running == nullptr) return task_.had_release ? "nothing runs" : blob_error();
    if (!world_.has(*running)) return running->text() + " was never released";
    BlobStore blobs = BlobStore::open(*disk_).value();
    const Status whole = Slots(blobs).verify("people", found->second.active, *running);
    return whole.ok() ? blob_error() : whole.error().message;
  }

 private:
  // What has its name must be it. (A blob that is running is also a file of the slot.)
  std::string blob_error() const {
    for (const auto& [name, bytes] : disk_->files()) {
      const bool is_blob = storage_folder(name) == "blobs" && !name.ends_with(".new");
      if (is_blob && trust::hex(trust::sha256(bytes)) != name.substr(6)) return name;
    }
    return "";
  }

  World& world_;
  const Task& task_;
  Config config_;
  trust::Device device_;
  FakeStorage* disk_;
  HttpBlobs fetcher_{world_.http(), kUrl};
  ManualClock clock_;
  ManualWallClock wall_{kTestNowS};
  std::uint64_t seed_ = 1;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<RepositoryReleases> releases_;
  std::unique_ptr<TestRunner> runner_;
  std::unique_ptr<Driver> driver_;
};

constexpr int kPatience = 2000;  // turns

// Without a fault from here on; an error.
std::string settle(World& world, FakeStorage& disk, const Task& task) {
  Machine machine(world, disk, task);
  if (!machine.start()) return "it does not start";
  machine.live(kPatience);
  if (!machine.is_done()) return machine.problem();
  return machine.error();
}

class InstallFaults : public testing::TestWithParam<Task> {
 protected:
  // The repository and the disk at which the task begins.
  void SetUp() override {
    const Task& task = GetParam();
    disk_.has_links = task.name != "copies";
    std::string plan = noise(100'000, 1);
    if (task.had_release) {
      world_.release("1.0.0", plan);
      const Task before{"before", "1.0.0", "", "", false};
      ASSERT_EQ(settle(world_, disk_, before), "");
    }
    disk_.settle();
    plan.replace(50'000, 10, "a new part");
    world_.release("1.1.0", plan);
    if (!task.floor.empty()) world_.floor(task.floor);
  }

  World world_;
  FakeStorage disk_;
};

TEST_P(InstallFaults, EveryPowerCutLeadsToTheRelease) {
  const Task& task = GetParam();
  ASSERT_EQ(settle(world_, disk_, task), "");
  std::uint64_t wrong = 0, states = 0;
  const std::uint64_t every = thoroughness() > 1 ? 1 : 9;
  const auto survives = [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
    if ((step + choice) % every != 0) return true;
    ++states;
    // That it holds what runs, before anything mends it; that it gets where it was going.
    std::string error = Machine(world_, after, task).error();
    if (error.empty()) error = settle(world_, after, task);
    EXPECT_EQ(error, "") << "step " << step << ", choice " << choice;
    wrong += !error.empty();
    return wrong < 5;
  };
  for_each_crash(disk_, 2 * thoroughness(), 1, survives);
  EXPECT_GT(states, disk_.steps() / 5);
  std::printf("%s: %zu steps, %llu crash states, %llu wrong\n", task.name.c_str(), disk_.steps(),
              static_cast<unsigned long long>(states), static_cast<unsigned long long>(wrong));
}

TEST_P(InstallFaults, EveryFailingCallDelaysTheReleaseAndNoMore) {
  const Task& task = GetParam();
  std::uint64_t cases = 0, wrong = 0;
  const std::uint64_t every = thoroughness() > 1 ? 1 : 37;
  const auto base = disk_.after_crash(disk_.steps(), 1);
  using enum StorageFault;
  for (const StorageFault fault : {kFull, kIo, kShort}) {
    for (const bool for_good : {false, true}) {
      for (std::uint64_t call = std::uint64_t(fault) % every; wrong < 5; call += every) {
        const auto disk = base->after_crash(base->steps(), 1);
        disk->has_links = disk_.has_links;
        disk->fail_at(call, fault, for_good);
        const std::uint64_t first = disk->calls();
        Machine machine(world_, *disk, task);
        if (machine.start()) machine.live(60);
        if (disk->calls() <= first + call) break;  // it no longer comes to that call
        ++cases;
        disk->fault_of = nullptr;
        std::string error = machine.error();
        if (error.empty()) error = settle(world_, *disk, task);
        EXPECT_EQ(error, "") << "call " << call << ", fault " << int(fault) << for_good;
        wrong += !error.empty();
      }
    }
  }
  EXPECT_GT(cases, 20u);
  std::printf("%s: %llu failing calls, %llu wrong\n", task.name.c_str(),
              static_cast<unsigned long long>(cases), static_cast<unsigned long long>(wrong));
}

// One byte of one file of the slot is another one, and its size is what it was.
TEST(InstalledSlots, WhatHasChangedIsNeverRunAndInstalledAgain) {
  World world;
  FakeStorage disk;
  world.release("1.0.0", noise(100'000, 1));
  ASSERT_EQ(settle(world, disk, {"before", "1.0.0", "", "", false}), "");
  const ReleaseId fresh = world.release("1.1.0", noise(100'000, 2));
  const Task task{"update", "1.1.0", "", ""};
  ASSERT_EQ(settle(world, disk, task), "");
  const Unit unit = load_state(disk)->units.at("people");
  ASSERT_EQ(*unit.running(), fresh);
  BlobStore blobs = BlobStore::open(disk).value();
  const auto staged = Slots(blobs).open("people", unit.active, fresh);
  ASSERT_TRUE(staged.ok());
  ASSERT_EQ(staged->files.size(), 5u);
  const auto old = Slots(blobs).open("people", other_slot(unit.active), *unit.previous);
  ASSERT_TRUE(old.ok());
  for (const StagedFile& file : staged->files) {
    SCOPED_TRACE(file.name);
    const auto damaged = disk.after_crash(disk.steps(), 1);
    const auto at = damaged->open(file.name).value();
    char byte = 0;
    ASSERT_EQ(at->read(file.blob.bytes / 2, {&byte, 1}).value(), 1u);
    byte = char(byte ^ 1);
    ASSERT_TRUE(at->write(file.blob.bytes / 2, {&byte, 1}).ok());
    // Its second names are damaged as well: what the way back has in common with it.
    const bool is_shared = std::ranges::count(old->files, file.blob, &StagedFile::blob) > 0;
    const Task back{"back", "1.0.0", "", ""};
    Machine machine(world, *damaged, back);
    ASSERT_TRUE(machine.start());
    machine.live(2);
    const Unit after = load_state(*damaged)->units.at("people");
    EXPECT_EQ(after.committed, fresh);
    ASSERT_EQ(after.running() != nullptr, !is_shared);
    EXPECT_TRUE(is_shared || *after.running() == *unit.previous);
    EXPECT_EQ(settle(world, *damaged, task), "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, InstallFaults,
                         testing::Values(Task{"first", "1.1.0", "", "", false},
                                         Task{"update", "1.1.0", "", "1.1.0"},
                                         Task{"copies", "1.1.0", "", ""},
                                         Task{"roll_back", "1.0.0", "1.1.0", ""}),
                         [](const auto& given) { return given.param.name; });

}  // namespace
}  // namespace polder::agent
