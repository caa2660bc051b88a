#include "hub/upkeep/copy.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <variant>

#include "base/fail.h"
#include "hub/store/schema.h"
#include "trust/digest.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kRowsAtOnce = 1'000;

// Bytes that two different rows do not share.
std::string bytes_of(const Row& row) {
  std::string text;
  for (const Value& value : row) {
    std::string one;
    if (const auto* number = std::get_if<std::int64_t>(&value.kinds())) {
      one = fmt::format("i{}", *number);
    } else if (const auto* real = std::get_if<double>(&value.kinds())) {
      one = fmt::format("d{:x}", std::bit_cast<std::uint64_t>(*real));
    } else if (!value.text().empty() || std::holds_alternative<std::string>(value.kinds())) {
      one = "t" + value.text();
    } else if (!value.is_null()) {
      one = "b" + value.bytes();
    }
    text += fmt::format("{}:", one.size()) + one;
  }
  return text;
}

// Rows are told apart by their keys, so none takes another one's digest away.
void add(trust::Sha256& all, const Row& row) {
  const trust::Sha256 one = trust::sha256(bytes_of(row));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] ^= one[i];
}

std::string list(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}
std::string marks(std::size_t count) { return list(std::vector<std::string>(count, "?")); }

using Visitor = std::function<Status(const Row& row)>;

// By the key, page by page.
Result<CopiedTable> walk(Database& database, const Table& table, const Visitor& visit) {
  CopiedTable walked{.name = table.name, .rows = 0, .digest = {}};
  trust::Sha256 all{};
  const std::string head =
      fmt::format("SELECT {}, {} FROM {}", list(table.key), list(table.columns), table.name);
  const std::string tail = fmt::format(" ORDER BY {} LIMIT {}", list(table.key), kRowsAtOnce);
  const std::string next =
      head + fmt::format(" WHERE ({}) > ({})", list(table.key), marks(table.key.size())) + tail;
  Values last;
  while (true) {
    TRY_VALUE(const Rows rows, database.query(last.empty() ? head + tail : next, last));
    for (const Row& row : rows) {
      const Row own(row.begin() + static_cast<std::ptrdiff_t>(table.key.size()), row.end());
      add(all, own);
      TRY(visit(own));
    }
    walked.rows += static_cast<std::int64_t>(rows.size());
    if (static_cast<std::int64_t>(rows.size()) < kRowsAtOnce) break;
    last.assign(rows.back().begin(),
                rows.back().begin() + static_cast<std::ptrdiff_t>(table.key.size()));
  }
  walked.digest = trust::hex(all);
  return walked;
}

}  // namespace

Status check_empty(Database& to) {
  TRY_VALUE(const std::vector<std::string> there, to.tables());
  std::vector<std::string> found;
  for (const Table& table : tables_of_hub()) {
    if (std::ranges::find(there, table.name) == there.end()) continue;
    TRY_VALUE(const Rows rows, to.query(fmt::format("SELECT 1 FROM {} LIMIT 1", table.name)));
    if (!rows.empty()) found.push_back(table.name);
  }
  if (found.empty()) return {};
  return fail(Code::kDenied,
              "the database that is copied to has rows of a hub ({}): give one that is empty; "
              "nothing was changed",
              list(found));
}

namespace {

Result<CopiedTable> copy_table(Database& from, Database& to, const Table& table) {
  const std::string insert = fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name,
                                         list(table.columns), marks(table.columns.size()));
  TRY_VALUE(CopiedTable sent,
            walk(from, table, [&](const Row& row) { return to.run(insert, row); }));
  TRY_VALUE(const CopiedTable arrived, walk(to, table, [](const Row&) { return Status(); }));
  if (arrived.rows == sent.rows && arrived.digest == sent.digest) return sent;
  return fail(Code::kCorrupt,
              "table {}: {} rows were sent, {} have arrived, and are {}; nothing "
              "was changed",
              table.name, sent.rows, arrived.rows,
              arrived.rows == sent.rows ? "others" : "not all");
}

}  // namespace

Result<std::vector<CopiedTable>> copy_database(Database& from, Database& to) {
  TRY(check_today(from));
  std::vector<CopiedTable> tables;
  Status read = from.transaction([&] {
    return to.transaction([&]() -> Status {
      TRY(check_empty(to));
      TRY(migrate(to));
      for (const Table& table : tables_of_hub()) {
        TRY_VALUE(CopiedTable copied, copy_table(from, to, table));
        tables.push_back(std::move(copied));
      }
      return {};
    });
  });
  TRY(std::move(read));
  return tables;
}

}  // namespace polder::hub
