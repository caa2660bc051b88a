// Requests that are sent twice and done once: a person's POST or PUT with an Idempotency-Key. That
// it was done is noted in the transaction that does it, so the plug may be pulled anywhere.
#pragma once

#include <polder/error.h>

#include <optional>
#include <string>
#include <string_view>

#include "hub/api/message.h"
#include "hub/hub.h"

namespace polder::hub {

inline constexpr std::size_t kMaxIdempotencyKey = 128;
inline constexpr std::int64_t kIdempotencyS = 24 * 3'600;  // so long a key is remembered

// One request of one person.
class Once {
 public:
  Once(std::string actor, const Request& request);

  // What was answered to it before; nothing: it has not been done. Errors: kInvalid, the key is
  // none or was another request's; kIncompatible, it was done and its answer is not there.
  Result<std::optional<Response>> earlier(const Hub& hub) const;
  // As a part of what does it. Errors: kIncompatible, somebody was faster.
  Status mark(Database& database, std::int64_t now_s) const;
  // What was answered; of `secret` answers nothing is kept.
  void keep(const Hub& hub, const Response& response, bool secret) const;

 private:
  const std::string actor_, key_, id_;
  std::string digest_;  // of the request
};

}  // namespace polder::hub
