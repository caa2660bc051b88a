#include "hub/rollouts/refusals.h"

#include "base/fail.h"
#include "base/text.h"
#include "hub/store/ask.h"

namespace polder::hub {
namespace {

// What a device that refuses has as its failure: without a word, and with its words.
constexpr std::string_view kRefused = "refused", kRefusedWith = "refused: ";

// Those whose release has gone wrong did take it (failure_kind); so did those that run it.
constexpr std::string_view kRefusals =
    "COALESCE(failure, '') <> '' AND failure_kind IS NULL AND running NOT IN (?, ?)";

std::string_view words_of(Code code) {
  switch (code) {
    case Code::kExhausted: return "there is no room for it";
    case Code::kIo: return "something could not be read or written";
    case Code::kNotFound: return "something that it needs is not there";
    case Code::kUnavailable: return "something that it needs could not be reached";
    case Code::kTimeout: return "something took too long";
    case Code::kCorrupt: return "what came of it was damaged";
    default: return "something there was not as it should be";
  }
}

}  // namespace

std::string refused_text(std::string_view words) {
  return words.empty() ? std::string(kRefused) : fmt::format("{}{}", kRefusedWith, words);
}

std::vector<Reason> Refusals::reasons() const {
  std::vector<Reason> all;
  if (refused > 0) {
    std::string_view words = why;
    if (words == kRefused) words = "without a word why";
    if (words.starts_with(kRefusedWith)) words.remove_prefix(kRefusedWith.size());
    const Sentence& some = is_unanimous ? why::kRefused : why::kRefusedMostly;
    const Sentence& each = is_unanimous ? why::kRefusedByAll : why::kRefusedByAllMostly;
    all.push_back(say(are_all() ? each : some,
                      {{"refused", refused}, {"told", told}, {"trouble", one_line(words)}}));
  }
  if (late > 0)
    all.push_back(
        say(late == told ? why::kNotTakenByAll : why::kNotTaken, {{"late", late}, {"told", told}}));
  return all;
}

Result<Refusals> refusals_of(Database& database, const Rollout& rollout) {
  const bool is_share = rollout.stage().devices == 0;
  // Those that are compared are few; so SQLite is kept from the index of failures.
  const std::string_view compared =
      is_share ? " AND number IS NOT NULL" : " AND failure IS NOT NULL";
  const std::string_view version = rollout.order.version;
  const std::string_view other = rollout.is_a_b() ? rollout.order.other_version : version;
  TRY_VALUE(const Rows rows,
            ask(database,
                fmt::format("SELECT failure, COUNT(*) FROM rollout_device WHERE rollout = ? AND "
                            "{}{} GROUP BY failure ORDER BY 2 DESC, 1",
                            kRefusals, compared),
                {rollout.id, version, other}));
  Refusals all;
  if (rows.empty()) return all;
  for (const Row& row : rows) {
    const bool is_late = row[0].text() == kNotTaken;
    (is_late ? all.late : all.refused) += row[1].integer();
    if (is_late) continue;
    all.is_unanimous = all.why.empty();
    if (all.why.empty()) all.why = row[0].text();
  }
  all.told = all.count() + static_cast<std::int64_t>(rollout.state.chosen.size());
  if (!is_share) return all;
  TRY_VALUE(const Rows told,
            ask(database,
                fmt::format("SELECT COUNT(*) FROM rollout_device WHERE rollout = ? AND number IS "
                            "NOT NULL AND (wanted > 0 OR ({}))",
                            kRefusals),
                {rollout.id, version, other}));
  all.told = told[0][0].integer();
  return all;
}

std::string ended_text(Code code) {
  return fmt::format("could not take it: {} (no fault of the release; tried again)",
                     words_of(code));
}

Result<std::vector<Reason>> ended_of(Database& database, const Rollout& rollout) {
  const std::string_view version = rollout.order.version;
  TRY_VALUE(
      const Rows rows,
      ask(database,
          "SELECT ended_code, COUNT(*), MIN(device) FROM rollout_device WHERE rollout = ? AND "
          "ended_code IS NOT NULL AND failure IS NULL AND trouble = '' AND wanted <> 0 AND NOT "
          "(running IN (?, ?) AND is_settled = 1) GROUP BY ended_code ORDER BY 2 DESC, 1",
          {rollout.id, version,
           rollout.is_a_b() ? std::string_view(rollout.order.other_version) : version}));
  std::vector<Reason> all;
  for (const Row& row : rows)
    all.push_back(say(row[1].integer() == 1 ? why::kOneEnded : why::kEnded,
                      {{"devices", row[1].integer()},
                       {"cause", words_of(static_cast<Code>(row[0].integer()))},
                       {"device", row[2].text()}}));
  return all;
}

}  // namespace polder::hub
