#include "platform/net/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fail.h"
#include "platform/net/resolve.h"

namespace polder::net {
namespace {

constexpr std::int64_t kMaxWaitUs = 1'000'000;
constexpr int kMaxIo = 1 << 20;

// Waits until one of `events` shows.
Status wait_on(int fd, short events, Pace& pace) {
  for (;;) {
    TRY_VALUE(const std::int64_t left_us, pace.left_us());
    pollfd at{fd, events, 0};
    const int ready = ::poll(&at, 1, int((std::min(left_us, kMaxWaitUs) + 999) / 1000));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR)
      return fail(Code::kIo, "cannot wait for the network: {}", std::strerror(errno));
  }
}

Error cut(int number) {
  return fail(Code::kUnavailable, "the connection broke: {}", std::strerror(number));
}

Result<Descriptor> connect_to(const Address& address, Pace& pace) {
  Descriptor fd(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (fd.get() < 0) return fail(Code::kUnavailable, "no socket: {}", std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* to = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(fd.get(), to, address.size) == 0) return fd;
  if (errno != EINPROGRESS)
    return fail(Code::kUnavailable, "cannot connect: {}", std::strerror(errno));
  TRY(wait_on(fd.get(), POLLOUT, pace));
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(Code::kUnavailable, "cannot connect: {}", std::strerror(error));
  return fd;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Url& url, TlsContext* tls, Pace& pace) {
  TRY_VALUE(const std::vector<Address> addresses, resolve(url.host, url.port, pace));
  Error last = fail(Code::kUnavailable, "the host has no address");
  for (const Address& address : addresses) {
    auto fd = connect_to(address, pace);
    if (!fd.ok()) {
      last = std::move(fd).error();
      if (last.code == Code::kTimeout) break;
      continue;
    }
    std::unique_ptr<Connection> connection(new Connection(std::move(*fd)));
    connection->pace_ = &pace;
    if (tls) {
      TRY_VALUE(connection->ssl_, tls->open(url, connection->fd_.get()));
      TRY(connection->shake_hands());
    }
    return connection;
  }
  return last;
}

Connection::~Connection() {
  // Tells the server that this is the end; does not wait for its answer.
  if (ssl_) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Status Connection::wait(short events) { return wait_on(fd_.get(), events, *pace_); }

Status Connection::shake_hands() {
  for (;;) {
    ERR_clear_error();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return {};
    TRY(after(result));
  }
}

Status Connection::after(int result) {
  const int number = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: return wait(POLLIN);
    case SSL_ERROR_WANT_WRITE: return wait(POLLOUT);
    case SSL_ERROR_ZERO_RETURN: return fail(Code::kUnavailable, "the server ended the connection");
    case SSL_ERROR_SYSCALL: return why_cut(number);
    default: return why_refused();
  }
}

// In TLS 1.3 a server refuses a client after the client's side of the handshake is done: what it
// says may wait to be read while our writing already fails.
Status Connection::why_cut(int number) {
  SSL_set_quiet_shutdown(ssl_.get(), 1);
  if (number == EPIPE || number == ECONNRESET) {
    char byte;
    ERR_clear_error();
    const int got = SSL_peek(ssl_.get(), &byte, 1);
    if (got <= 0 && SSL_get_error(ssl_.get(), got) == SSL_ERROR_SSL &&
        ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET)
      return why_refused();
  }
  ERR_clear_error();
  return cut(number);
}

// What OpenSSL found wrong.
Status Connection::why_refused() {
  // After such an error it wants nothing more of this connection.
  SSL_set_quiet_shutdown(ssl_.get(), 1);
  const int reason = ERR_GET_REASON(ERR_peek_error());
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return ERR_clear_error(), fail(Code::kUnavailable, "the connection was cut");
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    ERR_clear_error();
    const std::string& setting = TlsContext::ca_setting(ssl_.get());
    return fail(Code::kDenied, "the server's certificate is not accepted: {}{}",
                X509_verify_cert_error_string(verified),
                setting.empty() ? ""
                                : fmt::format("; for an authority of your own set {} to its "
                                              "certificate",
                                              setting));
  }
  // From this number on, reasons are what the server told us; below, what we found.
  const bool is_alert = reason >= SSL_AD_REASON_OFFSET;
  if (SSL_is_init_finished(ssl_.get()) && !is_alert)
    return fail(Code::kUnavailable, "the connection was damaged on its way: {}", tls_reason());
  return fail(Code::kDenied, "TLS fails{}: {}",
              is_alert ? ", the server says" : " (does a TLS server answer there?)", tls_reason());
}

Result<std::size_t> Connection::read(char* bytes, std::size_t size) {
  const int most = int(std::min<std::size_t>(size, kMaxIo));
  for (;;) {
    // Also when there is always something to read: waiting is not the only way to be late.
    TRY(pace_->left_us());
    if (ssl_) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), bytes, most);
      if (got > 0) return pace_->count(std::size_t(got)), std::size_t(got);
      if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) return std::size_t(0);
      TRY(after(got));
      continue;
    }
    const ssize_t got = ::recv(fd_.get(), bytes, std::size_t(most), 0);
    if (got >= 0) return pace_->count(std::size_t(got)), std::size_t(got);
    if (errno == EAGAIN) TRY(wait(POLLIN));
    else if (errno != EINTR) return cut(errno);
  }
}

Status Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    TRY(pace_->left_us());
    const std::size_t most = std::min<std::size_t>(bytes.size(), kMaxIo);
    if (ssl_) {
      ERR_clear_error();
      const int sent = SSL_write(ssl_.get(), bytes.data(), int(most));
      if (sent > 0) bytes.remove_prefix(std::size_t(sent));
      else TRY(after(sent));
      continue;
    }
    const ssize_t sent = ::send(fd_.get(), bytes.data(), most, MSG_NOSIGNAL);
    if (sent >= 0) bytes.remove_prefix(std::size_t(sent));
    else if (errno == EAGAIN) TRY(wait(POLLOUT));
    else if (errno != EINTR) return cut(errno);
  }
  return {};
}

bool Connection::is_fresh() {
  char byte;
  if (!ssl_) {
    const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && errno == EAGAIN;
  }
  // Tickets of TLS 1.3 may have come meanwhile: they are read here, and are no answer.
  ERR_clear_error();
  const int got = SSL_peek(ssl_.get(), &byte, 1);
  const bool fresh = got <= 0 && SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return fresh;
}

}  // namespace polder::net
