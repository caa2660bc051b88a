// The HTTP client of platform/http.h: connections that are kept, redirects, ranges, statuses.
#include "platform/http.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/fail.h"
#include "base/text.h"
#include "platform/http_status.h"
#include "platform/net/connection.h"
#include "platform/net/message.h"
#include "platform/url.h"

namespace polder {
namespace net {
namespace {

constexpr std::size_t kMaxPostBytes = 1 << 20;
constexpr std::int64_t kMaxRetryAfterS = 86'400;
constexpr std::int64_t kMaxIdleMs = 60'000;  // servers close earlier; what is older is not tried
constexpr int kMaxRedirects = 20;

// Reads a number at the start of `text` and takes it away; false when there is none.
bool take_number(std::string_view& text, std::uint64_t& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc()) return false;
  text.remove_prefix(std::size_t(read.ptr - text.data()));
  return true;
}

bool take_text(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

// "bytes 0-99/1000" or "bytes 0-99/*" (RFC 9110, section 14.4).
struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;
};

bool parse_content_range(std::string_view text, ContentRange& range) {
  std::uint64_t total = 0;
  if (!take_text(text, "bytes ") || !take_number(text, range.first) || !take_text(text, "-") ||
      !take_number(text, range.last) || !take_text(text, "/"))
    return false;
  if (range.first > range.last) return false;
  if (text == "*") return true;
  if (!take_number(text, total) || !text.empty() || range.last >= total) return false;
  range.total = total;
  return true;
}

// What the server of 429 or 503 wants, in seconds from now: a number, or a date of the preferred
// form (RFC 9110, sections 10.2.3 and 5.6.7).
std::int64_t retry_after(std::string_view text, const WallClock& wall) {
  std::uint64_t seconds = 0;
  if (std::string_view rest = text; take_number(rest, seconds) && rest.empty())
    return std::int64_t(std::min<std::uint64_t>(seconds, kMaxRetryAfterS));
  // 20 digits and more: later than any day that we wait for.
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos)
    return kMaxRetryAfterS;
  tm date{};
  const std::string copy(text);
  const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (!end || *end != 0) return 0;
  return std::clamp<std::int64_t>(std::int64_t(::timegm(&date)) - wall.now_s(), 0, kMaxRetryAfterS);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Takes one body for the caller, within what was asked for.
class Transfer final : public BodyReceiver {
 public:
  Transfer(const HttpRequest& request, bool is_post, HttpSink& sink, Pace& pace)
      : request_(request), is_post_(is_post), sink_(sink), pace_(pace) {}

  Result<bool> begin(const Head& head) override {
    reply_ = {};
    reply_.status = head.status;
    if (!is_wanted(head.status)) return false;
    if (!head.content_encoding.empty() && head.content_encoding != "identity")
      return fail(Code::kUnsupported, "a body that is coded as '{}'; plain bytes were asked for",
                  one_line(clipped(head.content_encoding)));
    if (head.content_length && *head.content_length > request_.cap_bytes)
      return fail(Code::kExhausted, "{} bytes; at most {} are accepted here", *head.content_length,
                  request_.cap_bytes);
    if (!is_post_ && head.status == 206) TRY(check_range(head));
    else reply_.total_bytes = head.content_length;
    TRY(sink_.begin(reply_));
    pace_.start_counting();
    return true;
  }

  Status write(std::string_view bytes) override {
    const std::uint64_t left = expected_ - reply_.received_bytes;
    if (bytes.size() > left)
      return fail(Code::kCorrupt, "a part of {} bytes was announced, more came", expected_);
    if (bytes.size() > request_.cap_bytes - reply_.received_bytes)
      return fail(Code::kExhausted, "more than the {} bytes that are accepted here",
                  request_.cap_bytes);
    reply_.received_bytes += bytes.size();
    return sink_.write(bytes);
  }

  // When the exchange went well: whether all of an announced part came.
  Status finish() const {
    if (reply_.status == 206 && !is_post_ && reply_.received_bytes != expected_)
      return fail(Code::kCorrupt, "a part of {} bytes was announced, {} came", expected_,
                  reply_.received_bytes);
    return {};
  }
  bool wants_part() const { return request_.offset > 0 || request_.size > 0; }
  bool is_wanted(int status) const {
    if (status >= 400 && status < 600) return request_.takes_refusals;
    if (is_post_) return status / 100 == 2;
    return status == 200 || (status == 206 && wants_part());
  }
  bool has_data() const { return reply_.received_bytes > 0; }
  const HttpReply& reply() const { return reply_; }

 private:
  // The part must be the one that was asked for; shorter only where the file ends.
  Status check_range(const Head& head) {
    ContentRange range;
    const std::uint64_t size = request_.size;
    bool fits = parse_content_range(head.content_range, range) && range.first == request_.offset;
    if (fits) {
      expected_ = range.last - range.first + 1;
      const bool to_end = range.total && range.last + 1 == *range.total;
      fits = expected_ != 0 && (size == 0 ? to_end || !range.total
                                          : expected_ == size || (expected_ < size && to_end));
    }
    if (!fits) {
      return fail(Code::kCorrupt, "{} bytes from {} were asked for, the server sends range '{}'",
                  size == 0 ? "all" : std::to_string(size), request_.offset,
                  one_line(clipped(head.content_range)));
    }
    if (head.content_length && *head.content_length != expected_)
      return fail(Code::kCorrupt, "range '{}' in a body of {} bytes", head.content_range,
                  *head.content_length);
    if (expected_ > request_.cap_bytes)
      return fail(Code::kExhausted, "{} bytes; at most {} are accepted here", expected_,
                  request_.cap_bytes);
    reply_.offset = range.first;
    reply_.total_bytes = range.total;
    return {};
  }

  const HttpRequest& request_;
  const bool is_post_;
  HttpSink& sink_;
  Pace& pace_;
  HttpReply reply_;
  std::uint64_t expected_ = std::numeric_limits<std::uint64_t>::max();
};

class Client final : public HttpClient {
 public:
  Client(HttpOptions options, Clock& clock, const WallClock& wall)
      : options_(std::move(options)), clock_(clock), wall_(wall) {}

  Result<HttpReply> get(const HttpRequest& request, HttpSink& sink) override {
    return run("GET", request, "", "", sink);
  }
  Result<HttpReply> post(const HttpRequest& request, std::string_view content_type,
                         std::string_view body, HttpSink& sink) override {
    if (body.size() > kMaxPostBytes)
      return fail(Code::kExhausted, "a body of {} bytes; at most {} are sent", body.size(),
                  kMaxPostBytes);
    return run(request.puts ? "PUT" : "POST", request, content_type, body, sink);
  }
  std::int64_t retry_after_s() const override { return retry_after_s_; }
  void close_idle() override { connection_.reset(); }

  Status prepare() {
    TRY_VALUE(tls_, TlsContext::create(options_, wall_));
    return {};
  }

 private:
  Result<HttpReply> run(std::string_view method, const HttpRequest& request,
                        std::string_view content_type, std::string_view body, HttpSink& sink);
  Result<Outcome> attempt(const Url& url, const Exchange& exchange, Transfer& transfer, Pace& pace);
  Result<Url> follow(const Url& from, const Head& head, int redirects) const;

  HttpOptions options_;
  Clock& clock_;
  const WallClock& wall_;
  std::unique_ptr<TlsContext> tls_;
  std::unique_ptr<Connection> connection_;  // the one of the last request, if it can be used again
  Url connected_to_;
  std::int64_t idle_since_us_ = 0;
  std::int64_t retry_after_s_ = 0;
};

Exchange exchange_of(std::string_view method, const Url& url, const HttpRequest& request,
                     std::string_view content_type, std::string_view body) {
  Exchange out;
  out.method = method;
  out.target = url.target;
  out.body = body;
  out.headers = {{"Host", url.authority()},
                 {"User-Agent", "polder/" POLDER_VERSION},
                 {"Accept", "*/*"},
                 {"Accept-Encoding", "identity"}};
  if (!content_type.empty()) out.headers.emplace_back("Content-Type", content_type);
  out.headers.insert(out.headers.end(), request.headers.begin(), request.headers.end());
  if (request.size > 0) {
    out.headers.emplace_back(
        "Range", fmt::format("bytes={}-{}", request.offset, request.offset + request.size - 1));
  } else if (request.offset > 0) {
    out.headers.emplace_back("Range", fmt::format("bytes={}-", request.offset));
  }
  return out;
}

Result<HttpReply> Client::run(std::string_view method, const HttpRequest& request,
                              std::string_view content_type, std::string_view body,
                              HttpSink& sink) {
  retry_after_s_ = 0;
  TRY_VALUE(Url url, Url::parse(request.url));
  if (request.size > std::numeric_limits<std::uint64_t>::max() - request.offset)
    return fail(Code::kInvalid, "{}: a part of {} bytes from {}", url.shown(), request.size,
                request.offset);
  const std::int64_t deadline_ms = request.deadline_ms > 0
                                       ? std::min(request.deadline_ms, options_.deadline_ms)
                                       : options_.deadline_ms;
  Pace pace(clock_, deadline_ms, options_.min_rate_bytes_s, options_.rate_window_ms);
  pace.set_meanwhile(&options_.meanwhile);
  Transfer transfer(request, method != "GET", sink, pace);
  for (int redirects = 0;; ++redirects) {
    auto outcome =
        attempt(url, exchange_of(method, url, request, content_type, body), transfer, pace);
    if (!outcome.ok()) return std::move(outcome).error().at(url.shown());
    const Head& head = outcome->head;
    if (is_redirect(head.status)) {
      auto next = follow(url, head, redirects);
      if (!next.ok()) return std::move(next).error().at(url.shown());
      url = std::move(*next);
      continue;
    }
    if (head.status == 429 || head.status == 503)
      retry_after_s_ = retry_after(head.retry_after, wall_);
    if (!transfer.is_wanted(head.status)) return http_status_error(head.status).at(url.shown());
    if (auto whole = transfer.finish(); !whole.ok())
      return std::move(whole).error().at(url.shown());
    return transfer.reply();
  }
}

Result<Outcome> Client::attempt(const Url& url, const Exchange& request, Transfer& transfer,
                                Pace& pace) {
  for (;;) {
    const bool kept = connection_ && connected_to_.same_origin(url) && connection_->is_fresh() &&
                      clock_.now_us() - idle_since_us_ < kMaxIdleMs * 1000;
    if (!kept) {
      connection_.reset();
      pace.begin_phase(options_.connect_timeout_ms);
      TRY_VALUE(connection_, Connection::open(url, url.is_tls ? tls_.get() : nullptr, pace));
      pace.end_phase();
      connected_to_ = url;
    }
    connection_->set_pace(&pace);
    pace.start_counting();
    Outcome outcome = exchange(*connection_, request, transfer);
    if (outcome.reusable) idle_since_us_ = clock_.now_us();
    else connection_.reset();
    if (outcome.status.ok()) return outcome;
    // The server may have ended a kept connection just when it was used again.
    const bool lost = kept && !outcome.answered && request.method == "GET" &&
                      outcome.status.error().code == Code::kUnavailable;
    if (!lost) return std::move(outcome.status).error();
  }
}

Result<Url> Client::follow(const Url& from, const Head& head, int redirects) const {
  auto to = from.resolve(head.location);
  const std::string where = to.ok() ? to->shown() : one_line(clipped(head.location));
  const auto refuse = [&](std::string_view why) {
    return fail(Code::kDenied, "the server leads elsewhere ({}), to '{}': {}", head.status, where,
                why);
  };
  if (!to.ok()) return refuse(to.error().message);
  const int most = std::min(options_.max_redirects, kMaxRedirects);
  if (most == 0) return refuse("redirects are not followed; use that address if you trust it");
  if (redirects >= most) return refuse(fmt::format("more than {} redirects", most));
  if (from.is_tls && !to->is_tls) return refuse("from https to http");
  if (!options_.redirect_to_other_origins && !from.same_origin(*to))
    return refuse("another server than the one that was asked");
  return to;
}

}  // namespace
}  // namespace net

Result<std::unique_ptr<HttpClient>> open_http_client(const HttpOptions& options, Clock& clock,
                                                     const WallClock& wall) {
  auto client = std::make_unique<net::Client>(options, clock, wall);
  TRY(client->prepare());
  return std::unique_ptr<HttpClient>(std::move(client));
}

}  // namespace polder
