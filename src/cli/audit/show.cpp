// polder audit show: the entries of a log, or of a folder of segments.
#include <cstdio>
#include <deque>

#include "base/fail.h"
#include "base/text.h"
#include "cli/audit/common.h"
#include "cli/commands.h"
#include "trust/audit_segments.h"

namespace polder::cli {

namespace {

constexpr Option kOptions[] = {
    {"--last", "N", "only the last N entries", false, whole<1, 1'000'000>},
    {"--json", "", "prints the entries as JSON"}};

struct Shown {
  std::string log;  // its name in a folder of segments
  trust::Entry entry;
};

// Prints entries as they come; of a folder of segments with the names of these.
class Printer {
 public:
  Printer(bool json, std::int64_t last) : json_(json), last_(last) {}
  void add(Shown entry) {
    if (last_ == 0) return print(entry);
    held_.push_back(std::move(entry));
    if (std::int64_t(held_.size()) > last_) held_.pop_front();
  }
  void finish() {
    for (const Shown& entry : held_) print(entry);
    if (json_) fmt::print("{}]}}\n", count_ == 0 ? "{\"entries\": [\n" : "\n");
  }

 private:
  void print(const Shown& shown) {
    const bool is_first = count_++ == 0;
    if (json_) {
      trust::Json json = entry_json(shown.entry);
      if (!shown.log.empty()) json.members()->emplace("log", shown.log);
      fmt::print("{}\n{}", is_first ? "{\"entries\": [" : ",", json.compact());
      return;
    }
    if (shown.log != log_) fmt::print("{}:\n", shown.log);
    log_ = shown.log;
    fmt::print("{}\n", entry_text(shown.entry));
  }

  bool json_;
  std::int64_t last_;
  std::deque<Shown> held_;
  std::string log_;
  std::uint64_t count_ = 0;
};

Status show(const std::string& path, const std::string& name, Printer& printer) {
  TRY_VALUE(const auto log, open_readable(path));
  trust::LogReader reader(*log);
  for (std::uint64_t count = 0;; ++count) {
    TRY_VALUE(const auto line, reader.next());
    if (!line) return {};
    const std::string where = fmt::format("{}: entry {}", path, count);
    TRY_VALUE(trust::Entry entry, trust::Entry::parse(*line, where));
    printer.add({name, std::move(entry)});
  }
}

Status show_segments(const std::string& folder, Printer& printer) {
  TRY_VALUE(const auto numbers, segments_in(folder));
  std::uint64_t next = 1;
  for (const std::uint64_t number : numbers) {
    if (number != next) {
      fmt::print(stderr, "polder: {}: not here: {}\n", one_line(folder),
                 segments_text(next, number - 1));
    }
    next = number + 1;
    const std::string name = trust::segment_file(number);
    TRY(show(fmt::format("{}/{}", folder, name), name, printer));
  }
  return {};
}

Result<int> run(const Args& args) {
  const std::string& path = args.positional()[0];
  Printer printer(args.has("--json"), args.integer("--last", 0));
  if (is_segment_folder(path)) TRY(show_segments(path, printer));
  else TRY(show(path, "", printer));
  printer.finish();
  return 0;
}

}  // namespace

const Command kAuditShow = {
    .name = "audit show",
    .summary =
        "Lists the entries of an audit log, or of all segments in a folder such as a device "
        "keeps.\nIt believes them: 'polder audit verify' does not.",
    .arguments = "LOG|FOLDER",
    .example =
        "  polder audit show audit.log --last 20\n"
        "  polder audit show /var/lib/polderd/audit --last 20",
    .options = kOptions,
    .min_positional = 1,
    .max_positional = 1,
    .run = run};

}  // namespace polder::cli
