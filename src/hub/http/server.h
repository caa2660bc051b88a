// The hub's HTTP server: TLS 1.3 over TCP, HTTP/1.1, connections that stay open.
//
//   TRY_VALUE(const auto server, Server::open({.address = "0.0.0.0", .port = 8443, ...},
//                                             {.answer = ..., .may_send = ...}));
//   server->serve();   // until SIGTERM or SIGINT
//
// What no handler sees is answered here, as a problem too: malformed HTTP (400), a body or headers
// above the caps (413, 431). Who says nothing for too long is cut off.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "hub/api/message.h"

namespace polder::hub {

struct ServerOptions {
  std::string address;                                     // "0.0.0.0", "::1"
  std::uint16_t port = 0;                                  // 0: any that is free
  std::string certificate_file, key_file, authority_file;  // in PEM
  // Makes certificate_file anew, for connections from then on; called once a day. Empty: it stays.
  std::function<Status()> renew_certificate = {};
  // That call the handler, and wait for the database most of the time: what they ask for at once is
  // committed together.
  int threads = 32;
  std::size_t max_connections = 10'000;
  std::size_t max_per_address = 4'000;  // so that one address does not take them all
  std::size_t max_waiting = 1'000;      // requests; beyond, the answer is 503 at once
  int idle_s = 60;                      // that a connection may be silent between two requests
  int request_s = 20;                   // for a handshake, and for reading or writing one message
  int least_bytes_s = 1'024;            // of a file that is being fetched
  int large_body_s = 120;               // for reading one whose body is above the usual cap
};

class Server {
 public:
  // Called by several threads at once; do not throw.
  struct Handler {
    std::function<Response(const Request&)> answer;
    // Asked with the headers alone, where a body is above kMaxBodyBytes.
    std::function<BodyRule(const Request&)> may_send;
    // Told of each response as it is sent, also of those that are made here, and how long it took
    // since the headers of its request had come. By one thread.
    std::function<void(const Response&, std::int64_t took_us)> sent = {};
  };
  // Errors: kInvalid for what is no address; kUnavailable when the port is taken; kDenied when it
  // may not be used; kCorrupt for a certificate or key that is none.
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options, Handler handler);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  // Answers until the process gets SIGTERM or SIGINT, or has got it since open(): then what was
  // asked is still answered, for some seconds at most.
  virtual void serve() = 0;
};

}  // namespace polder::hub
