#include "platform/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/fail.h"
#include "platform/file.h"

namespace polder::net {
namespace {

constexpr std::size_t kMaxPemBytes = 4 << 20;
constexpr int kMaxDepth = 8;  // of a chain of certificates

// OpenSSL's own BIO of a socket writes with write(), which raises SIGPIPE when the peer is gone.
int bio_write(BIO* bio, const char* bytes, int size) {
  const int fd = int(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(fd, bytes, std::size_t(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return int(sent);
}

int bio_read(BIO* bio, char* bytes, int size) {
  const int fd = int(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(fd, bytes, std::size_t(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return int(got);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

BIO* new_socket_bio(int fd) {
  // Once for the process, as OpenSSL does with its own.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "polder socket");
    if (!made) return made;
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  BIO* bio = method ? BIO_new(method) : nullptr;
  if (!bio) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(std::intptr_t(fd)));
  BIO_set_init(bio, 1);
  return bio;
}

// The certificates of a text in PEM go into `store`; how many there were.
int add_certificates(X509_STORE* store, std::string_view pem) {
  const Owned<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  int count = 0;
  for (;; ++count) {
    const Owned<X509, X509_free> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    X509_STORE_add_cert(store, certificate.get());
  }
  ERR_clear_error();  // the end of the text is an error of OpenSSL's
  return count;
}

// For a clock that is behind: who can show a certificate of later has it all the same.
int take_certificates_of_later(int is_good, X509_STORE_CTX* context) {
  if (is_good == 1 || X509_STORE_CTX_get_error(context) != X509_V_ERR_CERT_NOT_YET_VALID)
    return is_good;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

// Refuses to ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

std::string tls_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason ? reason : "no reason given";
}

Result<std::unique_ptr<TlsContext>> TlsContext::create(const HttpOptions& options,
                                                       const WallClock& wall) {
  std::unique_ptr<TlsContext> tls(new TlsContext);
  tls->wall_ = &wall;
  tls->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls->context_.get();
  if (!context) return fail(Code::kExhausted, "TLS cannot start: {}", tls_reason());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection holds no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_verify(context, options.takes_any_server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     nullptr);
  SSL_CTX_set_verify_depth(context, kMaxDepth);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, &TlsContext::keep_session);
  SSL_CTX_set_app_data(context, tls.get());
  tls->takes_any_server_ = options.takes_any_server;
  tls->ca_setting_ = options.ca_setting;
  if (!tls->takes_any_server_) TRY(tls->trust(options));
  TRY(tls->identify(options));
  return tls;
}

const std::string& TlsContext::ca_setting(const SSL* ssl) {
  return static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->ca_setting_;
}

Status TlsContext::trust(const HttpOptions& options) {
  SSL_CTX* context = context_.get();
  if (options.ca_pem.empty() && options.ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1)
      return fail(Code::kNotFound, "this system has no certificates to trust: {}", tls_reason());
    return {};
  }
  std::string pem = options.ca_pem;
  if (!options.ca_file.empty()) {
    TRY_VALUE(const std::string text, read_file(options.ca_file, kMaxPemBytes));
    pem += '\n' + text;
  }
  if (add_certificates(SSL_CTX_get_cert_store(context), pem) == 0) {
    return fail(Code::kCorrupt, "{}: a certificate in PEM is expected, none is there",
                options.ca_file.empty() ? "the pinned certificate" : options.ca_file);
  }
  return {};
}

Status TlsContext::use_chain(const HttpOptions& options) {
  SSL_CTX* context = context_.get();
  const std::string& chain = options.client_certificate_file;
  if (!chain.empty()) {
    // For its error: OpenSSL's own does not tell a file that is not there from one that is broken.
    TRY(read_file(chain, kMaxPemBytes));
    if (SSL_CTX_use_certificate_chain_file(context, chain.c_str()) != 1)
      return fail(Code::kCorrupt, "{}: a certificate in PEM is expected: {}", chain, tls_reason());
    return {};
  }
  const std::string& pem = options.client_certificate_pem;
  const Owned<BIO, BIO_free_all> bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  const Owned<X509, X509_free> first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!first || SSL_CTX_use_certificate(context, first.get()) != 1)
    return fail(Code::kCorrupt, "a client's certificate in PEM is expected: {}", tls_reason());
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    if (SSL_CTX_add0_chain_cert(context, next) != 1) X509_free(next);
  ERR_clear_error();  // the end of the text is an error of OpenSSL's
  return {};
}

Status TlsContext::identify(const HttpOptions& options) {
  if (options.client_certificate_file.empty() && options.client_certificate_pem.empty()) return {};
  const std::string chain = options.client_certificate_file.empty()
                                ? "the client's certificate"
                                : options.client_certificate_file;
  SSL_CTX* context = context_.get();
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  TRY(use_chain(options));
  if (options.client_key) {
    if (SSL_CTX_use_PrivateKey(context, static_cast<EVP_PKEY*>(options.client_key.get())) != 1)
      return fail(Code::kInvalid, "{}: the key does not belong to this certificate: {}", chain,
                  tls_reason());
    return {};
  }
  const std::string& key = options.client_key_file;
  TRY(read_file(key, kMaxPemBytes));
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Code::kInvalid,
                "{}: a private key in PEM, without passphrase, that belongs to {} is expected: {}",
                key, chain, tls_reason());
  return {};
}

// OpenSSL calls it for each ticket of the server; 1: the session is ours now.
int TlsContext::keep_session(SSL* ssl, SSL_SESSION* session) {
  auto* self = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  self->session_.reset(session);
  return 1;
}

Result<OwnedSsl> TlsContext::open(const Url& url, int fd) {
  OwnedSsl ssl(SSL_new(context_.get()));
  BIO* bio = ssl ? new_socket_bio(fd) : nullptr;
  if (!bio) return fail(Code::kExhausted, "TLS cannot start: {}", tls_reason());
  SSL_set_bio(ssl.get(), bio, bio);
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  X509_VERIFY_PARAM_set_time(verify, time_t(wall_->now_s()));
  if (wall_->is_behind() && !takes_any_server_)
    SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, take_certificates_of_later);
  unsigned char address[sizeof(in6_addr)];
  const bool is_address = ::inet_pton(AF_INET, url.host.c_str(), address) == 1 ||
                          ::inet_pton(AF_INET6, url.host.c_str(), address) == 1;
  bool set = false;
  if (is_address) {
    set = X509_VERIFY_PARAM_set1_ip_asc(verify, url.host.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = SSL_set1_host(ssl.get(), url.host.c_str()) == 1 &&
          SSL_set_tlsext_host_name(ssl.get(), url.host.c_str()) == 1;
  }
  if (!set) return fail(Code::kExhausted, "TLS cannot start: {}", tls_reason());
  const std::string origin = url.origin();
  if (session_origin_ != origin) session_.reset();
  session_origin_ = origin;
  if (session_) SSL_set_session(ssl.get(), session_.get());
  return ssl;
}

}  // namespace polder::net
