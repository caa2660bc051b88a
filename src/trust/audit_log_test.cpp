#include "trust/audit_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/storage_fake.h"
#include "platform/temporary.h"
#include "trust/audit_proof.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

constexpr std::int64_t kTime = 1'800'000'000;
const AuditLog::Start kStart{"example.com/releases", "anna", kTime};

// A log in memory whose bytes the test can reach.
struct Fixture {
  MemoryAppendFile* log = nullptr;
  MemoryAppendFile* checkpoints = nullptr;
  Result<AuditLog> open(std::string log_bytes = "", std::string checkpoint_bytes = "") {
    auto first = std::make_unique<MemoryAppendFile>(std::move(log_bytes));
    auto second = std::make_unique<MemoryAppendFile>(std::move(checkpoint_bytes));
    log = first.get();
    checkpoints = second.get();
    return AuditLog::over(std::move(first), std::move(second), kStart);
  }
};

Record record_of(int number) {
  return {kTime + number,
          "key:" + std::to_string(number),
          Act::kReleaseSigned,
          "people 1." + std::to_string(number),
          {{"digest", "sha256:0123"}, {"count", number}, {"text", "\"quoted\"\n\x7f"}}};
}

// A log of `entries` with a checkpoint after each of `signed_at`.
struct Sample {
  std::string log;
  std::vector<std::string> notes;
  std::string checkpoints;
};
Sample sample(std::uint64_t entries, std::vector<std::uint64_t> signed_at, Signer& signer) {
  Fixture files;
  AuditLog log = files.open().value();
  Sample result;
  while (true) {
    if (std::count(signed_at.begin(), signed_at.end(), log.size()) > 0) {
      result.notes.push_back(log.checkpoint(signer).value());
    }
    if (log.size() == entries) break;
    const std::uint64_t next = log.size();
    EXPECT_EQ(log.append(record_of(int(next))).value(), next);
  }
  result.log = files.log->bytes;
  result.checkpoints = files.checkpoints->bytes;
  return result;
}

std::vector<Checkpoint> checkpoints_of(const Sample& from, const PublicKey& key) {
  std::vector<Checkpoint> list;
  for (const std::string& note : from.notes) {
    list.push_back(open_checkpoint(note, {&key, 1}, "test").value());
  }
  return list;
}

std::vector<std::string> lines_of(std::string_view log) {
  std::vector<std::string> lines;
  while (!log.empty()) {
    const std::size_t end = log.find('\n') + 1;
    lines.emplace_back(log.substr(0, end));
    log.remove_prefix(end);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

NextCheckpoint beside(CheckpointReader& reader) {
  return [&reader]() -> Result<std::optional<Checkpoint>> {
    TRY_VALUE(auto item, reader.next());
    return item ? std::optional(std::move(item->checkpoint)) : std::nullopt;
  };
}

TEST(AuditEntry, ActsHaveNames) {
  for (const ActInfo& info : acts()) EXPECT_EQ(act_from_name(info.name).value(), info.act);
  EXPECT_NE(act_from_name("release_singed").error().message.find("release_signed"),
            std::string::npos);
}

TEST(AuditEntry, IsReadOnlyAsItWasWritten) {
  const std::string line = entry_of(record_of(3), 3).value().line().value();
  EXPECT_EQ(line.find('\n'), line.npos);
  const Entry entry = Entry::parse(line, "test").value();
  EXPECT_EQ(entry.act, "release_signed");
  EXPECT_EQ(*entry.details.at("text").string(), "\"quoted\"\n\x7f");
  EXPECT_FALSE(Entry::parse(" " + line, "test"));
  EXPECT_FALSE(Entry::parse(line + " ", "test"));
  std::string more = line;
  more.insert(1, "\"a\":1,");
  EXPECT_EQ(Entry::parse(more, "test").error().code, Code::kCorrupt);
}

TEST(AuditLog, KeepsWhatIsAppended) {
  const TemporaryFile place = TemporaryFile::create(".log").value();
  TestSigner signer("log");
  {
    AuditLog log = AuditLog::open(place.path(), kStart).value();
    EXPECT_EQ(log.size(), 1u);
    EXPECT_EQ(log.append(record_of(1)).value(), 1u);
    EXPECT_EQ(AuditLog::open(place.path(), kStart).error().code, Code::kUnavailable);
    const std::string note = log.checkpoint(signer).value();
    EXPECT_EQ(log.checkpoint(signer).value(), note);  // says so already
  }
  AuditLog log = AuditLog::open(place.path(), kStart).value();
  EXPECT_EQ(log.size(), 2u);
  EXPECT_EQ(log.append(record_of(2)).value(), 2u);
  EXPECT_TRUE(log.checkpoint(signer));
  const auto file = open_readable(place.path()).value();
  const auto notes = open_readable(checkpoints_path(place.path())).value();
  CheckpointReader reader(*notes);
  const LogReport report = verify_log(*file, {}, beside(reader)).value();
  EXPECT_EQ(report.checkpoints, 2u);
  EXPECT_EQ(report.entries, 3u);
  EXPECT_EQ(report.covered, 3u);
  EXPECT_EQ(report.origin, kStart.origin);
  ::unlink(checkpoints_path(place.path()).c_str());
}

TEST(AuditLog, RefusesWhatItCannotKeep) {
  Fixture files;
  AuditLog log = files.open().value();
  const std::string before = files.log->bytes;
  EXPECT_EQ(log.append({kTime, "", Act::kNote, "x"}).error().code, Code::kInvalid);
  EXPECT_EQ(log.append({kTime, "a", Act::kNote, std::string(2000, 'x')}).error().code,
            Code::kInvalid);
  EXPECT_EQ(log.append({kTime, "\xff", Act::kNote, "x"}).error().code, Code::kInvalid);
  EXPECT_EQ(log.append({kTime, "a", Act::kLogCreated, "x"}).error().code, Code::kInvalid);
  EXPECT_EQ(log.append({kTime, "a", Act::kNote, "x", {{"f", 1.5}}}).error().code,
            Code::kUnsupported);
  EXPECT_EQ(
      log.append({kTime, "a", Act::kNote, "x", {{"f", std::string(20000, 'x')}}}).error().code,
      Code::kExhausted);
  files.log->capacity_bytes = before.size() + 10;
  EXPECT_EQ(log.append(record_of(1)).error().code, Code::kExhausted);
  EXPECT_EQ(files.log->bytes, before);
  files.log->capacity_bytes = UINT64_MAX;
  EXPECT_EQ(log.append(record_of(1)).value(), 1u);
  EXPECT_TRUE(verify_log(*files.log, {}));
  auto wrong = AuditLog::over(std::make_unique<MemoryAppendFile>(files.log->bytes),
                              std::make_unique<MemoryAppendFile>(), {"example.com/b", "anna", 0});
  EXPECT_EQ(wrong.error().code, Code::kInvalid);
  EXPECT_EQ(AuditLog::over(std::make_unique<MemoryAppendFile>(),
                           std::make_unique<MemoryAppendFile>(), {"two words", "anna", 0})
                .error()
                .code,
            Code::kInvalid);
}

// A power cut at every byte of the log and of its checkpoints: what was signed stays, what was torn
// is cut off, and the log goes on.
TEST(AuditLog, RecoversFromAPowerCutAtEveryByte) {
  TestSigner signer("log");
  const Sample good = sample(6, {4}, signer);
  const auto lines = lines_of(good.log);
  std::size_t covered = 0;
  for (int i = 0; i < 4; ++i) covered += lines[std::size_t(i)].size();
  int cuts = 0;
  for (std::size_t size = 0; size <= good.log.size(); ++size) {
    Fixture files;
    const std::string cut = good.log.substr(0, size);
    auto log = files.open(cut, good.checkpoints);
    ++cuts;
    EXPECT_EQ(log.ok(), size >= covered) << size;
    if (!log.ok()) {
      EXPECT_EQ(log.error().code, Code::kCorrupt);
      continue;
    }
    EXPECT_EQ(log->torn_bytes(), size - std::min(size, cut.rfind('\n') + 1));
    EXPECT_TRUE(log->append(record_of(9)));
    EXPECT_TRUE(log->checkpoint(signer));
    EXPECT_TRUE(files.open(files.log->bytes, files.checkpoints->bytes).ok());
    // The last block has its place but not its bytes.
    const std::string zeros = cut + std::string(40, '\0');
    EXPECT_TRUE(files.open(zeros, good.checkpoints).ok());
    EXPECT_TRUE(files.open(zeros + "rest\n", good.checkpoints).ok());
    EXPECT_FALSE(files.open(zeros + "rest\n" + lines[5], good.checkpoints).ok());
  }
  for (std::size_t size = 0; size < good.checkpoints.size(); ++size) {
    Fixture files;
    auto log = files.open(good.log, good.checkpoints.substr(0, size));
    ASSERT_TRUE(log.ok()) << log.error().message;
    EXPECT_EQ(log->torn_bytes(), size);
    EXPECT_TRUE(log->checkpoint(signer));
    ++cuts;
  }
  EXPECT_GT(cuts, 1000);
}

// The disk keeps any sectors of what was not synced, in any order: whatever append() and
// checkpoint() had returned is there, nothing else is, and the log goes on.
TEST(AuditLog, RecoversFromEveryCrashState) {
  TestSigner signer("log");
  FakeStorage disk;
  std::vector<std::pair<std::size_t, std::uint64_t>> done;  // steps, entries that must be there
  {
    AuditLog log = AuditLog::open(disk, "audit.log", kStart).value();
    for (int i = 1; i < 12; ++i) {
      done.emplace_back(disk.steps(), log.size());
      Record record = record_of(i);
      record.details["text"] = std::string(std::size_t(i) * 379 % 2500, 'x');  // several sectors
      ASSERT_TRUE(log.append(record));
      if (i % 3 == 0) {
        done.emplace_back(disk.steps(), log.size());
        ASSERT_TRUE(log.checkpoint(signer));
      }
    }
  }
  const std::uint64_t crashes =
      for_each_crash(disk, 40, 1, [&](FakeStorage& after, std::size_t step, std::uint64_t choice) {
        std::uint64_t promised = 0;
        for (const auto& [steps, entries] : done) {
          if (steps <= step) promised = entries;
        }
        auto log = AuditLog::open(after, "audit.log", kStart);
        EXPECT_TRUE(log.ok()) << step << "/" << choice << ": "
                              << (log.ok() ? "" : log.error().message);
        if (!log.ok()) return false;
        EXPECT_GE(log->size(), promised) << step << "/" << choice;
        EXPECT_TRUE(log->append(record_of(99)));
        EXPECT_TRUE(log->checkpoint(signer));
        return !testing::Test::HasFailure();
      });
  std::printf("  %llu crash states\n", static_cast<unsigned long long>(crashes));
  EXPECT_GT(crashes, 1000u);
}

// Every call fails once, in every way: the entry is there or not, and the log goes on.
TEST(AuditLog, SurvivesEveryFault) {
  TestSigner signer("log");
  for (const StorageFault fault : {StorageFault::kFull, StorageFault::kIo, StorageFault::kShort}) {
    for (std::uint64_t call = 0;; ++call) {
      FakeStorage disk;
      disk.fail_at(call, fault);
      std::uint64_t kept = 0;
      if (auto log = AuditLog::open(disk, "audit.log", kStart); log.ok()) {
        for (int i = 0; i < 3; ++i) {
          (void)log->append(record_of(i));
          (void)log->checkpoint(signer);
        }
        kept = log->size();
      }
      const bool all_done = disk.calls() <= call;
      disk.fault_of = nullptr;
      auto again = AuditLog::open(disk, "audit.log", kStart);
      ASSERT_TRUE(again.ok()) << again.error().message;
      EXPECT_GE(again->size(), kept);
      EXPECT_TRUE(again->append(record_of(9)));
      EXPECT_TRUE(again->checkpoint(signer));
      if (all_done) break;
    }
  }
}

// Nothing that is changed below a checkpoint passes: every bit of every byte, every entry dropped,
// doubled, moved, every length.
TEST(AuditLog, FindsEveryChange) {
  TestSigner signer("log");
  const Sample good = sample(16, {5, 11, 16}, signer);
  const auto checkpoints = checkpoints_of(good, signer.public_key());
  std::map<std::string, int> tried, missed;
  const auto expect_found = [&](const std::string& how, const std::string& log) {
    ++tried[how];
    if (verify_log(MemoryAppendFile(log), checkpoints).ok()) ++missed[how];
  };
  ASSERT_TRUE(verify_log(MemoryAppendFile(good.log), checkpoints).ok());
  for (std::size_t bit = 0; bit < good.log.size() * 8; ++bit) {
    std::string log = good.log;
    log[bit / 8] = char(log[bit / 8] ^ (1 << (bit % 8)));
    expect_found("bits flipped", log);
  }
  const auto lines = lines_of(good.log);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto changed = lines;
    changed.erase(changed.begin() + std::ptrdiff_t(i));
    expect_found("entries dropped", joined(changed));
    changed = lines;
    changed.insert(changed.begin() + std::ptrdiff_t(i), lines[i]);
    expect_found("entries doubled", joined(changed));
    for (std::size_t j = 0; j < i; ++j) {
      changed = lines;
      std::swap(changed[i], changed[j]);
      expect_found("entries swapped", joined(changed));
      changed = lines;
      std::rotate(changed.begin() + std::ptrdiff_t(j), changed.begin() + std::ptrdiff_t(i),
                  changed.begin() + std::ptrdiff_t(i) + 1);
      expect_found("entries moved", joined(changed));
    }
    // Rewritten with care: the same form, the right number, another object.
    Entry entry = Entry::parse(lines[i].substr(0, lines[i].size() - 1), "test").value();
    entry.object += "x";
    changed = lines;
    changed[i] = entry.line().value() + "\n";
    expect_found("entries forged", joined(changed));
  }
  // Dropped or added, and the numbers after it made to fit.
  for (std::size_t i = 1; i < lines.size(); ++i) {
    for (const bool drop : {true, false}) {
      if (!drop && i + 1 == lines.size()) continue;  // that is an entry after the checkpoint
      auto changed = lines;
      if (drop) changed.erase(changed.begin() + std::ptrdiff_t(i));
      else changed.insert(changed.begin() + std::ptrdiff_t(i), lines[i]);
      for (std::size_t j = i; j < changed.size(); ++j) {
        Entry entry = Entry::parse(changed[j].substr(0, changed[j].size() - 1), "test").value();
        entry.sequence = j;
        changed[j] = entry.line().value() + "\n";
      }
      expect_found("entries renumbered", joined(changed));
    }
  }
  for (std::size_t size = 0; size < good.log.size(); ++size) {
    expect_found("lengths", good.log.substr(0, size));
  }
  int total = 0;
  for (const auto& [how, count] : tried) {
    std::printf("  %6d %s, %d missed\n", count, how.c_str(), missed[how]);
    EXPECT_EQ(missed[how], 0) << how;
    total += count;
  }
  EXPECT_GT(total, 20'000);
  // What is added after the last checkpoint is no change of what was signed; it is counted.
  Fixture files;
  AuditLog log = files.open(good.log, good.checkpoints).value();
  EXPECT_TRUE(log.append(record_of(16)));
  const LogReport report = verify_log(*files.log, checkpoints).value();
  EXPECT_EQ(report.entries - report.covered, 1u);
}

TEST(AuditLog, NamesTheEntriesThatDoNotFit) {
  TestSigner signer("log");
  const Sample good = sample(12, {5, 9}, signer);
  auto lines = lines_of(good.log);
  const std::size_t at = lines[6].find("people");
  lines[6][at] = 'q';
  const auto report =
      verify_log(MemoryAppendFile(joined(lines)), checkpoints_of(good, signer.public_key()));
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().message.find("entries 5 to 8"), std::string::npos)
      << report.error().message;
}

TEST(AuditLog, NeverVouchesForWhatOthersWrote) {
  TestSigner signer("log"), thief("thief");
  const Sample good = sample(6, {4}, signer);
  {  // A log that was changed below its checkpoint is not opened.
    std::string changed = good.log;
    changed[changed.find("people 1.2")] = 'q';
    Fixture files;
    EXPECT_EQ(files.open(changed, good.checkpoints).error().code, Code::kCorrupt);
  }
  {  // Nor is one continued whose last checkpoint somebody else signed.
    const Sample forged = sample(6, {6}, thief);
    Fixture files;
    AuditLog log = files.open(forged.log, forged.checkpoints).value();
    EXPECT_TRUE(log.append(record_of(7)));
    EXPECT_EQ(log.checkpoint(signer).error().code, Code::kDenied);
    // Unless its key is known as an earlier one.
    EXPECT_TRUE(log.checkpoint(signer, {&thief.public_key(), 1}));
  }
  EXPECT_EQ(open_checkpoint(good.notes[0], {&thief.public_key(), 1}, "test").error().code,
            Code::kDenied);
  // The checkpoint of another log under the same key.
  Checkpoint other = checkpoints_of(good, signer.public_key())[0];
  other.origin = "example.com/other";
  EXPECT_EQ(verify_log(MemoryAppendFile(good.log), {other}).error().code, Code::kCorrupt);
}

TEST(AuditProof, AreCheckedWithNothingButTheKey) {
  for (const Scheme scheme : {Scheme::kEd25519, Scheme::kEcdsaP256, Scheme::kRsaPss}) {
    TestSigner signer(scheme);
    const Sample good = sample(13, {5, 13}, signer);
    const MemoryAppendFile log(good.log);
    for (std::uint64_t n = 0; n < 13; ++n) {
      const std::string proof = prove_entry(log, n, good.notes[1]).value().pretty();
      const Proven proven = check_proof(proof, {&signer.public_key(), 1}, "proof.json").value();
      EXPECT_EQ(proven.entry->sequence, n);
      EXPECT_EQ(proven.checkpoint.size, 13u);
    }
    EXPECT_EQ(prove_entry(log, 5, good.notes[0]).error().code, Code::kInvalid);
    const std::string growth = prove_growth(log, good.notes[0], good.notes[1]).value().compact();
    const Proven proven = check_proof(growth, {&signer.public_key(), 1}, "proof.json").value();
    EXPECT_EQ(proven.older->size, 5u);
    EXPECT_FALSE(proven.entry);
    EXPECT_EQ(check_proof(growth, {&TestSigner(scheme).public_key(), 1}, "p").error().code,
              Code::kDenied);
    EXPECT_EQ(prove_growth(log, good.notes[1], good.notes[0]).error().code, Code::kInvalid);
  }
}

TEST(AuditProof, EveryChangedCharacterIsFound) {
  TestSigner signer("log");
  const Sample good = sample(13, {5, 13}, signer);
  const MemoryAppendFile log(good.log);
  int tried = 0;
  for (const std::string& proof :
       {prove_entry(log, 4, good.notes[1]).value().compact(),
        prove_growth(log, good.notes[0], good.notes[1]).value().compact()}) {
    for (std::size_t i = 0; i < proof.size(); ++i) {
      for (const char to : {'A', 'z', '0', '"', ' ', '\n'}) {
        std::string changed = proof;
        if (changed[i] == to) continue;
        changed[i] = to;
        // \u000a is \u000A.
        const auto json = Json::parse(changed, "p");
        if (json.ok() && *json == *Json::parse(proof, "p")) continue;
        ++tried;
        EXPECT_FALSE(check_proof(changed, {&signer.public_key(), 1}, "p").ok()) << i << to;
      }
    }
  }
  EXPECT_GT(tried, 8000);
}

TEST(AuditProof, ARewrittenLogCannotProveThatItGrew) {
  TestSigner signer("log");
  const Sample good = sample(13, {5}, signer);
  // The holder of the key rewrites entry 2 and signs again.
  auto lines = lines_of(good.log);
  Entry entry = Entry::parse(lines[2].substr(0, lines[2].size() - 1), "test").value();
  entry.actor = "somebody else";
  lines[2] = entry.line().value() + "\n";
  Fixture files;
  AuditLog log = files.open(joined(lines), "").value();
  const std::string note = log.checkpoint(signer).value();
  EXPECT_EQ(prove_growth(*files.log, good.notes[0], note).error().code, Code::kCorrupt);
  EXPECT_EQ(prove_entry(*files.log, 2, good.notes[0]).error().code, Code::kCorrupt);
  EXPECT_EQ(verify_log(*files.log,
                       {open_checkpoint(good.notes[0], {&signer.public_key(), 1}, "t").value(),
                        open_checkpoint(note, {&signer.public_key(), 1}, "t").value()})
                .error()
                .code,
            Code::kCorrupt);
}

TEST(AuditLog, LongLinesAndManyEntriesAreRead) {
  TestSigner signer("log");
  Fixture files;
  AuditLog log = files.open().value();
  for (int i = 1; i < 600; ++i) {
    Record record = record_of(i);
    record.details["text"] = std::string(std::size_t(i) * 977 % 15'000, 'x');
    ASSERT_TRUE(log.append(record));
  }
  ASSERT_TRUE(log.checkpoint(signer));
  EXPECT_EQ(verify_log(*files.log, {}).value().entries, 600u);
  EXPECT_TRUE(files.open(files.log->bytes, files.checkpoints->bytes).ok());
  const MemoryAppendFile endless(std::string(kMaxEntryBytes + 2, 'x'));
  EXPECT_EQ(verify_log(endless, {}).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace polder::trust
