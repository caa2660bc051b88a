// polder audit add: puts something on record by hand, and begins logs.
#include <cstdio>

#include "base/fail.h"
#include "cli/audit/common.h"
#include "cli/commands.h"
#include "cli/repo/common.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--actor", "WHO", "who did it"},
    {"--act", "ACT", "what was done: note (default), release_signed, key_created, ..."},
    {"--object", "WHAT", "what it was done to, or the note"},
    {"--detail", "NAME=TEXT", "more about it", true},
    {"--origin", "NAME", "of a new log: its name, such as example.com/releases"},
    {"--json", "", "prints the entry as JSON"}};

Result<trust::Record> record_of(const Args& args, std::int64_t now_s) {
  trust::Record record;
  record.time_s = now_s;
  record.actor = args.text("--actor");
  record.object = args.text("--object");
  TRY_VALUE(record.act, trust::act_from_name(args.text("--act", "note")));
  for (const std::string& detail : args.all("--detail")) {
    const std::size_t equals = detail.find('=');
    if (equals == detail.npos || equals == 0) {
      return fail(Code::kInvalid, "--detail {}: NAME=TEXT expected", detail);
    }
    record.details[detail.substr(0, equals)] = detail.substr(equals + 1);
  }
  return record;
}

Result<int> run(const Args& args) {
  TRY_VALUE(const std::int64_t now_s, signing_time());
  TRY_VALUE(const trust::Record record, record_of(args, now_s));
  // Before a log is begun for it.
  TRY(trust::entry_of(record, 1));
  if (!args.has("--origin")) {
    if (auto log = open_readable(args.positional()[0]); !log.ok()) {
      if (log.error().code != Code::kNotFound) return std::move(log).error();
      return fail(Code::kNotFound, "{}; --origin NAME begins a log", log.error().message);
    }
  }
  TRY_VALUE(auto log, trust::AuditLog::open(args.positional()[0],
                                            {args.text("--origin"), record.actor, now_s}));
  if (log.torn_bytes() > 0) {
    std::fprintf(stderr, "cut off %llu bytes of an entry that was interrupted\n",
                 static_cast<unsigned long long>(log.torn_bytes()));
  }
  TRY_VALUE(const std::uint64_t sequence, log.append(record));
  TRY_VALUE(const trust::Entry entry, trust::entry_of(record, sequence));
  if (args.has("--json")) fmt::print("{}", entry_json(entry).pretty());
  else fmt::print("{}\n", entry_text(entry));
  return 0;
}

}  // namespace

const Command kAuditAdd = {
    .name = "audit add",
    .summary = "Appends an entry to an audit log, or begins one (--origin).",
    .arguments = "LOG",
    .example =
        "  polder audit add audit.log --origin example.com/releases --actor anna --object "
        "'key ceremony, root 1 and 2'",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
