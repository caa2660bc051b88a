// The audit log: what was done here, and the proofs of it.
#include <charconv>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "trust/audit_entry.h"
#include "trust/tuf_updater.h"

namespace polder::hub {
namespace {

// What is asked of one column, as a part of a query: empty where nothing is.
struct WantedEntries {
  std::string sql;
  Values values;
  std::string query;  // for the address of the next page

  void add(const Call& call, std::string_view column) {
    const std::string text = call.target.text(column);
    if (text.empty()) return;
    sql += fmt::format(" AND {} = ?", column);
    values.emplace_back(text);
    query += fmt::format("&{}={}", column, trust::tuf::percent_encoded(text));
  }
};

Result<trust::Json> json_of(const Row& row) {
  const std::string& line = row[1].text();
  TRY_VALUE(const trust::Entry entry, trust::Entry::parse(line, "audit_entry.line"));
  return trust::Json(trust::Json::Members{{"sequence", row[0].integer()},
                                          {"time", entry.time},
                                          {"actor", entry.actor},
                                          {"act", entry.act},
                                          {"object", entry.object},
                                          {"details", entry.details},
                                          {"line", line}});
}

}  // namespace

Result<Response> list_audit(const Call& call) {
  TRY(call.target.only({"limit", "before", "actor", "act", "object"}));
  TRY_VALUE(const std::int64_t limit, call.target.integer("limit", 1, kMaxPage, kPage));
  TRY_VALUE(const std::int64_t before, call.target.integer("before", 0, INT64_MAX, INT64_MAX));
  if (const std::string act = call.target.text("act"); !act.empty()) {
    const auto known = trust::act_from_name(act);
    if (!known.ok()) return fail(Code::kInvalid, "query: act: {}", known.error().message);
  }
  WantedEntries wanted{.sql = "", .values = {call.hub.recorder.origin(), before}, .query = ""};
  for (const std::string_view column : {"actor", "act", "object"}) wanted.add(call, column);
  wanted.values.emplace_back(limit + 1);
  // One more than is shown says whether there are more.
  TRY_VALUE(const Rows rows, ask(call.hub,
                                 "SELECT sequence, line FROM audit_entry WHERE log = ? AND "
                                 "sequence < ?" +
                                     wanted.sql + " ORDER BY sequence DESC LIMIT ?",
                                 wanted.values));
  trust::Json::Array list;
  for (const Row& row : rows) {
    if (static_cast<std::int64_t>(list.size()) == limit) break;
    TRY_VALUE(trust::Json entry, json_of(row));
    list.push_back(std::move(entry));
  }
  trust::Json::Members page{{"log", call.hub.recorder.origin()}};
  if (rows.size() > list.size()) {
    page.emplace("next", fmt::format("/v1/audit?limit={}&before={}{}", limit,
                                     rows[list.size() - 1][0].integer(), wanted.query));
  }
  page.emplace("entries", std::move(list));
  return document(std::move(page), call.request);
}

Result<Response> show_checkpoint(const Call& call) {
  TRY(call.target.only({}));
  TRY_VALUE(const std::string note, call.hub.recorder.checkpoint(0));
  return document(trust::Json::Members{{"log", call.hub.recorder.origin()},
                                       {"key", call.hub.recorder.key().pem()},
                                       {"checkpoint", note}},
                  call.request);
}

Result<Response> prove_audit(const Call& call) {
  TRY(call.target.only({}));
  const std::string& text = call.parts[0];
  std::uint64_t sequence = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), sequence);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || sequence > INT64_MAX - 1)
    return fail(Code::kNotFound, "an entry's number expected, such as /v1/audit/7/proof");
  TRY_VALUE(const trust::Json proof, call.hub.recorder.prove(sequence));
  return document(proof, call.request);
}

}  // namespace polder::hub
