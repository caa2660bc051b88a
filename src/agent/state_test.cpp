#include "agent/state.h"

#include <gtest/gtest.h>

#include "platform/file.h"
#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

ReleaseId release(const std::string& model, const std::string& version) {
  return {model, trust::Version::parse(version, "test").value(), trust::sha256(model + version)};
}

// With something in every member.
AgentState full_state() {
  AgentState state;
  state.boot = 7;
  state.time_seen_s = 1'800'000'000;
  Unit unit{.active = Slot::kA};
  unit.slots = {release("people", "1.1.0"), release("people", "1.2.0-rc.1")};
  unit.committed = release("people", "1.1.0");
  unit.previous = release("people", "1.0.0");
  unit.highest = unit.committed->version;
  state.units["people"] = unit;
  state.units["polderd"] = Unit{.runtime = true};
  state.phase = Phase::kProbe;
  state.update = Update{.unit = "people",
                        .release = release("people", "1.2.0-rc.1"),
                        .slot = Slot::kB,
                        .before = Slot::kA,
                        .shadow = true,
                        .retry = 2,
                        .tries = 1,
                        .ended = true,
                        .observed_s = 120,
                        .lived = true,
                        .reason = "a \"reason\"",
                        .offered_s = 1'799'999'000};
  state.attempts = {{release("people", "1.3.0"), 3, 1'800'000'100, "no room", trust::sha256("a")}};
  state.bad = {
      {release("people", "1.1.5"), 1, 1'799'999'999, "worker crashed", trust::sha256("b")}};
  state.floors["people"] = trust::Version::parse("1.0.5", "test").value();
  return state;
}

TEST(State, ComesBackAsItWas) {
  for (const AgentState& state : {AgentState(), full_state()}) {
    ASSERT_TRUE(state.validate().ok()) << state.validate().error().message;
    const auto again = AgentState::parse(state.bytes(), "state.json");
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, state);
    EXPECT_EQ(again->bytes(), state.bytes());
  }
}

// What the fuzzer starts from: a member that it never sees is one that it does not try.
TEST(State, TheCorpusOfTheFuzzerHasEveryMember) {
  const std::string folder = POLDER_SOURCE_DIR "/fuzz/corpus/agent_state/";
  EXPECT_EQ(read_file(folder + "full.json", kMaxStateBytes).value(), full_state().bytes());
  for (const char* name : {"new", "committed", "two", "download", "observe", "roll_back"}) {
    const auto bytes = read_file(folder + name + ".json", kMaxStateBytes);
    const auto state = AgentState::parse(bytes.value(), name);
    EXPECT_TRUE(state.ok()) << state.error().message;
  }
}

TEST(State, AnyFlippedBitIsFound) {
  const AgentState state = full_state();
  const std::string bytes = state.bytes();
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {  // the last is the line's end
    std::string bad = bytes;
    bad[i] = char(bad[i] ^ (1 << (i % 7)));
    const auto parsed = AgentState::parse(bad, "state.json");
    EXPECT_TRUE(!parsed.ok() || *parsed == state) << "byte " << i;
  }
  for (std::size_t size = 0; size + 1 < bytes.size(); size += 7)
    EXPECT_FALSE(AgentState::parse(bytes.substr(0, size), "state.json").ok());
}

TEST(State, AnotherFormatIsNotGuessedAt) {
  std::string bytes = full_state().bytes();
  bytes.replace(bytes.find("\"format\":1"), 10, "\"format\":2");
  const auto parsed = AgentState::parse(bytes, "state.json");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, Code::kIncompatible);
  EXPECT_NE(parsed.error().message.find("newer polderd"), std::string::npos);
}

TEST(State, WhatDoesNotFitTogetherIsRefused) {
  using Change = void (*)(AgentState&);
  const Change changes[] = {
      [](AgentState& s) { s.update.reset(); },
      [](AgentState& s) { s.phase = Phase::kIdle; },
      [](AgentState& s) { s.phase = Phase::kObserve; },
      [](AgentState& s) { s.update->unit = "cars"; },
      [](AgentState& s) { s.update->slot = Slot::kA; },
      [](AgentState& s) { s.update->slot = Slot::kNone; },
      [](AgentState& s) { s.update->release.model = "cars"; },
      [](AgentState& s) { s.units["people"].slots[0].reset(); },
      [](AgentState& s) { s.units["people"].slots[1].reset(); },
      [](AgentState& s) { s.units["people"].active = Slot::kB; },
      [](AgentState& s) { s.units["people"].committed->model = "cars"; },
      [](AgentState& s) { s.units["people"].committed = release("people", "1.2.0-rc.1"); },
      [](AgentState& s) { s.phase = Phase::kDiscard, s.units["people"].committed.reset(); },
      [](AgentState& s) {
        s.units["polderd"].slots[0] = release("polderd", "1.0.0");
        s.units["polderd"].active = Slot::kA;
      },
      [](AgentState& s) { s.units["../x"] = Unit(); },
      [](AgentState& s) { s.floors["../x"] = {}; },
      [](AgentState& s) { s.boot = -1; },
      [](AgentState& s) { s.time_seen_s = kMaxTimeS + 1; },
      [](AgentState& s) { s.bad.resize(kMaxBadReleases + 1, s.bad[0]); },
      [](AgentState& s) { s.attempts.resize(kMaxAttempts + 1, s.attempts[0]); },
      [](AgentState& s) { s.bad[0].reason.assign(kMaxReasonBytes + 1, 'x'); },
      [](AgentState& s) { s.attempts[0].reason.assign(kMaxReasonBytes + 1, 'x'); },
      [](AgentState& s) { s.format = 2; },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    AgentState state = full_state();
    changes[i](state);
    EXPECT_FALSE(state.validate().ok()) << "change " << i;
    FakeStorage disk;
    EXPECT_FALSE(save_state(disk, state).ok()) << "change " << i;
    EXPECT_FALSE(AgentState::parse(state.bytes(), "state.json").ok()) << "change " << i;
  }
}

TEST(State, AFullStateOfTheLargestSizesFits) {
  AgentState state;
  for (std::size_t i = 0; i < kMaxBadReleases; ++i) {
    state.bad.push_back({release(std::string(128, 'm'), "1.0." + std::to_string(i)), 1, kMaxTimeS,
                         std::string(kMaxReasonBytes, '"')});
  }
  for (std::size_t i = 0; i < kMaxFloors; ++i) {
    std::string name = std::to_string(i);
    name.insert(0, 128 - name.size(), 'f');
    state.floors[name] = {};
  }
  FakeStorage disk;
  const Status saved = save_state(disk, state);
  EXPECT_TRUE(saved.ok()) << saved.error().message;
}

TEST(State, IsNewWhereNoneIs) {
  FakeStorage disk;
  const auto state = load_state(disk);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(*state, AgentState());
}

TEST(State, ADamagedFileLeavesTheBackup) {
  FakeStorage disk;
  AgentState older = full_state(), newer = full_state();
  newer.phase = Phase::kShadow;
  ASSERT_TRUE(save_state(disk, older).ok());
  ASSERT_TRUE(save_state(disk, newer).ok());
  EXPECT_EQ(*load_state(disk), newer);
  ASSERT_TRUE(replace_stored(disk, kStateName, "{}").ok());
  std::string note;
  EXPECT_EQ(load_state(disk, &note).value(), older);
  EXPECT_NE(note, "");
  // The damaged one does not become the backup.
  ASSERT_TRUE(save_state(disk, newer).ok());
  ASSERT_TRUE(replace_stored(disk, kStateName, "").ok());
  EXPECT_EQ(load_state(disk).value(), older);
  ASSERT_TRUE(replace_stored(disk, kStateBackupName, "").ok());
  const auto none = load_state(disk);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::kCorrupt);
}

// A damaged state is removed to begin anew; the backup is older than what was seen.
TEST(State, FloorsOutlastTheState) {
  FakeStorage disk;
  AgentState state = full_state();
  ASSERT_TRUE(save_state(disk, state).ok());
  AgentState raised = state;
  raised.floors["people"] = trust::Version::parse("1.1.0", "test").value();
  ASSERT_TRUE(save_state(disk, raised).ok());
  ASSERT_TRUE(replace_stored(disk, kStateName, "").ok());
  EXPECT_EQ(load_state(disk)->floors, raised.floors);
  ASSERT_TRUE(disk.remove(kStateName).ok());
  ASSERT_TRUE(disk.remove(kStateBackupName).ok());
  AgentState fresh;
  fresh.floors = raised.floors;
  EXPECT_EQ(load_state(disk).value(), fresh);
  // Of the two the higher holds, whichever is saved.
  ASSERT_TRUE(save_state(disk, state).ok());
  EXPECT_EQ(load_state(disk)->floors, raised.floors);
  // A file with another byte is none: it may have raised a floor above every release.
  const std::string kept = read_stored(disk, kFloorsName, 10'000).value();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    std::string bad = kept;
    bad[i] = char(bad[i] ^ 1);
    ASSERT_TRUE(replace_stored(disk, kFloorsName, bad).ok());
    const auto floors = load_state(disk)->floors;
    EXPECT_TRUE(floors == state.floors || floors == raised.floors) << i;
  }
  ASSERT_TRUE(replace_stored(disk, kFloorsName, "").ok());
  ASSERT_TRUE(save_state(disk, state).ok());
  ASSERT_TRUE(disk.remove(kStateName).ok());
  ASSERT_TRUE(disk.remove(kStateBackupName).ok());
  EXPECT_EQ(load_state(disk)->floors, state.floors);
}

TEST(State, APowerCutLeavesTheOldOrTheNew) {
  FakeStorage disk;
  AgentState older = full_state(), newer = full_state();
  newer.phase = Phase::kShadow;
  ASSERT_TRUE(save_state(disk, older).ok());
  disk.settle();
  ASSERT_TRUE(save_state(disk, newer).ok());
  const auto survives = [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
    const auto state = load_state(after);
    const bool fine = state.ok() && (*state == older || *state == newer) &&
                      save_state(after, newer).ok() && load_state(after).value() == newer;
    EXPECT_TRUE(fine) << "step " << step << ", choice " << choice;
    return fine;
  };
  EXPECT_GT(for_each_crash(disk, 20, 1, survives), 100u);
}

TEST(State, AFullDiskLeavesTheOld) {
  AgentState older = full_state(), newer = full_state();
  newer.phase = Phase::kShadow;
  for (std::uint64_t call = 0; call < 20; ++call) {
    FakeStorage disk;
    ASSERT_TRUE(save_state(disk, older).ok());
    disk.fail_at(call, StorageFault::kShort, true);
    const bool saved = save_state(disk, newer).ok();
    disk.fault_of = nullptr;
    const auto state = load_state(disk);
    ASSERT_TRUE(state.ok());
    if (saved) EXPECT_EQ(*state, newer);
    else EXPECT_TRUE(*state == older || *state == newer);
  }
}

// A sync that failed leaves bytes that can be read and are not on the disk.
TEST(State, WhatIsSavedAgainAfterAFailureIsDurable) {
  AgentState older = full_state(), newer = full_state();
  newer.phase = Phase::kShadow;
  for (std::uint64_t call = 0; call < 20; ++call) {
    FakeStorage disk;
    ASSERT_TRUE(save_state(disk, older).ok());
    disk.settle();
    disk.fail_at(call, StorageFault::kIo);
    if (save_state(disk, newer).ok()) continue;
    ASSERT_TRUE(save_state(disk, newer).ok());
    const auto after = disk.after_crash(disk.steps(), 0);
    EXPECT_EQ(load_state(*after).value(), newer) << "call " << call;
  }
}

}  // namespace
}  // namespace polder::agent
