// polder audit prove, polder audit check-proof: proofs for those who do not have the log.
#include <cstdio>

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
    {"--since", "FILE", "proves that the log begins with what this older checkpoint covers"},
    {"--checkpoint", "FILE", "against this checkpoint (default: the last beside the log)"},
    {"--output", "FILE", "writes the proof there (default: stdout)"},
    {"--json", "", "changes nothing: proofs are JSON"}};

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
                "{}: each segment counts its entries from 0: name the one that has the entry, of "
                "{}; 'polder audit show {}' lists them",
                path, there, path);
  }
  TRY_VALUE(const trust::Note parsed, trust::Note::parse(note, "the checkpoint"));
  TRY_VALUE(const auto checkpoint, trust::Checkpoint::parse(parsed.text, "the checkpoint"));
  for (const std::uint64_t number : numbers) {
    // Of one that was interrupted before its first entry there is none.
    const auto origin = origin_of(file(number));
    if (origin.ok() && *origin == checkpoint.origin) return file(number);
  }
  return fail(Code::kNotFound, "{}: the checkpoint is of '{}', which is not here; here are {}",
              path, clipped(checkpoint.origin), there);
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
    {"--checkpoint", "FILE", "the proof must be about this very checkpoint"},
    {"--json", "", "prints what is proven as JSON"}};

trust::Json proven_json(const trust::Proven& proven) {
  trust::Json::Members json;
  json.emplace("checkpoint", checkpoint_json(proven.checkpoint));
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
    if (checkpoint != proven.checkpoint) {
      return fail(Code::kDenied, "{}: about a checkpoint of {} entries, not the one of {} in {}",
                  path, proven.checkpoint.size, checkpoint.size, kept);
    }
  }
  if (args.has("--json")) {
    fmt::print("{}", proven_json(proven).pretty());
  } else if (proven.entry) {
    fmt::print("in {}, {} entries:\n{}\n", one_line(proven.checkpoint.origin),
               proven.checkpoint.size, entry_text(*proven.entry));
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
        "of.",
    .arguments = "LOG|FOLDER",
    .example = "  polder audit prove audit.log --entry 7 --output proof.json",
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
