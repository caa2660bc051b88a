// One HTTP/1.1 exchange over a stream of bytes. Inside this room.
//
// The one file that knows cpp-httplib. The library writes the request and reads the answer; what it
// does not bound itself (the length of a line, the number of headers, what stands between chunks)
// is bounded by the stream that it is given.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/net/connection.h"

namespace polder::net {

// What a server may make us hold before its body: status line and headers.
inline constexpr std::size_t kMaxHeaderBytes = 16 << 10;
// Of a body that nobody wants: read to the end so that the connection can go on.
inline constexpr std::size_t kMaxDiscardedBytes = 16 << 10;

struct Head {
  int status = 0;
  std::optional<std::uint64_t> content_length;
  std::string content_range, content_encoding, location, retry_after;
};

struct Exchange {
  std::string method, target;
  std::vector<std::pair<std::string, std::string>> headers;  // Host among them
  std::string_view body;
};

class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  // Whether the body is wanted; an error ends the exchange.
  virtual Result<bool> begin(const Head& head) = 0;
  virtual Status write(std::string_view bytes) = 0;
};

struct Outcome {
  Head head;
  bool answered = false;  // whether a byte of an answer came
  bool reusable = false;  // whether the stream can carry another exchange
  Status status;          // kUnavailable, kTimeout, kCorrupt, kExhausted, what the receiver said
};

Outcome exchange(ByteStream& stream, const Exchange& request, BodyReceiver& receiver);

}  // namespace polder::net
