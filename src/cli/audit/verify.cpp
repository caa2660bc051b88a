// polder audit verify: whether a log is what its checkpoints say.
#include <cstdio>

#include "base/fail.h"
#include "base/text.h"
#include "cli/audit/common.h"
#include "cli/commands.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    POLDER_AUDIT_KEY_OPTION,
    {"--checkpoint", "FILE",
     "a signed checkpoint that was kept elsewhere: the log must begin with what it covers", true},
    {"--json", "", "prints the report as JSON"}};

// Those beside the log and those of --checkpoint, each signed by one of the keys.
Result<std::vector<trust::Checkpoint>> checkpoints_of(const Args& args, std::uint64_t& torn_bytes) {
  TRY_VALUE(const auto keys, audit_keys(args));
  std::vector<trust::Checkpoint> all;
  const std::string path = trust::checkpoints_path(args.positional()[0]);
  auto file = open_readable(path);
  if (!file && file.error().code != Code::kNotFound) return std::move(file).error();
  if (file) {
    TRY_VALUE(const trust::CheckpointList list, trust::read_checkpoints(**file));
    torn_bytes += list.torn_bytes;
    for (const trust::SignedCheckpoint& item : list.items) {
      const std::string where = fmt::format("{}: checkpoint {}", path, all.size() + 1);
      TRY_VALUE(trust::Checkpoint checkpoint, trust::open_checkpoint(item.note, keys, where));
      all.push_back(std::move(checkpoint));
    }
  }
  for (const std::string& given : args.all("--checkpoint")) {
    TRY_VALUE(const std::string note, read_note(given));
    TRY_VALUE(trust::Checkpoint checkpoint, trust::open_checkpoint(note, keys, given));
    all.push_back(std::move(checkpoint));
  }
  return all;
}

trust::Json report_json(const trust::LogReport& report) {
  return trust::Json::Members{{"origin", report.origin},
                              {"entries", std::int64_t(report.entries)},
                              {"covered", std::int64_t(report.covered)},
                              {"checkpoints", std::int64_t(report.checkpoints)},
                              {"torn_bytes", std::int64_t(report.torn_bytes)},
                              {"root", trust::hex(report.root)}};
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
  if (report.torn_bytes > 0) {
    fmt::print("{} bytes at an end were interrupted while written; the next entry cuts them off\n",
               report.torn_bytes);
  }
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  TRY_VALUE(const auto log, open_readable(path));
  std::uint64_t torn_bytes = 0;
  TRY_VALUE(auto checkpoints, checkpoints_of(args, torn_bytes));
  if (checkpoints.empty()) {
    return fail(Code::kDenied,
                "{}: no checkpoint, so nothing shows that the log is whole: give one that was kept "
                "with --checkpoint",
                path);
  }
  TRY_VALUE(trust::LogReport report, trust::verify_log(*log, std::move(checkpoints)));
  report.torn_bytes += torn_bytes;
  if (args.has("--json")) fmt::print("{}", report_json(report).pretty());
  else print_report(report);
  return 0;
}

}  // namespace

const Command kAuditVerify = {
    .name = "audit verify",
    .summary =
        "Verifies an audit log: every entry, and every checkpoint beside it (LOG.checkpoints).\nIt "
        "finds whatever was changed, dropped, added or moved below a checkpoint. Who has the key "
        "could sign another log: keep checkpoints elsewhere, and give one.",
    .arguments = "LOG",
    .example =
        "  polder audit verify audit.log --key audit.pub.pem --checkpoint kept/2026-11.checkpoint",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
