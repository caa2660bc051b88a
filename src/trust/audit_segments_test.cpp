#include "trust/audit_segments.h"

#include <gtest/gtest.h>

#include <map>

#include "base/fail.h"
#include "platform/storage_fake.h"
#include "trust/audit_proof.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

constexpr std::int64_t kTime = 1'800'000'000;
const AuditLog::Start kStart{"polderd/camera-17", "polderd", kTime};
constexpr std::uint64_t kBytes = kMinSegmentsBytes;

using Files = std::map<std::string, std::string>;

AuditSegments open(Storage& disk) {
  return AuditSegments::open(disk, "audit", kStart, kBytes).value();
}

// About a tenth of a segment.
Record record_of(int number) {
  return {kTime + number,
          "polderd",
          Act::kReleaseRefused,
          "people 1." + std::to_string(number),
          {{"text", std::string(11'000, char('a' + number % 26))}}};
}

std::uint64_t bytes_of(const Files& files) {
  std::uint64_t bytes = 0;
  for (const auto& [name, content] : files) bytes += content.size();
  return bytes;
}

// As `polder audit verify FOLDER` does.
Result<SegmentChain> verify(const Files& files, const PublicKey& key) {
  std::map<std::uint64_t, std::string> segments;
  for (const auto& [name, bytes] : files) {
    if (const auto number = segment_number(name.substr(name.find('/') + 1)))
      segments.emplace(*number, name);
  }
  SegmentChain chain;
  for (const auto& [number, name] : segments) {
    const auto found = files.find(checkpoints_path(name));
    const MemoryAppendFile log(files.at(name)), notes(found == files.end() ? "" : found->second);
    CheckpointReader reader(notes);
    TRY_VALUE(const LogReport report,
              verify_log(log, {}, [&]() -> Result<std::optional<Checkpoint>> {
                TRY_VALUE(const auto item, reader.next());
                if (!item) return std::optional<Checkpoint>();
                TRY_VALUE(Checkpoint said, open_checkpoint(item->note, {&key, 1}, "test"));
                return std::optional(std::move(said));
              }));
    TRY(chain.add(number, name, report));
  }
  return chain;
}

TEST(AuditSegments, HaveNames) {
  for (const std::uint64_t number : {1, 2, 10, 4711})
    EXPECT_EQ(segment_number(segment_file(number)), number);
  for (const char* name : {"", "log.", "log.0", "log.1", "log.02", "log.2x", "log.2.checkpoints",
                           "log.checkpoints", "log.99999999999999999999999", "Log"})
    EXPECT_FALSE(segment_number(name)) << name;
}

TEST(AuditSegments, StayBelowTheirCapForEver) {
  TestSigner signer("log");
  FakeStorage disk;
  AuditSegments log = open(disk);
  for (int i = 1; i <= 400; ++i) {
    ASSERT_TRUE(log.append(record_of(i), &signer));
    EXPECT_LE(bytes_of(disk.files()), kBytes);
    disk.settle();
  }
  ASSERT_TRUE(log.sign(signer));
  const SegmentChain chain = verify(disk.files(), signer.public_key()).value();
  EXPECT_EQ(chain.origin(), kStart.origin);
  EXPECT_EQ(chain.unsigned_entries(), 0u);
  EXPECT_GT(chain.first(), 20u);
  EXPECT_GE(chain.last(), chain.first() + kSegments - 1);
  EXPECT_GT(chain.entries(), 60u);
  ASSERT_TRUE(chain.removed());
  EXPECT_EQ(chain.removed()->origin, segment_origin(kStart.origin, chain.first() - 1));
  // What was kept of removed segments is told from what is nowhere.
  const auto gone = [&](Checkpoint kept) { return chain.is_of_removed(kept); };
  EXPECT_TRUE(gone(*chain.removed()).value());
  EXPECT_TRUE(gone({kStart.origin, 3, {}}).value());
  EXPECT_TRUE(gone({kStart.origin + "/2", 3, {}}).value());
  EXPECT_FALSE(gone({segment_origin(kStart.origin, chain.last()), 3, {}}).value());
  EXPECT_EQ(gone({segment_origin(kStart.origin, chain.last() + 1), 3, {}}).error().code,
            Code::kCorrupt);
  EXPECT_EQ(gone({"polderd/camera-18", 3, {}}).error().code, Code::kInvalid);
  EXPECT_EQ(gone({kStart.origin + "/02", 3, {}}).error().code, Code::kInvalid);
  Checkpoint other = *chain.removed();
  other.root[0] ^= 1;
  EXPECT_EQ(gone(other).error().code, Code::kCorrupt);
  other = *chain.removed();
  ++other.size;
  EXPECT_EQ(gone(other).error().code, Code::kCorrupt);
}

// Also where nothing but the end of the last segment is signed.
// An entry of any segment, by a checkpoint of the newest.
TEST(AuditSegments, ALaterCheckpointProvesWhatCameBefore) {
  TestSigner signer("log");
  FakeStorage disk;
  AuditSegments log = open(disk);
  for (int i = 1; i <= 40; ++i) ASSERT_TRUE(log.append(record_of(i), nullptr));
  ASSERT_TRUE(log.sign(signer));
  disk.settle();
  const Files files = disk.files();
  std::vector<MemoryAppendFile> logs;
  for (std::uint64_t n = 1; files.contains("audit/" + segment_file(n)); ++n)
    logs.emplace_back(files.at("audit/" + segment_file(n)));
  ASSERT_GE(logs.size(), 4u);
  std::vector<const ReadableFile*> segments;
  for (const MemoryAppendFile& file : logs) segments.push_back(&file);
  const std::string notes = files.at("audit/" + checkpoints_path(segment_file(logs.size())));
  const std::string note = notes.substr(0, notes.size() - 1);
  const auto check = [&](const std::string& proof) {
    return check_proof(proof, {&signer.public_key(), 1}, "proof.json");
  };
  for (const std::uint64_t entry : {0, 3}) {
    const std::string proof = prove_entry(segments, entry, note).value().pretty();
    const Proven proven = check(proof).value();
    EXPECT_EQ(proven.entry->sequence, entry);
    EXPECT_EQ(proven.within->origin, kStart.origin);
    EXPECT_EQ(proven.checkpoint.origin, segment_origin(kStart.origin, logs.size()));
  }
  EXPECT_EQ(prove_entry(segments, 99, note).error().code, Code::kInvalid);
  // One that is left out, or another than it was.
  std::vector<const ReadableFile*> gap = segments;
  gap.erase(gap.begin() + 1);
  EXPECT_FALSE(prove_entry(gap, 3, note).ok());
  const MemoryAppendFile other(files.at("audit/log.2"));
  std::vector<const ReadableFile*> changed = segments;
  changed[0] = &other;
  EXPECT_EQ(prove_entry(changed, 3, note).error().code, Code::kCorrupt);
  // Every part of a proof counts.
  const Json proof = prove_entry(segments, 3, note).value();
  const std::string text = proof.compact();
  int tried = 0;
  for (std::size_t i = 0; i < text.size(); i += 7) {
    std::string damaged = text;
    damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
    const auto json = Json::parse(damaged, "p");
    if (json.ok() && *json == proof) continue;
    ++tried;
    EXPECT_FALSE(check(damaged).ok()) << i;
  }
  EXPECT_GT(tried, 500);
}

TEST(AuditSegments, EveryChangeIsFound) {
  TestSigner signer("log");
  FakeStorage disk;
  {
    AuditSegments log = open(disk);
    for (int i = 1; i <= 30; ++i) ASSERT_TRUE(log.append(record_of(i), nullptr));
    ASSERT_TRUE(log.sign(signer));
  }
  const Files good = disk.files();
  const PublicKey& key = signer.public_key();
  ASSERT_TRUE(verify(good, key).ok());
  ASSERT_EQ(verify(good, key)->unsigned_entries(), 0u);
  ASSERT_GE(verify(good, key)->last(), 3u);
  for (const auto& [name, bytes] : good) {
    const bool is_log = segment_number(name.substr(6)).has_value();
    for (std::size_t i = 0; is_log && i < bytes.size(); i += 4999) {
      Files changed = good;
      changed[name][i] = char(bytes[i] ^ 1);
      EXPECT_FALSE(verify(changed, key).ok()) << name << " " << i;
    }
    for (const std::size_t cut : {std::size_t(1), bytes.size() / 2, bytes.size()}) {
      if (!is_log) continue;
      Files changed = good;
      changed[name].resize(bytes.size() - cut);
      EXPECT_FALSE(verify(changed, key).ok()) << name << " without " << cut;
    }
  }
  {
    Files dropped = good;
    dropped.erase("audit/log.2");
    EXPECT_FALSE(verify(dropped, key).ok());
    Files swapped = good;
    std::swap(swapped["audit/log"], swapped["audit/log.2"]);
    EXPECT_FALSE(verify(swapped, key).ok());
    // An end is no longer the end.
    Files longer = good;
    AuditLog log = AuditLog::over(std::make_unique<MemoryAppendFile>(good.at("audit/log")),
                                  std::make_unique<MemoryAppendFile>(), {"", "x", kTime})
                       .value();
    const std::string line = entry_of(record_of(99), log.size()).value().line().value() + "\n";
    longer["audit/log"] += line;
    EXPECT_FALSE(verify(longer, key).ok());
  }
  // The oldest may have been removed, which is said.
  Files removed = good;
  removed.erase("audit/log");
  removed.erase("audit/log.checkpoints");
  EXPECT_EQ(verify(removed, key).value().removed()->origin, kStart.origin);
}

// A power cut at any step, also between two segments: what append() had taken is there, and the
// chain goes on.
TEST(AuditSegments, RecoverFromEveryCrashState) {
  TestSigner signer("log");
  FakeStorage disk;
  std::vector<std::pair<std::size_t, int>> done;  // steps, entries that must be there
  {
    AuditSegments log = open(disk);
    for (int i = 1; i <= 78; ++i) ASSERT_TRUE(log.append(record_of(i), &signer));
    disk.settle();  // one segment more would exceed the cap
    for (int i = 79; i <= 83; ++i) {
      done.emplace_back(disk.steps(), i - 1);
      ASSERT_TRUE(log.append(record_of(i), &signer));
    }
  }
  const std::uint64_t crashes =
      for_each_crash(disk, 3, 1, [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
        int promised = 0;
        for (const auto& [steps, entry] : done) {
          if (steps <= step) promised = entry;
        }
        auto log = AuditSegments::open(after, "audit", kStart, kBytes);
        EXPECT_TRUE(log.ok()) << step << "/" << choice << ": "
                              << (log.ok() ? "" : log.error().message);
        if (!log.ok()) return false;
        EXPECT_TRUE(log->append(record_of(200), &signer));
        EXPECT_TRUE(log->sign(signer));
        const Files files = after.files();
        EXPECT_LE(bytes_of(files), kBytes);
        const auto chain = verify(files, signer.public_key());
        EXPECT_TRUE(chain.ok()) << step << "/" << choice << ": "
                                << (chain.ok() ? "" : chain.error().message);
        bool is_there = promised == 0;
        const std::string object = fmt::format("\"object\":\"people 1.{}\"", promised);
        for (const auto& [name, bytes] : files) is_there |= bytes.find(object) != bytes.npos;
        EXPECT_TRUE(is_there) << promised;
        return !testing::Test::HasFailure();
      });
  std::printf("  %llu crash states\n", static_cast<unsigned long long>(crashes));
  EXPECT_GT(crashes, 30u);
}

TEST(AuditSegments, SurviveEveryFault) {
  TestSigner signer("log");
  for (const StorageFault fault : {StorageFault::kFull, StorageFault::kIo, StorageFault::kShort}) {
    for (std::uint64_t call = 0;; ++call) {
      FakeStorage disk;
      disk.fail_at(call, fault);
      int taken = 0;
      if (auto log = AuditSegments::open(disk, "audit", kStart, kBytes); log.ok()) {
        for (int i = 1; i <= 12; ++i) taken += log->append(record_of(i), &signer).ok();
      }
      const bool all_done = disk.calls() <= call;
      disk.fault_of = nullptr;
      auto again = AuditSegments::open(disk, "audit", kStart, kBytes);
      ASSERT_TRUE(again.ok()) << again.error().message;
      EXPECT_TRUE(again->append(record_of(20), &signer));
      EXPECT_TRUE(again->sign(signer));
      const auto chain = verify(disk.files(), signer.public_key());
      ASSERT_TRUE(chain.ok()) << call << ": " << chain.error().message;
      EXPECT_GE(chain->entries(), std::uint64_t(taken) + 2);
      EXPECT_TRUE(check_newest_segment(disk, "audit"));
      if (all_done) break;
    }
  }
}

TEST(AuditSegments, ADamagedOneStaysAsItIs) {
  FakeStorage disk;
  { EXPECT_EQ(check_newest_segment(disk, "audit").error().code, Code::kNotFound); }
  {
    AuditSegments log = open(disk);
    ASSERT_TRUE(log.append(record_of(1), nullptr));
  }
  EXPECT_TRUE(check_newest_segment(disk, "audit"));
  ASSERT_TRUE(disk.open("audit/log").value()->write(0, "?"));
  const Files damaged = disk.files();
  EXPECT_EQ(check_newest_segment(disk, "audit").error().code, Code::kCorrupt);
  EXPECT_EQ(AuditSegments::open(disk, "audit", kStart, kBytes).error().code, Code::kCorrupt);
  EXPECT_EQ(disk.files(), damaged);
}

}  // namespace
}  // namespace polder::trust
