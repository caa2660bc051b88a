#include "agent/kept_output.h"

#include <gtest/gtest.h>

#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

constexpr std::uint64_t kCap = 256 << 10;

std::string line(int number, std::size_t bytes = 1000) {
  std::string text = std::to_string(number);
  return text + std::string(bytes - text.size() - 1, '.') + "\n";
}

std::uint64_t total(const FakeStorage& storage) {
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : storage.files()) sum += bytes.size();
  return sum;
}

TEST(KeptOutput, LinesAreThereAsTheyCome) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  const auto events = output.create_lines("/out/events.jsonl").value();
  ASSERT_TRUE(events->write("a\nb\n").ok());
  EXPECT_EQ(storage.files().at("events.jsonl"), "a\nb\n");
  ASSERT_TRUE(events->write("c\n").ok());
  EXPECT_EQ(storage.files().at("events.jsonl"), "a\nb\nc\n");
  EXPECT_FALSE(events->seek(0).ok());
  EXPECT_TRUE(events->commit().ok());
  EXPECT_EQ(output.counts(), (KeptCounts{6, 0, 0}));
}

TEST(KeptOutput, TheOldestGoesFirstAndIsCounted) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  const auto a = output.create_lines("a.jsonl").value(), b = output.create_lines("b.jsonl").value();
  std::string all;
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) {
    ASSERT_TRUE((i % 4 == 0 ? b : a)->write(line(i)).ok());
    ASSERT_LE(total(storage), kCap);
  }
  const KeptCounts counts = output.counts();
  EXPECT_EQ(counts.kept_bytes, kLines * 1000u);
  EXPECT_EQ(counts.lost_bytes, 0u);
  EXPECT_EQ(counts.kept_bytes - counts.dropped_bytes, total(storage));
  EXPECT_GT(total(storage), kCap / 2);
  // The newest are there, whole, and in order.
  std::string kept;
  for (const auto& [name, bytes] : storage.files())
    if (name.ends_with("-a.jsonl")) kept += bytes;
  kept += storage.files().at("a.jsonl");
  std::string expected;
  for (int i = 0; i < kLines; ++i)
    if (i % 4 != 0) expected += line(i);
  EXPECT_TRUE(expected.ends_with(kept));
}

TEST(KeptOutput, ARestartGoesOnAfterTheLastWholeLine) {
  FakeStorage storage;
  {
    KeptOutput output(&storage, kCap);
    ASSERT_TRUE(output.create_lines("events.jsonl").value()->write("a\nb\n").ok());
    ASSERT_TRUE(output.create_lines("gone.jsonl").value()->write("x\n").ok());
  }
  ASSERT_TRUE(storage.open("events.jsonl").value()->write(4, "half a li").ok());
  ASSERT_TRUE(storage.create("video.mp4.part").value()->write(0, "half").ok());
  KeptOutput output(&storage, kCap);
  const auto events = output.create_lines("events.jsonl").value();
  ASSERT_TRUE(events->write("c\n").ok());
  EXPECT_EQ(storage.files().at("events.jsonl"), "a\nb\nc\n");
  // What nobody adds to any more is old; what never was whole has gone.
  EXPECT_EQ(storage.files().at("00000001-gone.jsonl"), "x\n");
  EXPECT_EQ(storage.files().size(), 2u);
}

TEST(KeptOutput, APowerCutLeavesWholeLines) {
  FakeStorage storage;
  {
    KeptOutput output(&storage, kMinKeptBytes);
    const auto events = output.create_lines("events.jsonl").value();
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(events->write(line(i)).ok());
  }
  const auto is_whole = [](const std::string& text) {
    return (text.empty() || text.ends_with('\n')) && text.find('\0') == text.npos;
  };
  const std::uint64_t states = for_each_crash(storage, 3, 7, [&](FakeStorage& after, auto, auto) {
    KeptOutput output(&after, kMinKeptBytes);
    EXPECT_TRUE(output.create_lines("events.jsonl").value()->write("again\n").ok());
    for (const auto& [name, bytes] : after.files()) EXPECT_TRUE(is_whole(bytes)) << name;
    EXPECT_EQ(output.counts().lost_bytes, 0u);
    EXPECT_LE(total(after), kMinKeptBytes);
    return !testing::Test::HasFailure();
  });
  EXPECT_GT(states, 100u);
}

TEST(KeptOutput, AFullDiskCostsLinesAndNothingElse) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  const auto events = output.create_lines("events.jsonl").value();
  ASSERT_TRUE(events->write("a\n").ok());
  for (const StorageFault fault : {StorageFault::kFull, StorageFault::kIo, StorageFault::kShort}) {
    storage.fail_at(0, fault);
    EXPECT_TRUE(events->write("lost line\n").ok());
    EXPECT_TRUE(events->write("b\n").ok());
  }
  EXPECT_EQ(storage.files().at("events.jsonl"), "a\nb\nb\nb\n");
  EXPECT_EQ(output.counts(), (KeptCounts{8, 0, 30}));
  // A line that is larger than all there is room for.
  EXPECT_TRUE(events->write(std::string(kCap, 'x') + "\n").ok());
  EXPECT_EQ(output.counts().lost_bytes, 31 + kCap);
}

TEST(KeptOutput, EveryFaultAtEveryCall) {
  for (const StorageFault fault : {StorageFault::kFull, StorageFault::kShort}) {
    for (std::uint64_t at = 0; at < 80; at += 3) {
      FakeStorage storage;
      KeptOutput output(&storage, kMinKeptBytes);
      const auto events = output.create_lines("e.jsonl").value();
      storage.fail_at(at, fault);
      for (int i = 0; i < 60; ++i) ASSERT_TRUE(events->write(line(i)).ok());
      std::uint64_t found = 0;
      for (const auto& [name, bytes] : storage.files()) {
        ASSERT_TRUE(bytes.empty() || bytes.ends_with('\n')) << name;
        found += bytes.size();
      }
      const KeptCounts counts = output.counts();
      ASSERT_EQ(counts.kept_bytes + counts.lost_bytes, 60'000u) << at;
      ASSERT_LE(found, kMinKeptBytes);
    }
  }
}

TEST(KeptOutput, AWholeFileAppearsWhenItIsDone) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  const auto video = output.create("out/annotated.mp4").value();
  ASSERT_TRUE(video->write("....data").ok());
  ASSERT_TRUE(video->seek(0).ok());
  ASSERT_TRUE(video->write("head").ok());
  EXPECT_EQ(storage.files().size(), 1u);
  ASSERT_TRUE(video->commit().ok());
  EXPECT_EQ(storage.files().at("00000001-annotated.mp4"), "headdata");
  EXPECT_EQ(output.counts(), (KeptCounts{8, 0, 0}));
  {
    const auto large = output.create("large.mp4").value();
    for (int i = 0; i < 300; ++i) ASSERT_TRUE(large->write(line(i)).ok());
    EXPECT_TRUE(large->commit().ok());
    const auto given_up = output.create("cut.mp4").value();
    ASSERT_TRUE(given_up->write("data").ok());
  }
  EXPECT_EQ(storage.files().size(), 1u);
  EXPECT_EQ(output.counts().lost_bytes, 300'004u);
}

// A worker may send to as many at once.
TEST(KeptOutput, ManyUnfinishedFilesStayBelowTheCapAndLeaveRoomForLines) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  const auto events = output.create_lines("events.jsonl").value();
  std::vector<std::unique_ptr<OutputFile>> files;
  for (int i = 0; i < 64; ++i) files.push_back(output.create(std::to_string(i)).value());
  for (int i = 0; i < 100; ++i) {
    for (const auto& file : files) ASSERT_TRUE(file->write(line(i)).ok());
    ASSERT_LE(total(storage), kCap);
  }
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(events->write(line(i)).ok());
  EXPECT_EQ(storage.files().at("events.jsonl").size(), 60'000u);
  for (const auto& file : files) ASSERT_TRUE(file->commit().ok());
  EXPECT_LE(total(storage), kCap);
  EXPECT_EQ(output.counts().kept_bytes + output.counts().lost_bytes, 6'460'000u);
}

TEST(KeptOutput, ManyFilesOfLinesStayBelowTheCap) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  for (int i = 0; i < 64; ++i) {
    const auto lines = output.create_lines(std::to_string(i)).value();
    for (int j = 0; j < 64; ++j) ASSERT_TRUE(lines->write(line(j)).ok());
    ASSERT_LE(total(storage), kCap);
  }
}

// Else a folder that is not even listed any more would be what a few starts leave.
TEST(KeptOutput, EmptyFilesAreFew) {
  FakeStorage storage;
  for (int start = 0; start < 80; ++start) {
    KeptOutput output(&storage, kCap);
    for (int i = 0; i < 32; ++i) {
      ASSERT_TRUE(output.create(std::to_string(i)).value()->commit().ok());
      const std::string name = std::to_string(start) + "-" + std::to_string(i);
      ASSERT_TRUE(output.create_lines(name).value()->write({"\0\n", 2}).ok());
    }
    ASSERT_EQ(output.counts(), (KeptCounts{0, 0, 64}));
    ASSERT_LE(storage.files().size(), kMaxKeptFiles + 1);
  }
  // What a power cut has left of one.
  ASSERT_TRUE(storage.create("cut.jsonl").ok());
  KeptOutput output(&storage, kCap);
  ASSERT_TRUE(output.create_lines("events.jsonl").value()->write("a\n").ok());
  EXPECT_EQ(storage.files().at("events.jsonl"), "a\n");
  EXPECT_FALSE(storage.files().contains("cut.jsonl"));
}

TEST(KeptOutput, WhereThereIsNothing) {
  KeptOutput nowhere(nullptr, kCap);
  const auto lines = nowhere.create_lines("e").value(), file = nowhere.create("f").value();
  ASSERT_TRUE(lines->write("a\n").ok());
  ASSERT_TRUE(file->write("abc").ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(nowhere.counts(), (KeptCounts{0, 0, 5}));
}

TEST(KeptOutput, NamesAreMadePlain) {
  FakeStorage storage;
  KeptOutput output(&storage, kCap);
  for (const char* path : {"a/b c.jsonl", "a/.hidden", "00000009-x", "x.part", "d/"})
    ASSERT_TRUE(output.create_lines(path).value()->write("a\n").ok()) << path;
  for (const char* name : {"b_c.jsonl", "_.hidden_", "_00000009-x_", "_x.part_", "__"})
    EXPECT_TRUE(storage.files().contains(name)) << name;
  EXPECT_FALSE(output.create_lines("other/b c.jsonl").ok());
}

}  // namespace
}  // namespace polder::agent
