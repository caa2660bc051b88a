// A page for this machine alone: answers GET on 127.0.0.1, for whoever collects metrics here.
//
//   TRY_VALUE(auto server, PageServer::open(9464, clock));
//   server->serve(1000, [](std::string_view target) -> std::optional<Page> { ... });
//
// In one thread, together with what else it does: serve() waits for as long as it may and answers
// what comes meanwhile. HTTP/1.1 as far as a collector needs it: one request each connection, GET
// or HEAD, no body. A request has at most kMaxPageRequestBytes and kPageDeadlineMs, answer
// included; there are at most kMaxPageConnections, others wait in the kernel. Nobody but this
// machine reaches the address; that a browser here is not made to read the page for a site
// elsewhere is why the Host must be 127.0.0.1 or localhost.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "platform/clock.h"

namespace polder {

inline constexpr std::size_t kMaxPageRequestBytes = 8 << 10;
inline constexpr std::size_t kMaxPageConnections = 8;
inline constexpr std::int64_t kPageDeadlineMs = 5'000;

struct Page {
  std::string content_type, body;
};

// What a request asks for.
struct PageRequest {
  std::string method, target, host;  // host: without its port, in lower case; may be empty
};

// Nothing while there is more to come. Errors: kCorrupt for what is no HTTP/1 request or has a
// body; kExhausted above kMaxPageRequestBytes.
Result<std::optional<PageRequest>> parse_page_request(std::string_view bytes);

// Nothing for a target that there is not.
using Pages = std::function<std::optional<Page>(std::string_view target)>;

// Not thread-safe. Borrows the clock.
class PageServer {
 public:
  // Port 0: any that is free. Errors: kUnavailable, kDenied.
  static Result<std::unique_ptr<PageServer>> open(int port, Clock& clock);
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  int port() const { return port_; }
  // Answers for `wait_ms`; 0: what is there now. Never waits for one who does not read or write.
  void serve(std::int64_t wait_ms, const Pages& pages);
  // Bodies that were sent, since the last call.
  std::uint64_t take_sent_bytes() { return std::exchange(sent_bytes_, 0); }

 private:
  struct Connection;
  PageServer(int fd, int port, Clock& clock);
  void accept_all();
  bool go_on(Connection& connection, const Pages& pages);
  bool read(Connection& connection, const Pages& pages);
  bool write(Connection& connection);
  void answer(Connection& connection, const Result<std::optional<PageRequest>>& request,
              const Pages& pages);
  void end_late();

  int fd_, port_;
  Clock& clock_;
  std::list<Connection> connections_;
  std::int64_t deaf_until_us_ = 0;
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace polder
