// The adapter of Boost.Asio and Beast: coroutines in one thread, handlers in others.
#include "hub/http/server.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "hub/api/problem.h"
#include "hub/tokens.h"

namespace polder::hub {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Stream = beast::ssl_stream<beast::tcp_stream>;

constexpr std::chrono::seconds kLastAnswers{10};
constexpr std::chrono::milliseconds kAfterFailedAccept{100};
constexpr std::chrono::seconds kGoodbye{1};
constexpr std::chrono::hours kRenewEvery{24};
constexpr std::chrono::seconds kMaxDrop{10};
constexpr std::size_t kMaxDroppedBytes = 16 << 20;
constexpr std::uint64_t kPieceBytes = 32 << 10;  // of a file, at once in memory
constexpr std::size_t kIdleBytes = 512;          // of a buffer while nothing is asked

// Operations that give their error as a value.
constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);

// Who shows a certificate proves to have its key; what it is worth is the handler's to say, in
// words, for a failed handshake says nothing.
int take_any(int, X509_STORE_CTX*) { return 1; }

std::string certificate_of(SSL* ssl) {
  X509* const certificate = SSL_get1_peer_certificate(ssl);
  BIO* const bio = BIO_new(BIO_s_mem());
  std::string pem;
  if (certificate && bio && PEM_write_bio_X509(bio, certificate) == 1) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    pem.assign(text, static_cast<std::size_t>(size));
  }
  BIO_free(bio);
  X509_free(certificate);
  return pem;
}

std::string text_of(const http::request<http::string_body>& message, http::field field) {
  const auto found = message.find(field);
  return found == message.end() ? std::string()
                                : std::string(found->value().data(), found->value().size());
}

Request request_of(http::request<http::string_body> message, const std::string& certificate,
                   const std::string& peer) {
  Request request{.peer = peer};
  request.method.assign(message.method_string().data(), message.method_string().size());
  request.target.assign(message.target().data(), message.target().size());
  request.authorization = text_of(message, http::field::authorization);
  request.content_type = text_of(message, http::field::content_type);
  request.if_none_match = text_of(message, http::field::if_none_match);
  request.range = text_of(message, http::field::range);
  if (const auto key = message.find("Idempotency-Key"); key != message.end())
    request.idempotency_key.assign(key->value().data(), key->value().size());
  request.body = std::move(message.body());
  request.certificate = certificate;
  return request;
}

// Takes the response's body.
http::response<http::string_body> message_of(Response& response, const std::string& id,
                                             bool is_head, bool keep_alive) {
  http::response<http::string_body> message;
  message.version(11);
  message.result(static_cast<unsigned>(response.status));
  message.set(http::field::server, "polder-hub");
  message.set("X-Request-Id", id);
  message.set(http::field::cache_control, "no-store");
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  if (!response.body.empty() || response.file)
    message.set(http::field::content_type, response.content_type);
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  if (response.file) message.content_length(response.file_bytes);
  if (response.status == 204 || response.status == 304)
    message.erase(http::field::content_length);  // RFC 9110, section 8.6
  if (is_head) message.body().clear();           // the length stays
  return message;
}

Response too_large(std::size_t max_bytes, const std::string& id) {
  return problem(413, fail(Code::kExhausted, "a body has at most {} bytes here", max_bytes), id);
}

// What a message was that could not be read; nothing when nobody is there to be told.
std::optional<Response> refusal_of(const error_code& error, std::size_t max_body,
                                   const std::string& id) {
  if (error == http::error::body_limit) return too_large(max_body, id);
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return problem(431, fail(Code::kExhausted, "headers have at most {} bytes", kMaxHeaderBytes),
                   id);
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() != http::make_error_code(http::error::bad_target).category()) return {};
  return problem(400, fail(Code::kInvalid, "no HTTP request: {}", error.message()), id);
}

class BeastServer final : public Server {
 public:
  BeastServer(const ServerOptions& options, Handler handler)
      : options_(options),
        handler_(std::move(handler)),
        tls_(asio::ssl::context::tls_server),
        acceptor_(io_),
        workers_(static_cast<std::size_t>(options.threads)) {}
  ~BeastServer() override { workers_.join(); }

  Status set_up_tls() {
    error_code error;
    SSL_CTX* const context = tls_.native_handle();
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (tls_.use_certificate_chain_file(options_.certificate_file, error); error)
      return fail(Code::kCorrupt, "{}: a certificate in PEM expected: {}",
                  options_.certificate_file, error.message());
    if (tls_.use_private_key_file(options_.key_file, asio::ssl::context::pem, error); error)
      return fail(Code::kCorrupt, "{}: the key of {} in PEM expected: {}", options_.key_file,
                  options_.certificate_file, error.message());
    // Names of authorities, from which clients choose what to show.
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(options_.authority_file.c_str());
    if (!names)
      return fail(Code::kCorrupt, "{}: a certificate in PEM expected", options_.authority_file);
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, take_any);
    // Sessions are resumed by tickets, which hold the client's certificate: one is enough, as each
    // that is resumed gives another.
    SSL_CTX_set_num_tickets(context, 1);
    constexpr unsigned char kName[] = "polder-hub";
    SSL_CTX_set_session_id_context(context, kName, sizeof kName - 1);
    return {};
  }

  Status listen() {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options_.address, error);
    if (error)
      return fail(Code::kInvalid, "--listen: an address such as 0.0.0.0 expected, '{}' found",
                  options_.address);
    const tcp::endpoint endpoint(address, options_.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    if (!error) return {};
    const std::string where = fmt::format("{} port {}", options_.address, options_.port);
    if (error == asio::error::address_in_use)
      return fail(Code::kUnavailable,
                  "{}: another program listens there; choose another port with --listen", where);
    if (error == asio::error::access_denied)
      return fail(Code::kDenied,
                  "{}: this user may not listen there; ports from 1024 on are free "
                  "to all",
                  where);
    return fail(Code::kUnavailable, "{}: {}", where, error.message());
  }

  std::uint16_t port() const override {
    error_code error;
    return acceptor_.local_endpoint(error).port();
  }

  void serve() override {
    asio::co_spawn(io_, accept_all(), asio::detached);
    asio::co_spawn(io_, end_at_signal(), asio::detached);
    if (options_.renew_certificate) asio::co_spawn(io_, renew_daily(), asio::detached);
    io_.run();
  }

 private:
  // A connection; an idle one may be cut off. Who was idle first stands first of those that are.
  struct Open {
    beast::tcp_stream* stream;
    asio::ip::address peer;
    bool is_idle;
  };
  using Place = std::list<Open>::iterator;

  asio::awaitable<void> end_at_signal() {
    co_await signals_.async_wait(kAwait);
    ends_ = true;
    error_code error;
    acceptor_.close(error);
    for (const Open& one : open_)
      if (one.is_idle) one.stream->cancel();
    const auto last = std::chrono::steady_clock::now() + kLastAnswers;
    while (!open_.empty() && std::chrono::steady_clock::now() < last) {
      asio::steady_timer look(io_, std::chrono::milliseconds(20));
      co_await look.async_wait(kAwait);
    }
    io_.stop();
  }

  asio::awaitable<void> renew_daily() {
    asio::steady_timer timer(io_);
    while (!ends_) {
      timer.expires_after(kRenewEvery);
      co_await timer.async_wait(kAwait);
      // What went wrong has been told; the one that there is goes on.
      if (!options_.renew_certificate().ok()) continue;
      error_code ignored;
      tls_.use_certificate_chain_file(options_.certificate_file, ignored);
    }
  }

  asio::awaitable<void> accept_all() {
    while (!ends_) {
      auto [error, socket] = co_await acceptor_.async_accept(kAwait);
      if (ends_) break;
      if (error) {  // no more descriptors, as a rule
        asio::steady_timer timer(io_, kAfterFailedAccept);
        co_await timer.async_wait(kAwait);
        continue;
      }
      // Beyond a cap who has been idle for longest makes room; where nobody is, the new one is
      // closed at once, and finds room when it comes again later.
      error_code gone;
      const asio::ip::address peer = socket.remote_endpoint(gone).address();
      if (gone) continue;
      const auto count = peers_.find(peer);
      if (count != peers_.end() && count->second >= options_.max_per_address) {
        if (!give_up([&](const Open& one) { return one.peer == peer; })) continue;
      } else if (open_.size() >= options_.max_connections) {
        if (!give_up([](const Open&) { return true; })) continue;
      }
      asio::co_spawn(io_, serve_one(std::move(socket), peer), asio::detached);
    }
  }

  // An idle connection of those, if there is one.
  template <class Those>
  bool give_up(const Those& those) {
    const auto found =
        std::ranges::find_if(open_, [&](const Open& one) { return one.is_idle && those(one); });
    if (found == open_.end()) return false;
    found->is_idle = false;
    found->stream->cancel();
    return true;
  }

  asio::awaitable<void> serve_one(tcp::socket socket, asio::ip::address peer) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // Of what nobody has taken yet the system keeps no more than a piece, so that the pace of a
    // reader is seen.
    constexpr int kUnsent = kPieceBytes;
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsent, sizeof kUnsent);
    Stream stream(std::move(socket), tls_);
    const Place place = open_.insert(open_.end(), {&beast::get_lowest_layer(stream), peer, true});
    ++peers_[peer];
    try {
      co_await talk(stream, place);
    } catch (const std::exception&) {
      // Out of memory for this one: it is closed, others go on.
    }
    open_.erase(place);
    if (--peers_[peer] == 0) peers_.erase(peer);
  }

  asio::awaitable<void> talk(Stream& stream, Place place) {
    Open& open = *place;
    beast::tcp_stream& lowest = beast::get_lowest_layer(stream);
    lowest.expires_after(std::chrono::seconds(options_.request_s));
    const auto [failed] = co_await stream.async_handshake(asio::ssl::stream_base::server, kAwait);
    open.is_idle = false;
    if (failed) co_return;
    const std::string certificate = certificate_of(stream.native_handle());
    error_code unknown;
    const std::string peer = lowest.socket().remote_endpoint(unknown).address().to_string();
    beast::flat_buffer buffer(kMaxHeaderBytes + kMaxBodyBytes);
    bool goes_on = true;
    while (goes_on && !ends_) {
      // The first byte of a request may take its time, the rest may not.
      if (buffer.size() == 0) {
        open.is_idle = true;
        open_.splice(open_.end(), open_, place);
        lowest.expires_after(std::chrono::seconds(options_.idle_s));
        buffer.shrink_to_fit();
        const auto [silent, count] =
            co_await stream.async_read_some(buffer.prepare(kIdleBytes), kAwait);
        open.is_idle = false;
        if (silent) co_return;
        buffer.commit(count);
      }
      lowest.expires_after(std::chrono::seconds(options_.request_s));
      http::request_parser<http::string_body> parser;
      parser.header_limit(kMaxHeaderBytes);
      parser.body_limit(boost::none);  // which it is, the headers say
      std::size_t max_body = kMaxBodyBytes;
      const std::string id = new_id();
      auto [error, bytes] = co_await http::async_read_header(stream, buffer, parser, kAwait);
      const auto begun = std::chrono::steady_clock::now();
      std::optional<Response> response;
      bool is_head = false;
      if (!error) response = co_await refusal_of_body(parser, certificate, peer, id, max_body);
      if (!error && !response) {
        parser.body_limit(max_body);
        if (max_body > kMaxBodyBytes)
          lowest.expires_after(std::chrono::seconds(options_.large_body_s));
        auto [cut, count] = co_await http::async_read(stream, buffer, parser, kAwait);
        error = cut;
      }
      goes_on = !error && !response && parser.keep_alive();
      const bool is_whole = !error && !response;
      if (error) {
        response = refusal_of(error, max_body, id);
        if (!response) co_return;
      } else if (!response) {
        Request request = request_of(parser.release(), certificate, peer);
        request.id = id;
        is_head = request.method == "HEAD";
        if (waiting_ < options_.max_waiting) {
          ++waiting_;
          response = co_await asio::co_spawn(workers_, handle(request), asio::use_awaitable);
          --waiting_;
        } else {
          response = problem(503, fail(Code::kUnavailable, "the hub is busy: ask again"), id);
        }
      }
      if (handler_.sent)
        handler_.sent(*response, std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - begun)
                                     .count());
      const auto message = message_of(*response, id, is_head, goes_on && !ends_);
      lowest.expires_after(std::chrono::seconds(options_.request_s));
      http::serializer<false, http::string_body> serializer(message);
      const auto [unsent, sent] = co_await http::async_write(stream, serializer, kAwait);
      if (unsent) co_return;
      if (response->file && !is_head && !co_await send_file(stream, *response)) co_return;
      if (!is_whole) co_await drop_rest(stream);
      goes_on = goes_on && message.keep_alive();
    }
    lowest.expires_after(kGoodbye);
    co_await stream.async_shutdown(kAwait);
  }

  // Piece by piece, read where a slow disk delays nobody else. Whoever takes less of a piece than
  // `least_bytes_s` is cut off, and may go on from there by a range: a device that hangs on a bad
  // line loses little, and nobody holds a place for days. Whether all of it was sent.
  asio::awaitable<bool> send_file(Stream& stream, const Response& response) {
    std::vector<char> piece(std::min<std::uint64_t>(kPieceBytes, response.file_bytes));
    for (std::uint64_t sent = 0; sent < response.file_bytes;) {
      const std::span<char> part(piece.data(),
                                 std::min<std::uint64_t>(piece.size(), response.file_bytes - sent));
      const bool is_read = co_await asio::co_spawn(
          workers_, read_piece(*response.file, response.file_from + sent, part),
          asio::use_awaitable);
      if (!is_read) co_return false;
      const auto patience_s = static_cast<std::int64_t>(part.size()) / options_.least_bytes_s;
      beast::get_lowest_layer(stream).expires_after(
          std::chrono::seconds(std::max<std::int64_t>(patience_s, options_.request_s)));
      const auto [error, count] =
          co_await asio::async_write(stream, asio::buffer(part.data(), part.size()), kAwait);
      if (error) co_return false;
      sent += part.size();
    }
    co_return true;
  }
  static asio::awaitable<bool> read_piece(const ReadableFile& file, std::uint64_t offset,
                                          std::span<char> into) {
    co_return file.read(offset, into).ok();
  }

  // Whether a body may come, and how large, is known once the headers are: what is above the usual
  // cap, or does not say its size, is taken from those alone who may send it.
  asio::awaitable<std::optional<Response>> refusal_of_body(
      http::request_parser<http::string_body>& parser, const std::string& certificate,
      const std::string& peer, const std::string& id, std::size_t& max_body) {
    const std::uint64_t announced = parser.content_length().value_or(0);
    if (announced <= kMaxBodyBytes && !parser.chunked()) co_return std::nullopt;
    Request head = request_of(parser.get(), certificate, peer);
    head.id = id;
    BodyRule rule = co_await asio::co_spawn(workers_, rule_of(head), asio::use_awaitable);
    if (rule.refusal) co_return std::move(rule.refusal);
    if (announced > rule.max_bytes) co_return too_large(rule.max_bytes, id);
    max_body = rule.max_bytes;
    co_return std::nullopt;
  }
  asio::awaitable<BodyRule> rule_of(const Request& head) { co_return handler_.may_send(head); }

  // Of a request that was refused before its end: a connection that is closed while something comes
  // in is reset, and the answer may be lost with it: many send all before they read.
  static asio::awaitable<void> drop_rest(Stream& stream) {
    const auto last = std::chrono::steady_clock::now() + kMaxDrop;
    std::array<char, 16 << 10> rest{};
    for (std::size_t dropped = 0; dropped < kMaxDroppedBytes;) {
      beast::get_lowest_layer(stream).expires_at(
          std::min(last, std::chrono::steady_clock::now() + kGoodbye));
      const auto [end, count] = co_await stream.async_read_some(asio::buffer(rest), kAwait);
      if (end) break;
      dropped += count;
    }
  }

  // In another thread: it waits for the database.
  asio::awaitable<Response> handle(const Request& request) { co_return handler_.answer(request); }

  static std::string new_id() {
    auto made = random_name();
    return made.ok() ? std::move(*made) : "none";
  }

  const ServerOptions options_;
  const Handler handler_;
  asio::io_context io_{1};
  // From the beginning: whoever is told where it serves may end it.
  asio::signal_set signals_{io_, SIGTERM, SIGINT};
  asio::ssl::context tls_;
  tcp::acceptor acceptor_;
  std::list<Open> open_;
  std::map<asio::ip::address, std::size_t> peers_;  // connections of each
  bool ends_ = false;
  std::size_t waiting_ = 0;  // requests that the handler has not answered yet
  asio::thread_pool workers_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options, Handler handler) {
  try {
    auto server = std::make_unique<BeastServer>(options, std::move(handler));
    TRY(server->set_up_tls());
    TRY(server->listen());
    return std::unique_ptr<Server>(std::move(server));
  } catch (const std::exception& error) {
    return fail(Code::kUnavailable, "the server cannot start: {}", error.what());
  }
}

}  // namespace polder::hub
