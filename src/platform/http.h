// HTTP for a device: every transfer has a deadline, a slowest pace, a cap, and fixed buffers.
//
//   TRY_VALUE(auto client, open_http_client({.ca_file = "/etc/polder/ca.pem"}, clock, wall_clock));
//   TRY_VALUE(const std::string root, fetch_text(*client, "https://hub.example/2.root.json", cap));
//
// The interface and its fake (platform/http_fake.h) are in every program; open_http_client() is in
// the library `polder_net`, so that only programs with a network of their own carry OpenSSL's.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/clock.h"

namespace polder {

struct HttpRequest {
  std::string url;  // platform/url.h says what is accepted
  // Above this many bytes of body the transfer ends with kExhausted.
  std::uint64_t cap_bytes = 0;
  // The part to get: from `offset`, `size` bytes or (0) to the end. The whole when both are 0.
  std::uint64_t offset = 0, size = 0;
  // Of this request, where it is earlier than the client's; 0: the client's.
  std::int64_t deadline_ms = 0;
  // A refusal (4xx, 5xx) is a reply too, with its status and its body: for servers that say why.
  bool takes_refusals = false;
  // post() sends a PUT.
  bool puts = false;
  // Sent beside the client's own, whatever the address: name and value.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpReply {
  int status = 0;            // 200, or 206 for a part; of a refusal that is taken, its own
  std::uint64_t offset = 0;  // of the body's first byte in the whole
  // Bytes of the whole file, if the server said so.
  std::optional<std::uint64_t> total_bytes;
  std::uint64_t received_bytes = 0;  // of the body, so far
};

// Where a body goes.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  // Called once, before the body. A server may answer a request for a part with the whole:
  // `reply.offset` is 0 then, and whoever resumes has to start over. An error ends the transfer.
  virtual Status begin(const HttpReply& reply) { return static_cast<void>(reply), Status(); }
  // An error ends the transfer and is returned from it.
  virtual Status write(std::string_view bytes) = 0;
};

// One request at a time. Not thread-safe.
//
// Errors name the URL without its query. kInvalid: the URL, a status that blames the request (400,
// 416). kNotFound: 403, 404, 410. kDenied: TLS (who the server is, who we are), 401, a redirect.
// kTimeout: the deadline, the pace, 408. kUnavailable: no such host, no connection, a cut, 429 and
// 5xx. kExhausted: more than the cap, headers included. kCorrupt: what is no HTTP, or another range
// than asked. kUnsupported: compressed bodies. What begin() and write() return is handed on.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual Result<HttpReply> get(const HttpRequest& request, HttpSink& sink) = 0;
  // Sends `body` (at most 1 MB). Is not sent again by itself: the server may have taken it though
  // the answer was lost. Any 2xx is success.
  virtual Result<HttpReply> post(const HttpRequest& request, std::string_view content_type,
                                 std::string_view body, HttpSink& sink) = 0;
  // How long the server of the last request asked us to stay away (Retry-After of 429 and 503), in
  // seconds, at most a day; 0 when it did not.
  virtual std::int64_t retry_after_s() const = 0;
  // Ends the connection that is kept for the next request, and its memory.
  virtual void close_idle() {}
};

// The body as text.
Result<std::string> fetch_text(HttpClient& client, const std::string& url, std::size_t cap_bytes,
                               std::int64_t deadline_ms = 0);

// A private key that may not be in a file: an EVP_PKEY.
using HttpKey = std::shared_ptr<void>;

struct HttpOptions {
  // Certificates to trust, in PEM: as text, or a file. Given, nothing else is trusted; both empty:
  // those of the system.
  std::string ca_pem, ca_file;
  // What people set `ca_file` by, for what is said of a server that is not trusted; empty: nothing.
  std::string ca_setting = "'ca_file' ([network])";
  // Whoever answers is taken for the server, and may be anybody: for what proves itself.
  bool takes_any_server = false;
  // Who we are: a chain in PEM, in a file or as it is, and its key from a file or from
  // `client_key`. Empty: nobody.
  std::string client_certificate_file, client_certificate_pem, client_key_file;
  HttpKey client_key;

  std::int64_t connect_timeout_ms = 15'000;  // name, TCP and TLS
  std::int64_t deadline_ms = 300'000;        // of the whole request, connecting included
  // The slowest pace of an answer: this many bytes a second over each window. 0: any.
  std::int64_t min_rate_bytes_s = 256;
  std::int64_t rate_window_ms = 20'000;

  // Called about once a second while a request lasts; an error ends it and is returned. Must not
  // use the client. Empty: nothing.
  std::function<Status()> meanwhile;

  // Followed only from http to http or to https, from https to https.
  int max_redirects = 0;
  bool redirect_to_other_origins = false;
};

// Both clocks are borrowed and outlive the client; `wall` judges certificates. Errors: kNotFound,
// kCorrupt, kInvalid of certificates and keys.
Result<std::unique_ptr<HttpClient>> open_http_client(const HttpOptions& options, Clock& clock,
                                                     const WallClock& wall);

}  // namespace polder
