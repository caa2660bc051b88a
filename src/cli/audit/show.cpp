// polder audit show: the entries of a log.
#include <cstdio>
#include <deque>

#include "base/fail.h"
#include "cli/audit/common.h"
#include "cli/commands.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--last", "N", "only the last N entries", false, whole<1, 1'000'000>},
    {"--json", "", "prints the entries as JSON"}};

Result<int> run(const Args& args) {
  const std::int64_t last = args.integer("--last", 0);
  TRY_VALUE(const auto log, open_readable(args.positional()[0]));
  trust::LogReader reader(*log);
  const bool json = args.has("--json");
  std::uint64_t count = 0;
  std::deque<trust::Entry> held;
  bool first = true;
  const auto print = [&](const trust::Entry& entry) {
    if (!json) return fmt::print("{}\n", entry_text(entry));
    fmt::print("{}\n{}", first ? "" : ",", entry_json(entry).compact());
    first = false;
  };
  if (json) fmt::print("{{\"entries\": [");
  while (true) {
    TRY_VALUE(const auto line, reader.next());
    if (!line) break;
    const std::string where = fmt::format("{}: entry {}", log->path(), count++);
    TRY_VALUE(trust::Entry entry, trust::Entry::parse(*line, where));
    if (last == 0) print(entry);
    else held.push_back(std::move(entry));
    if (std::int64_t(held.size()) > last) held.pop_front();
  }
  for (const trust::Entry& entry : held) print(entry);
  if (json) fmt::print("\n]}}\n");
  return 0;
}

}  // namespace

const Command kAuditShow = {
    .name = "audit show",
    .summary =
        "Lists the entries of an audit log. It believes them: 'polder audit verify' does "
        "not.",
    .arguments = "LOG",
    .example = "  polder audit show audit.log --last 20",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
