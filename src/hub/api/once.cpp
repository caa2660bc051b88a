#include "hub/api/once.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "trust/digest.h"

namespace polder::hub {

Once::Once(std::string actor, const Request& request)
    : actor_(std::move(actor)),
      key_(request.idempotency_key),
      id_(request.id),
      digest_(
          trust::hex(trust::sha256(request.method + " " + request.target + "\n" + request.body))) {}

Result<std::optional<Response>> Once::earlier(const Hub& hub) const {
  const auto is_printable = [](char c) { return c > ' ' && c <= '~'; };
  if (key_.size() > kMaxIdempotencyKey || !std::ranges::all_of(key_, is_printable))
    return fail(Code::kInvalid,
                "Idempotency-Key: 1 to {} printable characters without spaces expected",
                kMaxIdempotencyKey);
  TRY_VALUE(const Rows rows, ask(hub,
                                 "SELECT digest, status, body, done_s FROM request_done "
                                 "WHERE actor = ? AND request_key = ?",
                                 {actor_, key_}));
  if (rows.empty() || rows[0][3].integer() + kIdempotencyS <= hub.wall.now_s())
    return std::optional<Response>();
  const Row& row = rows[0];
  if (row[0].text() != digest_)
    return fail(Code::kInvalid,
                "Idempotency-Key: it was used for another request; choose a new one for each");
  if (row[1].is_null())
    return fail(
        Code::kIncompatible,
        "this has been done, and its answer is not kept: /v1/audit says what was done. What "
        "was shown once, such as a token, is made anew with another Idempotency-Key");
  Response response{.status = static_cast<int>(row[1].integer()), .body = row[2].text()};
  response.headers.emplace_back("Idempotency-Replayed", "true");
  return std::optional<Response>(std::move(response));
}

Status Once::mark(Database& database, std::int64_t now_s) const {
  TRY(tell(database, "DELETE FROM request_done WHERE done_s <= ?", {now_s - kIdempotencyS}));
  TRY_VALUE(const Rows rows,
            ask(database, "SELECT request_id FROM request_done WHERE actor = ? AND request_key = ?",
                {actor_, key_}));
  if (!rows.empty() && rows[0][0].text() == id_) return {};  // it writes twice
  if (!rows.empty())
    return fail(Code::kIncompatible, "this has just been done: ask again for its answer");
  return tell(database,
              "INSERT INTO request_done (actor, request_key, request_id, digest, done_s) "
              "VALUES (?, ?, ?, ?, ?)",
              {actor_, key_, id_, digest_, now_s});
}

void Once::keep(const Hub& hub, const Response& response, bool secret) const {
  if (secret) return;
  const Status kept = hub.writer.write([&](Database& database) {
    return tell(database,
                "UPDATE request_done SET status = ?, body = ? WHERE actor = ? AND request_key = ?",
                {response.status, response.body, actor_, key_});
  });
  if (!kept.ok()) hub.log("an answer is not kept: " + kept.error().message);
}

}  // namespace polder::hub
