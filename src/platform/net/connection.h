// A TCP connection, with TLS or without; no wait of it outlasts its Pace. Inside this room.
#pragma once

#include <polder/error.h>

#include <memory>
#include <string_view>
#include <utility>

#include "platform/descriptor.h"
#include "platform/net/pace.h"
#include "platform/net/tls.h"

namespace polder::net {

// Bytes both ways. What HTTP is spoken over.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // At least one byte; 0 at the orderly end.
  virtual Result<std::size_t> read(char* bytes, std::size_t size) = 0;
  virtual Status write(std::string_view bytes) = 0;
};

class Connection final : public ByteStream {
 public:
  // Connects to the first address that answers, and shakes hands when `tls` is given. Errors:
  // kUnavailable, kTimeout, kDenied (certificates).
  static Result<std::unique_ptr<Connection>> open(const Url& url, TlsContext* tls, Pace& pace);
  ~Connection() override;

  // Whose pace reads and writes keep; borrowed.
  void set_pace(Pace* pace) { pace_ = pace; }
  Result<std::size_t> read(char* bytes, std::size_t size) override;
  Status write(std::string_view bytes) override;
  // Whether an idle connection can carry another request: the server has neither ended it nor said
  // anything.
  bool is_fresh();
  // Whether TLS resumed an earlier session.
  bool is_resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }

 private:
  explicit Connection(Descriptor fd) : fd_(std::move(fd)) {}
  Status wait(short events);
  Status shake_hands();
  // What a result of OpenSSL's below 1 means: an error, or ok when it is worth another try.
  Status after(int result);
  Status why_cut(int number);
  Status why_refused();

  Descriptor fd_;
  OwnedSsl ssl_;
  Pace* pace_ = nullptr;
};

}  // namespace polder::net
