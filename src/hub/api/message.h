// Requests and responses of the HTTP API as values: what a server reads and writes, without one.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace polder::hub {

inline constexpr std::size_t kMaxBodyBytes = 64 << 10;
inline constexpr std::size_t kMaxHeaderBytes = 16 << 10;

struct Request {
  std::string id;      // in the answer, and in the log of what went wrong here
  std::string method;  // "GET"
  std::string target;  // "/v1/devices?limit=10"
  std::string authorization, content_type, if_none_match, idempotency_key;  // headers; empty: none
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
};

}  // namespace polder::hub
