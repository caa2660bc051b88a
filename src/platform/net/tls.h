// TLS through OpenSSL: whom a client trusts and who it is. Inside this room.
#pragma once

#include <openssl/ssl.h>
#include <polder/error.h>

#include <memory>
#include <string>

#include "platform/http.h"
#include "platform/url.h"

namespace polder::net {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, OpensslFree<Free>>;

using OwnedSsl = Owned<SSL, SSL_free>;

// The oldest error that OpenSSL has queued, in its words; clears the queue.
std::string tls_reason();

// TLS 1.2 or newer, host names verified, one session kept for resumption. Not thread-safe.
class TlsContext {
 public:
  // Errors: kNotFound, kCorrupt, kInvalid, naming the file.
  static Result<std::unique_ptr<TlsContext>> create(const HttpOptions& options,
                                                    const WallClock& wall);
  // A client's side of a connection to `url`, over the socket; not yet shaken hands. Owns no
  // socket.
  Result<OwnedSsl> open(const Url& url, int fd);
  // HttpOptions::ca_setting of the context of a connection.
  static const std::string& ca_setting(const SSL* ssl);

 private:
  TlsContext() = default;
  static int keep_session(SSL* ssl, SSL_SESSION* session);
  Status trust(const HttpOptions& options);
  Status identify(const HttpOptions& options);
  Status use_chain(const HttpOptions& options);

  Owned<SSL_CTX, SSL_CTX_free> context_;
  const WallClock* wall_ = nullptr;
  bool takes_any_server_ = false;
  std::string ca_setting_;
  std::string session_origin_;  // whose session it is
  Owned<SSL_SESSION, SSL_SESSION_free> session_;
};

}  // namespace polder::net
