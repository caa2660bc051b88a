// polder audit verify: whether a log is what its checkpoints say.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/fail.h"
#include "base/text.h"
#include "cli/audit/common.h"
#include "cli/commands.h"
#include "trust/audit_segments.h"

namespace polder::cli {

namespace {

using Keys = std::vector<trust::PublicKey>;

constexpr Option kOptions[] = {
    POLDER_AUDIT_KEY_OPTION,
    {"--checkpoint", "FILE",
     "a signed checkpoint that was kept elsewhere: the log must begin with what it covers", true},
    {"--json", "", "prints the report as JSON"}};

// Those of --checkpoint, each signed by one of the keys.
Result<std::vector<trust::Checkpoint>> kept_checkpoints(const Args& args, const Keys& keys) {
  std::vector<trust::Checkpoint> kept;
  for (const std::string& given : args.all("--checkpoint")) {
    TRY_VALUE(const std::string note, read_note(given));
    TRY_VALUE(trust::Checkpoint checkpoint, trust::open_checkpoint(note, keys, given));
    kept.push_back(std::move(checkpoint));
  }
  return kept;
}

// A log against the checkpoints beside it, each signed by one of the keys, and against those that
// were kept.
Result<trust::LogReport> verify_one(const std::string& path, const Keys& keys,
                                    std::vector<trust::Checkpoint> kept) {
  const std::string beside = trust::checkpoints_path(path);
  std::unique_ptr<ReadableFile> notes = std::make_unique<MemoryAppendFile>();
  if (auto file = open_readable(beside); file.ok()) notes = std::move(*file);
  else if (file.error().code != Code::kNotFound) return std::move(file).error();
  TRY_VALUE(const auto log, open_readable(path));
  trust::CheckpointReader reader(*notes);
  const auto next = [&]() -> Result<std::optional<trust::Checkpoint>> {
    TRY_VALUE(const auto item, reader.next());
    if (!item) return std::optional<trust::Checkpoint>();
    TRY_VALUE(trust::Checkpoint said, trust::open_checkpoint(item->note, keys, reader.where()));
    return std::optional(std::move(said));
  };
  TRY_VALUE(trust::LogReport report, trust::verify_log(*log, std::move(kept), next));
  report.torn_bytes += reader.torn_bytes();
  return report;
}

Error nothing_is_signed(const std::string& path) {
  return fail(Code::kDenied,
              "{}: no checkpoint, so nothing shows that the log is whole: give one that was kept "
              "with --checkpoint",
              path);
}

trust::Json removed_json(const std::optional<trust::Checkpoint>& removed) {
  return removed ? checkpoint_json(*removed) : trust::Json();
}

trust::Json report_json(const trust::LogReport& report) {
  return trust::Json::Members{{"origin", report.origin},
                              {"entries", std::int64_t(report.entries)},
                              {"covered", std::int64_t(report.covered)},
                              {"checkpoints", std::int64_t(report.checkpoints)},
                              {"torn_bytes", std::int64_t(report.torn_bytes)},
                              {"root", trust::hex(report.root)},
                              {"after", removed_json(report.after)}};
}

void print_torn(std::uint64_t bytes) {
  if (bytes == 0) return;
  fmt::print("{} bytes at an end were interrupted while written; the next entry cuts them off\n",
             bytes);
}

void print_report(const trust::LogReport& report) {
  fmt::print("{}: {} entries, of which {} checkpoint{} prove{} the first {}\n",
             one_line(report.origin), report.entries, report.checkpoints,
             report.checkpoints == 1 ? "" : "s", report.checkpoints == 1 ? "s" : "",
             report.covered);
  if (report.covered < report.entries) {
    fmt::print("{} later ones are not signed yet: polder audit checkpoint\n",
               report.entries - report.covered);
  }
  if (report.after) {
    fmt::print("it goes on from {}, which was not looked at: its {} entries end as {}\n",
               one_line(report.after->origin), report.after->size, trust::hex(report.after->root));
  }
  print_torn(report.torn_bytes);
}

// --- A folder of segments ------------------------------------------------------------------------

// Of a segment that a power cut left before its first entry what there is of that; else nothing.
// One that was signed had entries.
Result<std::optional<std::uint64_t>> interrupted(const std::string& path) {
  TRY_VALUE(const auto log, open_readable(path));
  trust::LogReader reader(*log);
  TRY_VALUE(const auto line, reader.next());
  const auto notes = open_readable(trust::checkpoints_path(path));
  const bool is_signed = notes.ok() ? (*notes)->size() > 0 : notes.error().code != Code::kNotFound;
  return line || is_signed ? std::nullopt : std::optional(log->size());
}

struct Segments {
  trust::SegmentChain chain;
  std::uint64_t checkpoints = 0, torn_bytes = 0;
  std::vector<trust::Checkpoint> gone;  // that were kept, of segments that are not there any more
};

Result<Segments> verify_segments(const std::string& folder, const Keys& keys,
                                 std::vector<trust::Checkpoint> kept) {
  TRY_VALUE(const auto numbers, segments_in(folder));
  Segments all;
  for (const std::uint64_t number : numbers) {
    const std::string path = folder + "/" + trust::segment_file(number);
    if (number == numbers.back() && number != numbers.front()) {
      TRY_VALUE(const auto bytes, interrupted(path));
      all.torn_bytes += bytes.value_or(0);
      if (bytes) break;
    }
    TRY_VALUE(const std::string origin, origin_of(path));
    std::vector<trust::Checkpoint> own;
    std::ranges::copy_if(kept, std::back_inserter(own),
                         [&](const trust::Checkpoint& item) { return item.origin == origin; });
    TRY_VALUE(const trust::LogReport report, verify_one(path, keys, std::move(own)));
    TRY(all.chain.add(number, path, report));
    all.checkpoints += report.checkpoints;
    all.torn_bytes += report.torn_bytes;
  }
  if (all.checkpoints == 0) return nothing_is_signed(folder);
  for (trust::Checkpoint& item : kept) {
    TRY_VALUE(const bool gone, all.chain.is_of_removed(item));
    if (gone) all.gone.push_back(std::move(item));
  }
  return all;
}

trust::Json segments_json(const Segments& all) {
  trust::Json::Array gone;
  for (const trust::Checkpoint& item : all.gone) gone.push_back(checkpoint_json(item));
  const std::uint64_t entries = all.chain.entries();
  return trust::Json::Members{{"origin", all.chain.origin()},
                              {"entries", std::int64_t(entries)},
                              {"covered", std::int64_t(entries - all.chain.unsigned_entries())},
                              {"checkpoints", std::int64_t(all.checkpoints)},
                              {"torn_bytes", std::int64_t(all.torn_bytes)},
                              {"first_segment", std::int64_t(all.chain.first())},
                              {"last_segment", std::int64_t(all.chain.last())},
                              {"removed", removed_json(all.chain.removed())},
                              {"checkpoints_of_removed", std::move(gone)}};
}

void print_segments(const Segments& all) {
  const trust::SegmentChain& chain = all.chain;
  fmt::print("{}: {}, {} entries, all but the last {} proven by {} checkpoint{}\n",
             one_line(chain.origin()), segments_text(chain.first(), chain.last()), chain.entries(),
             chain.unsigned_entries(), all.checkpoints, all.checkpoints == 1 ? "" : "s");
  if (chain.removed()) {
    fmt::print("no longer here: {}, of which the last had {} entries and ended as {}\n",
               segments_text(1, chain.first() - 1), chain.removed()->size,
               trust::hex(chain.removed()->root));
  }
  for (const trust::Checkpoint& item : all.gone) {
    fmt::print("not checked: the checkpoint of {} entries of {}, which is no longer here\n",
               item.size, one_line(item.origin));
  }
  print_torn(all.torn_bytes);
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const Keys keys, audit_keys(args));
  TRY_VALUE(auto kept, kept_checkpoints(args, keys));
  if (is_segment_folder(path)) {
    TRY_VALUE(const Segments all, verify_segments(path, keys, std::move(kept)));
    if (args.has("--json")) fmt::print("{}", segments_json(all).pretty());
    else print_segments(all);
    return 0;
  }
  TRY_VALUE(const trust::LogReport report, verify_one(path, keys, std::move(kept)));
  if (report.checkpoints == 0) return nothing_is_signed(path);
  if (args.has("--json")) fmt::print("{}", report_json(report).pretty());
  else print_report(report);
  return 0;
}

}  // namespace

const Command kAuditVerify = {
    .name = "audit verify",
    .summary =
        "Verifies an audit log: every entry, and every checkpoint beside it (LOG.checkpoints).\nOf "
        "a folder of segments, such as a device keeps, also that each goes on where the one before "
        "ended.\nIt finds whatever was changed, dropped, added or moved below a checkpoint. Who "
        "has the key could sign another log: keep checkpoints elsewhere, and give one.",
    .arguments = "LOG|FOLDER",
    .example =
        "  polder audit verify audit.log --key audit.pub.pem --checkpoint kept/2026-11.checkpoint",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
