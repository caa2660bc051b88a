#include "platform/net/message.h"

#include <httplib.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/fail.h"
#include "base/text.h"

namespace polder::net {
namespace {

constexpr std::size_t kBufferBytes = 16 << 10;
// The library matches the first line with a regular expression that goes deeper with each byte.
constexpr std::size_t kMaxFirstLineBytes = 512;
// Beside 4 KB of body, the most that the library reads at once: a chunk's length and its
// extensions.
constexpr std::size_t kMaxBetweenDeliveries = 4096 + 1024;

// What the library reads from: a fixed buffer, and a limit on what it may ask for before it has
// something to show for it.
class BoundedStream final : public httplib::Stream {
 public:
  explicit BoundedStream(ByteStream& stream) : stream_(stream) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* bytes, std::size_t size) override {
    if (!status_.ok()) return -1;
    if (at_ == filled_ && !fill()) return status_.ok() ? 0 : -1;
    const std::size_t most = std::min(size, filled_ - at_);
    if (!allow(most)) return -1;
    std::memcpy(bytes, buffer_ + at_, most);
    at_ += most;
    return ssize_t(most);
  }
  ssize_t write(const char* bytes, std::size_t size) override {
    status_ = stream_.write(std::string_view(bytes, size));
    return status_.ok() ? ssize_t(size) : -1;
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  void end_of_head() { in_head_ = false, since_delivery_ = 0; }
  void delivered() { since_delivery_ = 0; }
  bool answered() const { return answered_; }
  bool ended() const { return ended_; }
  // Bytes that came after the answer.
  bool has_rest() const { return at_ < filled_; }
  Status take_status() { return std::move(status_); }
  bool ok() const { return status_.ok(); }

 private:
  bool fill() {
    auto got = stream_.read(buffer_, sizeof buffer_);
    if (!got.ok()) return status_ = std::move(got).error(), false;
    if (*got == 0) return ended_ = true, false;
    answered_ = true;
    at_ = 0;
    filled_ = *got;
    return true;
  }
  bool allow(std::size_t bytes) {
    since_delivery_ += bytes;
    if (!in_head_) {
      if (since_delivery_ <= kMaxBetweenDeliveries) return true;
      status_ = fail(Code::kExhausted, "more than {} bytes between two chunks of the body",
                     kMaxBetweenDeliveries);
      return false;
    }
    if (first_line_) {
      first_line_ = !std::memchr(buffer_ + at_, '\n', bytes);
      if (since_delivery_ > kMaxFirstLineBytes) {
        status_ = fail(Code::kCorrupt, "HTTP begins with a line of at most {} bytes, this does not",
                       kMaxFirstLineBytes);
        return false;
      }
    }
    if (since_delivery_ <= kMaxHeaderBytes) return true;
    status_ = fail(Code::kExhausted, "more than {} bytes of headers", kMaxHeaderBytes);
    return false;
  }

  ByteStream& stream_;
  Status status_;
  char buffer_[kBufferBytes];
  std::size_t at_ = 0, filled_ = 0, since_delivery_ = 0;
  bool in_head_ = true, first_line_ = true, answered_ = false, ended_ = false;
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

Result<std::optional<std::uint64_t>> content_length(const httplib::Response& answer) {
  std::optional<std::uint64_t> length;
  const auto all = answer.headers.equal_range("Content-Length");
  for (auto at = all.first; at != all.second; ++at) {
    const std::string& text = at->second;
    std::uint64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
      return fail(Code::kCorrupt, "Content-Length is a number of bytes, '{}' is not",
                  one_line(clipped(text)));
    if (length && *length != value)
      return fail(Code::kCorrupt, "two lengths of one body: {} and {}", *length, value);
    length = value;
  }
  return length;
}

// Checks what the library takes as it comes.
Result<Head> head_of(const httplib::Response& answer) {
  Head head;
  head.status = answer.status;
  TRY_VALUE(head.content_length, content_length(answer));
  const std::string coding = answer.get_header_value("Transfer-Encoding");
  if (answer.get_header_value_count("Transfer-Encoding") > 1 ||
      (!coding.empty() && !equal_ignoring_case(coding, "chunked")))
    return fail(Code::kUnsupported, "transfer coding '{}'; only 'chunked' is read",
                one_line(clipped(coding)));
  if (!coding.empty() && head.content_length)
    return fail(Code::kCorrupt, "a body in chunks that also states a length");
  head.content_range = answer.get_header_value("Content-Range");
  head.content_encoding = answer.get_header_value("Content-Encoding");
  head.location = answer.get_header_value("Location");
  head.retry_after = answer.get_header_value("Retry-After");
  return head;
}

// The library's client without its connections.
class Messenger final : public httplib::ClientImpl {
 public:
  Messenger() : ClientImpl("unused") {
    set_url_encode(false);
    set_decompress(false);
    set_keep_alive(true);
  }
  bool run(httplib::Stream& stream, httplib::Request& request, httplib::Response& answer) {
    httplib::Error error = httplib::Error::Success;
    return process_request(stream, request, answer, false, error);
  }
};

// One exchange: the library's callbacks, and what came of them.
class Talk {
 public:
  Talk(ByteStream& stream, BodyReceiver& receiver) : stream_(stream), receiver_(receiver) {}

  void run(const Exchange& exchange, Outcome& outcome) {
    httplib::Request request = write(exchange);
    httplib::Response answer;
    Messenger messenger;
    const bool complete = messenger.run(stream_, request, answer);
    outcome.answered = stream_.answered();
    // Answers that have no body by definition come without a call of ours.
    if (complete && !begun_) begin(answer);
    outcome.head = std::move(head_);
    outcome.status = verdict(complete);
    outcome.reusable = complete && outcome.status.ok() && !stream_.ended() && !stream_.has_rest() &&
                       stays_open(answer);
  }

 private:
  httplib::Request write(const Exchange& exchange) {
    httplib::Request request;
    request.method = exchange.method;
    request.path = exchange.target;
    for (const auto& [name, value] : exchange.headers) request.set_header(name, value);
    request.body = exchange.body;
    request.response_handler = [this](const httplib::Response& answer) { return begin(answer); };
    request.content_receiver = [this](const char* bytes, std::size_t size, std::uint64_t,
                                      std::uint64_t) {
      return take(std::string_view(bytes, size));
    };
    return request;
  }

  bool begin(const httplib::Response& answer) {
    begun_ = true;
    stream_.end_of_head();
    auto head = head_of(answer);
    if (!head.ok()) return status_ = std::move(head).error(), false;
    head_ = std::move(*head);
    auto wanted = receiver_.begin(head_);
    if (!wanted.ok()) return status_ = std::move(wanted).error(), false;
    wanted_ = *wanted;
    // An answer without a body, which the library would look for.
    if (head_.status < 200 || head_.status == 304) return stopped_ = true, false;
    return true;
  }

  bool take(std::string_view bytes) {
    stream_.delivered();
    received_ += bytes.size();
    if (wanted_) return status_ = receiver_.write(bytes), status_.ok();
    stopped_ = received_ > kMaxDiscardedBytes;
    return !stopped_;
  }

  // Whose words come first: the receiver's, the stream's, then ours for what the library disliked.
  Status verdict(bool complete) {
    if (!status_.ok()) return std::move(status_);
    if (!stream_.ok()) return stream_.take_status();
    if (complete || stopped_) return {};
    if (!stream_.answered())
      return fail(Code::kUnavailable, "the server ended the connection without an answer");
    if (!stream_.ended()) {
      return fail(Code::kCorrupt, "{}",
                  begun_ ? "the chunks of the body do not fit HTTP/1.1"
                         : "HTTP/1.0 or 1.1 is expected, the answer is something else");
    }
    if (!begun_) return fail(Code::kUnavailable, "cut within the headers");
    const std::string of = head_.content_length ? fmt::format(" of {}", *head_.content_length) : "";
    return fail(Code::kUnavailable, "cut after {}{} bytes of the body", received_, of);
  }

  bool stays_open(const httplib::Response& answer) const {
    return answer.version == "HTTP/1.1" && !stopped_ &&
           !equal_ignoring_case(answer.get_header_value("Connection"), "close");
  }

  BoundedStream stream_;
  BodyReceiver& receiver_;
  Head head_;
  Status status_;
  std::uint64_t received_ = 0;
  bool begun_ = false, wanted_ = false, stopped_ = false;
};

}  // namespace

Outcome exchange(ByteStream& stream, const Exchange& request, BodyReceiver& receiver) {
  Outcome outcome;
  // The library throws where memory or its regular expressions run out.
  try {
    Talk talk(stream, receiver);
    talk.run(request, outcome);
  } catch (const std::bad_alloc&) {
    outcome.status = fail(Code::kExhausted, "out of memory");
  } catch (const std::exception& error) {
    outcome.status = fail(Code::kCorrupt, "the answer cannot be read: {}", error.what());
  }
  return outcome;
}

}  // namespace polder::net
