// polder audit prove, polder audit check-proof: proofs for those who do not have the log.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/fail.h"
#include "base/text.h"
#include "cli/audit/common.h"
#include "cli/commands.h"
#include "cli/output_file.h"
#include "platform/file.h"
#include "trust/audit_proof.h"
#include "trust/audit_segments.h"

namespace polder::cli {

namespace {

constexpr Option kProveOptions[] = {
    {"--entry", "N", "proves that entry N is in the log", false, whole<0, INT64_MAX>},
    {"--segment", "N", "of a folder: the segment that has it, proven by the newest checkpoint",
     false, whole<1, INT64_MAX>},
    {"--since", "FILE", "proves that the log begins with what this older checkpoint covers"},
    {"--checkpoint", "FILE", "against this checkpoint (default: the last beside the log)"},
    {"--output", "FILE", "writes the proof there (default: stdout)"},
    {"--json", "", "changes nothing: proofs are JSON"}};

// The segment that a checkpoint is of. Errors: kNotFound.
Result<std::uint64_t> segment_of(const std::string& folder,
                                 const std::vector<std::uint64_t>& numbers,
                                 const std::string& note) {
  TRY_VALUE(const trust::Note parsed, trust::Note::parse(note, "the checkpoint"));
  TRY_VALUE(const auto checkpoint, trust::Checkpoint::parse(parsed.text, "the checkpoint"));
  for (const std::uint64_t number : numbers) {
    // Of one that was interrupted before its first entry there is none.
    const auto origin = origin_of(folder + "/" + trust::segment_file(number));
    if (origin.ok() && *origin == checkpoint.origin) return number;
  }
  return fail(Code::kNotFound,
              "{}: the checkpoint is of '{}', which is not here; here are {} to {}", folder,
              clipped(checkpoint.origin), trust::segment_file(numbers.front()),
              trust::segment_file(numbers.back()));
}

// The log that a proof is about. In a folder of segments: the one that the checkpoint is of, or the
// only one. Errors: kInvalid, kNotFound, saying which there are.
Result<std::string> log_of(const std::string& path, const std::string& note) {
  if (!is_segment_folder(path)) return path;
  TRY_VALUE(const auto numbers, segments_in(path));
  const auto file = [&](std::uint64_t number) { return path + "/" + trust::segment_file(number); };
  if (note.empty() && numbers.size() == 1) return file(numbers[0]);
  const std::string there =
      trust::segment_file(numbers.front()) + " to " + trust::segment_file(numbers.back());
  if (note.empty()) {
    return fail(Code::kInvalid,
                "{}: each segment counts its entries from 0: --segment N names the one that has "
                "the entry, of {}; 'polder audit show {}' lists them",
                path, there, path);
  }
  TRY_VALUE(const std::uint64_t number, segment_of(path, numbers, note));
  return file(number);
}

// Of an entry of one segment of a folder, against `note`, or the newest checkpoint there is.
Result<std::string> proof_in_folder(const Args& args, std::string note) {
  const std::string& folder = args.positional()[0];
  if (!is_segment_folder(folder))
    return fail(Code::kInvalid, "--segment: {} is no folder of segments", folder);
  TRY_VALUE(const auto numbers, segments_in(folder));
  const auto file = [&](std::uint64_t number) {
    return folder + "/" + trust::segment_file(number);
  };
  // What was begun last may not be signed yet.
  for (auto number = numbers.rbegin(); note.empty() && number != numbers.rend(); ++number) {
    auto newest = last_note(file(*number));
    if (newest.ok()) note = *std::move(newest);
    else if (newest.error().code != Code::kNotFound) return std::move(newest).error();
  }
  if (note.empty()) return fail(Code::kNotFound, "{}: has no checkpoint yet", folder);
  TRY_VALUE(const std::uint64_t last, segment_of(folder, numbers, note));
  const std::uint64_t wanted = std::uint64_t(args.integer("--segment", 0));
  if (wanted > last) {
    return fail(Code::kInvalid, "{}: the checkpoint is of {}, and {} came later: sign it first",
                folder, trust::segment_file(last), trust::segment_file(wanted));
  }
  std::vector<std::unique_ptr<ReadableFile>> opened;
  std::vector<const ReadableFile*> segments;
  for (std::uint64_t number = wanted; number <= last; ++number) {
    if (std::ranges::find(numbers, number) == numbers.end()) {
      return fail(Code::kNotFound, "{}: {} is not here any more; here are {}", folder,
                  trust::segment_file(number), segments_text(numbers.front(), numbers.back()));
    }
    TRY_VALUE(auto log, open_readable(file(number)));
    segments.push_back(log.get());
    opened.push_back(std::move(log));
  }
  const auto entry = std::uint64_t(args.integer("--entry", 0));
  TRY_VALUE(const trust::Json proof, segments.size() == 1
                                         ? trust::prove_entry(*segments[0], entry, note)
                                         : trust::prove_entry(segments, entry, note));
  return proof.pretty();
}

Result<std::string> proof_of(const Args& args) {
  if (args.has("--entry") == args.has("--since")) {
    return fail(Code::kInvalid, "either --entry N or --since CHECKPOINT is needed");
  }
  const std::int64_t number = args.integer("--entry", 0);
  std::string older, note;
  if (args.has("--since")) {
    TRY_VALUE(older, read_note(args.text("--since")));
  }
  if (args.has("--checkpoint")) {
    TRY_VALUE(note, read_note(args.text("--checkpoint")));
  }
  if (args.has("--segment")) {
    if (args.has("--entry")) return proof_in_folder(args, std::move(note));
    return fail(Code::kInvalid, "--segment goes with --entry");
  }
  TRY_VALUE(const std::string path, log_of(args.positional()[0], older.empty() ? note : older));
  TRY_VALUE(const auto log, open_readable(path));
  if (note.empty()) {
    TRY_VALUE(note, last_note(path));
  }
  if (args.has("--entry")) {
    TRY_VALUE(const trust::Json proof, trust::prove_entry(*log, std::uint64_t(number), note));
    return proof.pretty();
  }
  TRY_VALUE(const trust::Json proof, trust::prove_growth(*log, older, note));
  return proof.pretty();
}

Result<int> prove(const Args& args) {
  TRY(check_output(args, "--output"));
  TRY_VALUE(const std::string proof, proof_of(args));
  if (args.has("--output")) TRY(write_file_atomic(args.text("--output"), proof));
  else fmt::print("{}", proof);
  return 0;
}

constexpr Option kCheckOptions[] = {
    POLDER_AUDIT_KEY_OPTION,
    {"--checkpoint", "FILE",
     "the proof must be about this very checkpoint; of growth, of either of the two"},
    {"--json", "", "prints what is proven as JSON"}};

trust::Json proven_json(const trust::Proven& proven) {
  trust::Json::Members json;
  json.emplace("checkpoint", checkpoint_json(proven.checkpoint));
  if (proven.within) json.emplace("within", checkpoint_json(*proven.within));
  if (proven.older) json.emplace("older", checkpoint_json(*proven.older));
  if (proven.entry) json.emplace("entry", entry_json(*proven.entry));
  return json;
}

Result<int> check(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const auto keys, audit_keys(args));
  TRY_VALUE(const std::string text, read_file(path, trust::kMaxProofBytes));
  TRY_VALUE(const trust::Proven proven, trust::check_proof(text, keys, path));
  if (args.has("--checkpoint")) {
    const std::string kept = args.text("--checkpoint");
    TRY_VALUE(const std::string note, read_note(kept));
    TRY_VALUE(const trust::Checkpoint checkpoint, trust::open_checkpoint(note, keys, kept));
    // An auditor who looks for growth has kept the older one.
    const bool is_older = proven.older && checkpoint == *proven.older;
    if (checkpoint != proven.checkpoint && !is_older) {
      return fail(Code::kDenied, "{}: about a checkpoint of {} entries{}, not the one of {} in {}",
                  path, proven.checkpoint.size,
                  proven.older ? fmt::format(" and an older one of {}", proven.older->size) : "",
                  checkpoint.size, kept);
    }
    if (proven.older && !args.has("--json"))
      fmt::print(stderr, "polder: {} is the {} of the two checkpoints\n", one_line(kept),
                 is_older ? "older" : "newer");
  }
  if (args.has("--json")) {
    fmt::print("{}", proven_json(proven).pretty());
  } else if (proven.entry) {
    const trust::Checkpoint& log = proven.within ? *proven.within : proven.checkpoint;
    fmt::print("in {}, {} entries{}:\n{}\n", one_line(log.origin), log.size,
               proven.within ? ", by the checkpoint of " + one_line(proven.checkpoint.origin) : "",
               entry_text(*proven.entry));
  } else {
    fmt::print("{}: the {} entries begin with the {} of the older checkpoint\n",
               one_line(proven.checkpoint.origin), proven.checkpoint.size, proven.older->size);
  }
  return 0;
}

}  // namespace

const Command kAuditProve = {
    .name = "audit prove",
    .summary =
        "Proves that an entry is in an audit log (--entry), or that the log only grew (--since).\n"
        "Who has the proof and the log's public key needs nothing else: polder audit check-proof.\n"
        "Of a folder of segments, such as a device keeps, it takes the one that the checkpoint is "
        "of; with --segment\na later checkpoint proves an entry of an earlier one.",
    .arguments = "LOG|FOLDER",
    .example =
        "  polder audit prove audit.log --entry 7 --output proof.json\n"
        "  polder audit prove /var/lib/polderd/audit --segment 2 --entry 7 --output proof.json",
    .options = kProveOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = prove};

const Command kAuditCheckProof = {
    .name = "audit check-proof",
    .summary = "Checks what 'polder audit prove' wrote, without the log.",
    .arguments = "PROOF",
    .example = "  polder audit check-proof proof.json --key audit.pub.pem",
    .options = kCheckOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = check};

}  // namespace polder::cli
