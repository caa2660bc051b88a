// Requests and responses of the HTTP API as values: what a server reads and writes, without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hub/api/traffic.h"
#include "platform/random_access.h"

namespace polder::hub {

inline constexpr std::size_t kMaxBodyBytes = 64 << 10;
inline constexpr std::size_t kMaxLargeBodyBytes = 1 << 20;  // of a route that says so
inline constexpr std::size_t kMaxHeaderBytes = 16 << 10;

struct Request {
  std::string id;      // in the answer, and in the log of what went wrong here
  std::string method;  // "GET"
  std::string target;  // "/v1/devices?limit=10"
  // Headers; empty: none.
  std::string authorization, content_type, if_none_match, range, idempotency_key;
  std::string body;
  // In PEM; empty: none. Who sent the request has its key; whether it is of any worth is to be
  // found out.
  std::string certificate;
  std::string peer;  // the address that it came from
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  // Or a part of a file, which is sent piece by piece.
  std::shared_ptr<const ReadableFile> file = {};
  std::uint64_t file_from = 0, file_bytes = 0;
  Asker asker = Asker::kAnyone;  // for whom its route is; of the server's own, anyone
};

// How large a body somebody may send, or why none.
struct BodyRule {
  std::size_t max_bytes = kMaxBodyBytes;
  std::optional<Response> refusal = {};
};

}  // namespace polder::hub
