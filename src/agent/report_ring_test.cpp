// The ring on a disk that is too small, is cut off and fails at every call.
#include "agent/report_ring.h"

#include <gtest/gtest.h>

#include "platform/storage_fake.h"

namespace polder::agent {
namespace {

constexpr RingLimits kEightBlocks{8 * 4096, 100};

std::unique_ptr<ReportRing> open(Storage& disk, std::uint64_t boot,
                                 const RingLimits& limits = kEightBlocks) {
  auto ring = ReportRing::open(disk, boot, limits);
  EXPECT_TRUE(ring.ok()) << ring.error().message;
  return ring.ok() ? std::move(*ring) : nullptr;
}

std::string text(ReportKind kind, std::uint64_t i) {
  return (kind == ReportKind::kAlarm ? "alarm " : "metrics ") + std::to_string(i);
}

// Every third is an alarm.
ReportKind kind_of(std::uint64_t i) {
  return i % 3 == 2 ? ReportKind::kAlarm : ReportKind::kMetrics;
}

std::vector<std::string> texts(ReportRing& ring) {
  std::vector<std::string> all;
  const auto reports = ring.next(1000, 1 << 20);
  EXPECT_TRUE(reports.ok());
  for (const StoredReport& report : *reports) all.push_back(report.bytes);
  return all;
}

TEST(ReportRing, GivesAlarmsFirstAndTheOldestFirst) {
  FakeStorage disk;
  auto ring = open(disk, 7);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(ring->next_key(), (ReportKey{7, i + 1}));
    const auto key = ring->append(kind_of(i), text(kind_of(i), i));
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(*key, (ReportKey{7, i + 1}));
  }
  const std::vector<std::string> expected = {"alarm 2", "metrics 0", "metrics 1", "metrics 3",
                                             "metrics 4"};
  EXPECT_EQ(texts(*ring), expected);
  EXPECT_EQ(ring->next(2, 1000)->size(), 2u);
  EXPECT_EQ(ring->next(9, 17)->size(), 2u);
  EXPECT_EQ(ring->next(9, 1)->size(), 1u);
  ring.reset();
  // Another start goes on behind them.
  ring = open(disk, 8);
  EXPECT_EQ(texts(*ring), expected);
  ASSERT_TRUE(ring->append(ReportKind::kAlarm, "").ok());
  EXPECT_EQ(ring->next(9, 1000)->at(1).key, (ReportKey{8, 1}));
  EXPECT_EQ(ring->drops(), ReportDrops());
}

TEST(ReportRing, ForgetsWhatIsAcknowledged) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  for (std::uint64_t i = 0; i < 5; ++i)
    ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
  const std::vector<ReportKey> keys = {{1, 1}, {1, 3}, {1, 77}, {2, 1}};
  ASSERT_TRUE(ring->acknowledge(keys).ok());
  ASSERT_TRUE(ring->acknowledge(keys).ok());
  EXPECT_EQ(ring->count(), 3u);
  EXPECT_EQ(ring->bytes(), 3u * 4096);
  ring = open(disk, 2);
  EXPECT_EQ(texts(*ring), (std::vector<std::string>{"metrics 1", "metrics 3", "metrics 4"}));
  EXPECT_EQ(ring->drops(), ReportDrops());
}

TEST(ReportRing, TheLeastUrgentGoFirst) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  const auto add = [&](ReportKind kind, int count) {
    for (int i = 0; i < count; ++i) {
      const auto added = ring->append(kind, "x");
      if (!added.ok()) return false;
    }
    return true;
  };
  ASSERT_TRUE(add(ReportKind::kMetrics, 4));
  ASSERT_TRUE(add(ReportKind::kLifecycle, 6));
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 0, 2}));
  ASSERT_TRUE(add(ReportKind::kAlarm, 5));
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 3, 4}));
  EXPECT_FALSE(add(ReportKind::kMetrics, 1));
  ASSERT_TRUE(add(ReportKind::kLifecycle, 1));
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 4, 5}));
  const auto reports = ring->next(100, 1 << 20);
  ASSERT_TRUE(reports.ok());
  ASSERT_EQ(reports->size(), 8u);
  EXPECT_EQ(reports->at(4).kind, ReportKind::kAlarm);
  EXPECT_EQ(reports->at(5).kind, ReportKind::kLifecycle);
  // And as it was for whoever opens it.
  ring = open(disk, 2);
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 4, 5}));
  EXPECT_EQ(ring->count(), 8u);
}

TEST(ReportRing, DropsMetricsBeforeAlarmsAndCounts) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  for (std::uint64_t i = 0; i < 12; ++i)
    ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 0, 4}));
  EXPECT_EQ(texts(*ring),
            (std::vector<std::string>{"alarm 2", "alarm 5", "alarm 8", "alarm 11", "metrics 6",
                                      "metrics 7", "metrics 9", "metrics 10"}));
  for (std::uint64_t i = 100; i < 108; ++i)
    ASSERT_TRUE(ring->append(ReportKind::kAlarm, text(ReportKind::kAlarm, i)).ok());
  EXPECT_EQ(ring->drops(), (ReportDrops{4, 0, 8}));
  EXPECT_EQ(texts(*ring).front(), "alarm 100");
  // Alarms stay where metrics come.
  const auto refused = ring->append(ReportKind::kMetrics, "late");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_EQ(ring->drops(), (ReportDrops{4, 0, 9}));
  ring = open(disk, 2);
  EXPECT_EQ(ring->drops(), (ReportDrops{4, 0, 9}));
  EXPECT_EQ(ring->count(), 8u);
}

TEST(ReportRing, KeepsItsLimits) {
  FakeStorage disk;
  auto ring = open(disk, 1, {1 << 20, 3});
  EXPECT_EQ(ring->append(ReportKind::kAlarm, std::string(kMaxReportBytes + 1, 'x')).error().code,
            Code::kInvalid);
  for (int i = 0; i < 9; ++i)
    ASSERT_TRUE(ring->append(ReportKind::kMetrics, std::string(kMaxReportBytes, 'x')).ok());
  EXPECT_EQ(ring->count(), 3u);
  EXPECT_EQ(ring->drops(), (ReportDrops{0, 0, 6}));
  // With less than before it drops what no longer fits as soon as something comes.
  ring = open(disk, 2, {2 * 4096, 3});
  ASSERT_TRUE(ring->append(ReportKind::kMetrics, "small").ok());
  EXPECT_EQ(texts(*ring), std::vector<std::string>{"small"});
  EXPECT_EQ(ring->append(ReportKind::kAlarm, std::string(kMaxReportBytes, 'x')).error().code,
            Code::kExhausted);
  EXPECT_EQ(texts(*ring), std::vector<std::string>{"small"});
  EXPECT_EQ(ring->drops(), (ReportDrops{1, 0, 9}));
  EXPECT_FALSE(ReportRing::open(disk, 1, {100, 3}).ok());
  EXPECT_FALSE(ReportRing::open(disk, 1, {1 << 20, kMaxReports + 1}).ok());
}

TEST(ReportRing, DropsWhatHasRotten) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  for (std::uint64_t i = 0; i < 6; ++i)
    ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
  const std::string first = "reports/0000000000000001-0000000000000001.metrics";
  ASSERT_TRUE((*disk.open(first))->write(65, "E").ok());
  ASSERT_TRUE((*disk.open("reports/0000000000000001-0000000000000003.alarm"))->truncate(3).ok());
  EXPECT_EQ(texts(*ring),
            (std::vector<std::string>{"alarm 5", "metrics 1", "metrics 3", "metrics 4"}));
  EXPECT_EQ(ring->drops(), (ReportDrops{1, 0, 1}));
  EXPECT_EQ(disk.files().count(first), 0u);
  // A report under the name of another.
  ASSERT_TRUE(disk.rename("reports/0000000000000001-0000000000000002.metrics", first).ok());
  ring = open(disk, 2);
  EXPECT_EQ(texts(*ring), (std::vector<std::string>{"alarm 5", "metrics 3", "metrics 4"}));
}

// Each report is on the disk or counted, once: after a cut anywhere.
TEST(ReportRing, APowerCutLosesAndCountsNothingTwice) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  disk.settle();
  std::vector<std::size_t> done;  // the log's length when an append had returned
  for (std::uint64_t i = 0; i < 16; ++i) {
    ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
    done.push_back(disk.steps());
  }
  EXPECT_GT(ring->drops().metrics, 6u);
  const auto survives = [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
    const auto stored =
        std::uint64_t(std::upper_bound(done.begin(), done.end(), step) - done.begin());
    auto opened = open(after, 2);
    if (!opened) return false;
    const auto all = texts(*opened);
    const std::uint64_t sum = all.size() + opened->drops().metrics + opened->drops().alarms;
    bool fine = sum == stored || sum == stored + 1;
    // All alarms fit; the newest metrics are there.
    for (std::uint64_t i = stored - std::min<std::uint64_t>(stored, 3); i < stored; ++i)
      fine = fine && std::find(all.begin(), all.end(), text(kind_of(i), i)) != all.end();
    fine = fine && opened->append(ReportKind::kAlarm, "next").ok();
    auto again = open(after, 3);
    fine = fine && again->count() == opened->count() && again->drops() == opened->drops();
    EXPECT_TRUE(fine) << "step " << step << ", choice " << choice << ": " << sum << " of "
                      << stored;
    return fine;
  };
  EXPECT_GT(for_each_crash(disk, 8, 1, survives), 700u);
}

TEST(ReportRing, APowerCutInAnAcknowledgementBringsThemAgainAtMost) {
  FakeStorage disk;
  auto ring = open(disk, 1);
  for (std::uint64_t i = 0; i < 6; ++i)
    ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
  disk.settle();
  ASSERT_TRUE(ring->acknowledge(std::vector<ReportKey>{{1, 1}, {1, 2}, {1, 3}}).ok());
  for_each_crash(disk, 8, 1, [&](FakeStorage& after, std::size_t step, std::uint64_t) {
    auto opened = open(after, 2);
    EXPECT_EQ(opened->drops(), ReportDrops());
    EXPECT_GE(opened->count(), 3u);
    if (step == disk.steps()) {
      EXPECT_EQ(opened->count(), 3u);
    }
    return !testing::Test::HasFailure();
  });
}

TEST(ReportRing, AFaultyDiskLosesNothingThatWasTaken) {
  using enum StorageFault;
  for (const StorageFault fault : {kFull, kIo, kShort}) {
    for (const bool for_good : {false, true}) {
      std::uint64_t failed = 0;
      for (std::uint64_t call = 0;; ++call) {
        FakeStorage disk;
        auto ring = open(disk, 1);
        for (std::uint64_t i = 0; i < 8; ++i)
          ASSERT_TRUE(ring->append(kind_of(i), text(kind_of(i), i)).ok());
        const std::uint64_t before = disk.calls();
        disk.fail_at(call, fault, for_good);
        std::uint64_t kept = 8;
        for (std::uint64_t i = 8; i < 12; ++i)
          kept += ring->append(kind_of(i), text(kind_of(i), i)).ok();
        failed += 12 - kept;
        // In the process the sum is right whatever happens.
        EXPECT_EQ(ring->count() + ring->drops().alarms + ring->drops().metrics, 12u) << call;
        if (disk.calls() <= before + call) break;
        disk.fault_of = nullptr;
        ASSERT_TRUE(ring->append(ReportKind::kAlarm, "last").ok());
        auto again = open(disk, 2);
        EXPECT_EQ(texts(*again), texts(*ring)) << call;
        EXPECT_EQ(again->drops(), ring->drops()) << call;
      }
      EXPECT_GT(failed, 0u);
    }
  }
}

TEST(ReportRing, ADiskFullOfSomethingElseCostsTheOldest) {
  FakeStorage disk(1 << 20);
  auto ring = open(disk, 1, {1 << 20, 100});
  for (std::uint64_t i = 0; i < 6; ++i)
    ASSERT_TRUE(ring->append(ReportKind::kMetrics, std::string(1000, 'x')).ok());
  disk.set_capacity((1 << 20) - disk.free_bytes().value() + 100);
  ASSERT_TRUE(ring->append(ReportKind::kAlarm, std::string(900, 'a')).ok());
  EXPECT_GE(ring->drops().metrics, 1u);
  EXPECT_EQ(ring->drops().alarms, 0u);
  EXPECT_EQ(texts(*ring).front(), std::string(900, 'a'));
}

}  // namespace
}  // namespace polder::agent
