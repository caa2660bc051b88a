#include "trust/audit_proof.h"

#include <algorithm>

#include "base/fail.h"
#include "trust/audit_log.h"
#include "trust/merkle.h"

namespace polder::trust {

namespace {

constexpr std::string_view kInclusion = "polder-audit-inclusion-1";
constexpr std::string_view kSegmentsInclusion = "polder-audit-inclusion-2";
constexpr std::string_view kConsistency = "polder-audit-consistency-1";

Result<Checkpoint> parse_note(std::string_view note, std::string_view where) {
  TRY_VALUE(const Note parsed, Note::parse(note, where));
  return Checkpoint::parse(parsed.text, where);
}

Json hashes_json(const std::vector<Sha256>& hashes) {
  Json::Array list;
  for (const Sha256& hash : hashes) {
    list.emplace_back(base64({reinterpret_cast<const char*>(hash.data()), hash.size()}));
  }
  return list;
}

Result<std::vector<Sha256>> hashes_of(const Object& proof) {
  TRY_VALUE(const auto texts, proof.texts("hashes", kMaxProofHashes, 64));
  std::vector<Sha256> hashes;
  for (const std::string& text : texts) {
    const auto bytes = from_base64(text);
    Sha256 hash;
    if (!bytes || bytes->size() != hash.size()) {
      return fail(Code::kCorrupt, "{}[{}]: base64 of 32 bytes expected", proof.place("hashes"),
                  hashes.size());
    }
    std::copy(bytes->begin(), bytes->end(), hash.begin());
    hashes.push_back(hash);
  }
  return hashes;
}

struct Walked {
  std::vector<Sha256> hashes;
  std::string entry;
};

// The roots of these ranges of the log up to `checkpoint`, and the line of entry `wanted`.
Result<Walked> prove(const ReadableFile& log, const Checkpoint& checkpoint,
                     std::vector<LeafRange> ranges, std::uint64_t wanted) {
  ProofBuilder builder(std::move(ranges));
  Frontier tree;
  LogReader reader(log);
  std::string entry;
  while (tree.size() < checkpoint.size) {
    TRY_VALUE(const auto line, reader.next());
    if (!line) {
      return fail(Code::kCorrupt, "{}: {} entries, but the checkpoint is of {}", log.path(),
                  tree.size(), checkpoint.size);
    }
    if (tree.size() == wanted) entry = *line;
    const Sha256 leaf = leaf_hash(*line);
    tree.add(leaf);
    builder.add(leaf);
  }
  if (tree.root() != checkpoint.root) {
    return fail(Code::kCorrupt,
                "{}: the log is not what the checkpoint of {} entries says: verify it, and against "
                "which checkpoint it breaks",
                log.path(), checkpoint.size);
  }
  return Walked{builder.proof(), std::move(entry)};
}

// The end of the segment that the first entry of this one goes on from.
Result<Checkpoint> end_of_older(const std::string& first, const Checkpoint& segment,
                                const std::string& where) {
  TRY_VALUE(const Entry entry, Entry::parse(first, where));
  TRY_VALUE(auto end, end_before(entry, where));
  if (entry.sequence != 0 || entry.act != act_name(Act::kLogCreated) ||
      entry.object != segment.origin || !end) {
    return fail(Code::kDenied, "{}: not the first entry of '{}', which goes on from another", where,
                segment.origin);
  }
  return *std::move(end);
}

// From the newest segment back to the one that has the entry.
Result<Checkpoint> check_later(const Object& proof, Checkpoint end) {
  TRY_VALUE(const Json::Array* later, proof.array("later", kMaxLaterSegments));
  for (std::size_t i = later->size(); i-- > 0;) {
    TRY_VALUE(const Object segment,
              Object::of((*later)[i], fmt::format("{}[{}]", proof.place("later"), i)));
    TRY(segment.only({"first", "hashes"}));
    TRY_VALUE(const std::string first, segment.text("first", kMaxEntryBytes));
    TRY_VALUE(const auto hashes, hashes_of(segment));
    TRY(verify_inclusion(leaf_hash(first), 0, end.size, hashes, end.root));
    TRY_VALUE(end, end_of_older(first, end, segment.place("first")));
  }
  return end;
}

Result<Proven> check_inclusion(const Object& proof, std::span<const PublicKey> keys) {
  TRY_VALUE(const std::string note, proof.text("checkpoint", kMaxNoteBytes));
  TRY_VALUE(const std::string line, proof.text("entry", kMaxEntryBytes));
  TRY_VALUE(const auto hashes, hashes_of(proof));
  TRY_VALUE(Checkpoint checkpoint, open_checkpoint(note, keys, proof.place("checkpoint")));
  TRY_VALUE(Entry entry, Entry::parse(line, proof.place("entry")));
  std::optional<Checkpoint> within;
  if (proof.has("later")) {
    TRY_VALUE(within, check_later(proof, checkpoint));
  }
  const Checkpoint& end = within ? *within : checkpoint;
  TRY(verify_inclusion(leaf_hash(line), entry.sequence, end.size, hashes, end.root));
  return Proven{std::move(checkpoint), std::move(entry), std::move(within), {}};
}

Result<Proven> check_consistency(const Object& proof, std::span<const PublicKey> keys) {
  TRY(proof.only({"new", "old", "format", "hashes"}));
  TRY_VALUE(const std::string old_note, proof.text("old", kMaxNoteBytes));
  TRY_VALUE(const std::string new_note, proof.text("new", kMaxNoteBytes));
  TRY_VALUE(const auto hashes, hashes_of(proof));
  TRY_VALUE(Checkpoint older, open_checkpoint(old_note, keys, proof.place("old")));
  TRY_VALUE(Checkpoint newer, open_checkpoint(new_note, keys, proof.place("new")));
  if (older.origin != newer.origin) {
    return fail(Code::kDenied, "{}: two logs: '{}' and '{}'", proof.where(), older.origin,
                newer.origin);
  }
  TRY(verify_consistency(older.size, newer.size, older.root, newer.root, hashes));
  return Proven{std::move(newer), {}, {}, std::move(older)};
}

}  // namespace

Result<Json> prove_entry(const ReadableFile& log, std::uint64_t sequence, std::string_view note) {
  TRY_VALUE(const Checkpoint checkpoint, parse_note(note, "the checkpoint"));
  if (sequence >= checkpoint.size) {
    return fail(Code::kInvalid,
                "the checkpoint covers the entries 0 to {}, not {}: sign a newer checkpoint first",
                std::int64_t(checkpoint.size) - 1, sequence);
  }
  TRY_VALUE(Walked walked,
            prove(log, checkpoint, inclusion_ranges(sequence, checkpoint.size), sequence));
  Json::Members proof;
  proof.emplace("format", kInclusion);
  proof.emplace("checkpoint", note);
  proof.emplace("entry", walked.entry);
  proof.emplace("hashes", hashes_json(walked.hashes));
  return Json(std::move(proof));
}

Result<Json> prove_entry(std::span<const ReadableFile* const> segments, std::uint64_t sequence,
                         std::string_view note) {
  if (segments.size() > kMaxLaterSegments + 1) {
    return fail(Code::kExhausted,
                "{}: {} segments come after it up to that of the checkpoint; a proof has {} at "
                "most: take an older checkpoint",
                segments[0]->path(), segments.size() - 1, kMaxLaterSegments);
  }
  TRY_VALUE(Checkpoint end, parse_note(note, "the checkpoint"));
  Json::Array later;
  for (std::size_t i = segments.size(); i-- > 1;) {
    TRY_VALUE(const Walked first, prove(*segments[i], end, inclusion_ranges(0, end.size), 0));
    later.insert(later.begin(),
                 Json::Members{{"first", first.entry}, {"hashes", hashes_json(first.hashes)}});
    TRY_VALUE(end, end_of_older(first.entry, end, segments[i]->path() + ": entry 0"));
  }
  if (sequence >= end.size) {
    return fail(Code::kInvalid, "{}: has the entries 0 to {}, not {}", segments[0]->path(),
                std::int64_t(end.size) - 1, sequence);
  }
  TRY_VALUE(const Walked walked,
            prove(*segments[0], end, inclusion_ranges(sequence, end.size), sequence));
  return Json(Json::Members{{"format", kSegmentsInclusion},
                            {"checkpoint", note},
                            {"entry", walked.entry},
                            {"hashes", hashes_json(walked.hashes)},
                            {"later", std::move(later)}});
}

Result<Json> prove_growth(const ReadableFile& log, std::string_view old_note,
                          std::string_view new_note) {
  TRY_VALUE(const Checkpoint older, parse_note(old_note, "the older checkpoint"));
  TRY_VALUE(const Checkpoint newer, parse_note(new_note, "the newer checkpoint"));
  if (older.size == 0 || older.size > newer.size || older.origin != newer.origin) {
    return fail(Code::kInvalid,
                "an older and a newer checkpoint of one log expected: {} entries of '{}' and {} of "
                "'{}' given",
                older.size, older.origin, newer.size, newer.origin);
  }
  // That the log is the older one's too is what the proof shows, or does not.
  TRY_VALUE(const Walked walked,
            prove(log, newer, consistency_ranges(older.size, newer.size), UINT64_MAX));
  if (!verify_consistency(older.size, newer.size, older.root, newer.root, walked.hashes).ok()) {
    return fail(Code::kCorrupt,
                "{}: the log of {} entries does not begin with the {} that were signed before: "
                "it was rewritten",
                log.path(), newer.size, older.size);
  }
  Json::Members proof;
  proof.emplace("format", kConsistency);
  proof.emplace("old", old_note);
  proof.emplace("new", new_note);
  proof.emplace("hashes", hashes_json(walked.hashes));
  return Json(std::move(proof));
}

Result<Proven> check_proof(std::string_view json, std::span<const PublicKey> keys,
                           std::string_view where) {
  if (json.size() > kMaxProofBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; a proof has {} at most", where, json.size(),
                kMaxProofBytes);
  }
  TRY_VALUE(const Json document, Json::parse(json, where));
  TRY_VALUE(const Object proof, Object::of(document, std::string(where)));
  TRY_VALUE(const std::string format, proof.text("format", 64));
  if (format == kInclusion) TRY(proof.only({"checkpoint", "entry", "format", "hashes"}));
  else if (format == kSegmentsInclusion)
    TRY(proof.only({"checkpoint", "entry", "format", "hashes", "later"}));
  else if (format != kConsistency)
    return fail(Code::kIncompatible, "{}: '{}', '{}' or '{}' expected", proof.place("format"),
                kInclusion, kSegmentsInclusion, kConsistency);
  auto proven =
      format == kConsistency ? check_consistency(proof, keys) : check_inclusion(proof, keys);
  if (!proven && proven.error().code == Code::kDenied) return std::move(proven).error().at(where);
  return proven;
}

}  // namespace polder::trust
