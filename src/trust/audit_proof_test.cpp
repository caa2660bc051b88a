// Proofs across the segments of a log, each changed as somebody would who has what was signed and
// no key.
#include "trust/audit_proof.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "trust/audit_log.h"
#include "trust/audit_segments.h"
#include "trust/merkle.h"
#include "trust/testing.h"

namespace polder::trust {
namespace {

constexpr std::int64_t kTime = 1'800'000'000;

// A log of some segments of four entries each, with a checkpoint of every one, by one key.
struct Segments {
  Segments(const std::string& origin, std::size_t count) {
    std::optional<Checkpoint> after;
    for (std::size_t n = 1; n <= count; ++n) {
      auto file = std::make_unique<MemoryAppendFile>();
      files.push_back(file.get());
      logs.push_back(AuditLog::over(std::move(file), std::make_unique<MemoryAppendFile>(),
                                    {segment_origin(origin, n), "polderd", kTime, after})
                         .value());
      early.push_back(logs.back().checkpoint(signer).value());
      for (int i = 1; i < 4; ++i) {
        EXPECT_TRUE(logs.back().append({kTime, "polderd", Act::kNote, origin + std::to_string(i)}));
      }
      notes.push_back(logs.back().checkpoint(signer).value());
      after = logs.back().end();
    }
  }
  Result<Json> prove(std::uint64_t entry, std::string_view note) const {
    return prove_entry(std::vector<const ReadableFile*>(files.begin(), files.end()), entry, note);
  }

  TestSigner signer{"log"};
  std::vector<AuditLog> logs;
  std::vector<const MemoryAppendFile*> files;
  std::vector<std::string> early, notes;  // of a segment's first entry, and of all of it
};

Status check(const Json& proof) {
  const TestSigner signer("log");
  const auto proven = check_proof(proof.compact(), {&signer.public_key(), 1}, "proof.json");
  return proven.ok() ? Status() : Status(proven.error());
}

using Members = Json::Members;

// The proof with something in it changed.
Json changed(const Json& proof, const std::function<void(Members&, Json::Array&)>& change) {
  Members members = *proof.members();
  Json::Array later = *members.at("later").array();
  change(members, later);
  if (members.contains("later")) members["later"] = std::move(later);
  return members;
}

TEST(SegmentsProof, NothingButWhatTheNewestSegmentSaysIsProven) {
  const Segments log("a", 4), other("b", 4);
  const Json proof = log.prove(2, log.notes[3]).value();
  const Json others = other.prove(2, other.notes[3]).value();
  ASSERT_TRUE(check(proof).ok());
  ASSERT_TRUE(check(others).ok());
  // Also where the last segment has its first entry alone so far.
  ASSERT_TRUE(check(log.prove(2, log.early[3]).value()).ok());
  using Change = std::function<void(Members&, Json::Array&)>;
  const auto take = [](const Json& from, const char* name) {
    return [&from, name](Members& m, Json::Array&) { m[name] = from.members()->at(name); };
  };
  const Json third = log.prove(3, log.notes[3]).value();
  const Json early = log.prove(2, log.early[3]).value();
  const Segments shorter("a", 3);
  const Json of_third = shorter.prove(2, shorter.notes[2]).value();
  const std::pair<const char*, Change> changes[] = {
      {"another entry", take(third, "entry")},
      {"the hashes of another entry", take(third, "hashes")},
      {"an entry of another log", take(others, "entry")},
      {"the checkpoint of another log", take(others, "checkpoint")},
      {"an older checkpoint of the segment", take(early, "checkpoint")},
      {"a checkpoint of the segment before", take(of_third, "checkpoint")},
      {"the chain of another log",
       [&](Members& m, Json::Array& later) {
         later = *others.members()->at("later").array();
         m["checkpoint"] = log.notes[3];
       }},
      {"no first link", [](Members&, Json::Array& later) { later.erase(later.begin()); }},
      {"no link in the middle",
       [](Members&, Json::Array& later) { later.erase(later.begin() + 1); }},
      {"no last link", [](Members&, Json::Array& later) { later.pop_back(); }},
      {"no link", [](Members&, Json::Array& later) { later.clear(); }},
      {"no chain", [](Members& m, Json::Array&) { m.erase("later"); }},
      {"links turned", [](Members&, Json::Array& later) { std::swap(later[0], later[1]); }},
      {"a link twice", [](Members&, Json::Array& later) { later.push_back(later.back()); }},
      {"a link of another log",
       [&](Members&, Json::Array& later) {
         later[0] = (*others.members()->at("later").array())[0];
       }},
      {"no hashes", [](Members& m, Json::Array&) { m["hashes"] = Json::Array(); }},
      {"the older form",
       [](Members& m, Json::Array&) { m["format"] = "polder-audit-inclusion-1"; }},
  };
  for (const auto& [what, change] : changes) {
    EXPECT_FALSE(check(changed(proof, change)).ok()) << what;
  }
  const TestSigner thief("thief");
  EXPECT_EQ(check_proof(proof.compact(), {&thief.public_key(), 1}, "proof.json").error().code,
            Code::kDenied);
}

// A log in which somebody noted what the first entry of a segment says.
TEST(SegmentsProof, OnlyTheFirstEntryOfALogSaysWhatWasBeforeIt) {
  TestSigner signer("log");
  const std::string lie = "what never was";
  const Entry entry{.sequence = 0,
                    .time = "2027-01-15T08:00:00Z",
                    .actor = "anna",
                    .act = "note",
                    .object = lie,
                    .details = {}};
  const std::string line = entry.line().value();
  const Json::Members details{{"after", "a"}, {"size", 1}, {"root", hex(leaf_hash(line))}};
  // Of a log that begins so, and as the second entry of an honest one.
  for (const std::uint64_t sequence : {0u, 1u}) {
    Entry noted = entry;
    noted.sequence = sequence;
    noted.object = "a/2";
    noted.details = details;
    const std::string first = noted.line().value();
    Frontier tree;
    Json::Array hashes;
    if (sequence == 1) {
      const Sha256 before = leaf_hash("anything");
      tree.add(before);
      hashes.emplace_back(base64({reinterpret_cast<const char*>(before.data()), before.size()}));
    }
    tree.add(leaf_hash(first));
    const Checkpoint end{"a/2", tree.size(), tree.root()};
    const Json proof(
        Members{{"format", "polder-audit-inclusion-2"},
                {"checkpoint", sign_checkpoint(end, signer).value()},
                {"entry", line},
                {"hashes", Json::Array()},
                {"later", Json::Array{Members{{"first", first}, {"hashes", std::move(hashes)}}}}});
    EXPECT_FALSE(check(proof).ok()) << sequence;
  }
}

TEST(SegmentsProof, NoneIsMadeThatNobodyWouldTake) {
  const Segments few("a", kMaxLaterSegments + 1);
  const auto proof = few.prove(3, few.notes.back());
  ASSERT_TRUE(proof.ok());
  EXPECT_TRUE(check(*proof).ok());
  const Segments many("a", kMaxLaterSegments + 2);
  EXPECT_EQ(many.prove(3, many.notes.back()).error().code, Code::kExhausted);
}

}  // namespace
}  // namespace polder::trust
