// The client against a real server that misbehaves.
#include "platform/http.h"

#include <gtest/gtest.h>

#include "platform/net/testing.h"

namespace polder::net {
namespace {

// What a caller sees of a body.
class Body final : public HttpSink {
 public:
  Status begin(const HttpReply& reply) override {
    ++begins;
    started = reply;
    return {};
  }
  Status write(std::string_view bytes) override {
    text.append(bytes);
    largest = std::max(largest, bytes.size());
    return text.size() >= fail_from ? Status(Error{Code::kIo, "disk full"}) : Status();
  }
  std::string text;
  HttpReply started;
  int begins = 0;
  std::size_t largest = 0, fail_from = SIZE_MAX;
};

std::string pattern(std::size_t first, std::size_t size) {
  std::string out(size, 0);
  for (std::size_t i = 0; i < size; ++i) out[i] = char((first + i) % 251);
  return out;
}

class Http : public testing::Test {
 protected:
  static Adversary& server() {
    static Adversary adversary;
    return adversary;
  }
  HttpClient& client() {
    if (!client_) {
      auto opened = open_http_client(options_, clock_, wall_);
      EXPECT_TRUE(opened.ok()) << opened.error().message;
      client_ = std::move(*opened);
    }
    return *client_;
  }
  Result<HttpReply> get(const std::string& path, std::uint64_t offset = 0, std::uint64_t size = 0) {
    body_ = Body();
    return client().get({server().url(path), kCap, offset, size}, body_);
  }
  // The error of a GET that must fail; the message names the URL.
  Error error(const std::string& path, std::uint64_t offset = 0, std::uint64_t size = 0) {
    auto reply = get(path, offset, size);
    EXPECT_FALSE(reply.ok()) << path;
    if (reply.ok()) return {Code::kInvalid, "none"};
    EXPECT_NE(reply.error().message.find("127.0.0.1:" + server().port()), std::string::npos)
        << reply.error().message;
    return std::move(reply).error();
  }
  void expect(Code code, const std::string& path, std::string_view words) {
    const Error found = error(path);
    EXPECT_EQ(code_name(found.code), code_name(code)) << path << ": " << found.message;
    EXPECT_NE(found.message.find(words), std::string::npos) << found.message;
  }
  std::string count() {
    EXPECT_TRUE(get("/count").ok());
    return body_.text;
  }

  static constexpr std::uint64_t kCap = 100'000;
  HttpOptions options_;
  SystemClock clock_;
  SystemWallClock wall_;
  Body body_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(Http, Whole) {
  auto reply = get("/file/70000");
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->received_bytes, 70000u);
  EXPECT_EQ(reply->total_bytes, 70000u);
  EXPECT_EQ(body_.text, pattern(0, 70000));
  EXPECT_EQ(body_.begins, 1);
  EXPECT_LE(body_.largest, 16384u);
}

TEST_F(Http, NothingIsABodyToo) {
  auto reply = get("/file/0");
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(body_.begins, 1);
  EXPECT_EQ(body_.text, "");
}

TEST_F(Http, Chunks) {
  ASSERT_TRUE(get("/chunked/5000").ok());
  EXPECT_EQ(body_.text, pattern(0, 5000));
  EXPECT_FALSE(body_.started.total_bytes.has_value());
}

TEST_F(Http, WithoutALengthTheEndOfTheConnectionIsTheEnd) {
  ASSERT_TRUE(get("/unframed/5000").ok());
  EXPECT_EQ(body_.text, pattern(0, 5000));
}

TEST_F(Http, Part) {
  auto reply = get("/file/1000", 100, 50);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 206);
  EXPECT_EQ(reply->offset, 100u);
  EXPECT_EQ(reply->total_bytes, 1000u);
  EXPECT_EQ(body_.text, pattern(100, 50));
  // To the end; beyond it.
  ASSERT_TRUE(get("/file/1000", 990).ok());
  EXPECT_EQ(body_.text, pattern(990, 10));
  ASSERT_TRUE(get("/file/1000", 990, 50).ok());
  EXPECT_EQ(body_.text, pattern(990, 10));
  EXPECT_EQ(error("/file/1000", 1000, 5).code, Code::kInvalid);
}

TEST_F(Http, WholeInsteadOfAPartIsTold) {
  auto reply = get("/whole/1000", 100);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(body_.started.offset, 0u);
  EXPECT_EQ(body_.text, pattern(0, 1000));
}

TEST_F(Http, AnotherPartThanAsked) {
  for (const char* range : {"bytes_0-9!1000", "bytes_100-108!1000", "bytes_100-110!1000",
                            "bytes_100-109!109", "bytes_109-100!1000", "bytes_100-109",
                            "100-109!1000", "bytes_*!1000", "bytes_-1-109!1000", ""}) {
    const Error found = error(std::string("/range/") + range + "/10", 100, 10);
    EXPECT_EQ(found.code, Code::kCorrupt) << range;
    EXPECT_EQ(body_.text, "") << range;
  }
  ASSERT_TRUE(get("/range/bytes_100-109!*/10", 100, 10).ok());
  // The right range, another number of bytes.
  EXPECT_EQ(error("/range/bytes_100-109!1000/9", 100, 10).code, Code::kCorrupt);
  EXPECT_EQ(error("/range/bytes_100-109!1000/11", 100, 10).code, Code::kCorrupt);
  // A part that nobody asked for.
  EXPECT_EQ(error("/range/bytes_0-9!10/10").code, Code::kCorrupt);
}

TEST_F(Http, Cap) {
  expect(Code::kExhausted, "/file/100001", "100000");
  EXPECT_EQ(body_.text, "");
  expect(Code::kExhausted, "/endless", "100000");
  EXPECT_LE(body_.text.size(), kCap);
  expect(Code::kExhausted, "/endless-plain", "100000");
  EXPECT_LE(body_.text.size(), kCap);
  EXPECT_TRUE(get("/file/100000").ok());
  EXPECT_EQ(error("/endless", 5, 10).code, Code::kExhausted);
}

TEST_F(Http, Cut) {
  expect(Code::kUnavailable, "/cut/5000/1234", "cut after 1234 of 5000");
  EXPECT_EQ(body_.text, pattern(0, 1234));
  expect(Code::kUnavailable, "/chunked-cut/3000", "cut after 3000 bytes");
  expect(Code::kUnavailable, "/close", "without an answer");
}

TEST_F(Http, BytesAfterTheBodyEndTheConnection) {
  ASSERT_TRUE(get("/more/10/20").ok());
  EXPECT_EQ(body_.text, pattern(0, 10));
  ASSERT_TRUE(get("/file/30").ok());
  EXPECT_EQ(body_.text, pattern(0, 30));
}

TEST_F(Http, Deadline) {
  options_.deadline_ms = 1000;
  for (const char* path : {"/slow", "/slow-head", "/silent"})
    expect(Code::kTimeout, path, "within 1000 ms");
}

TEST_F(Http, ARequestMayHaveLess) {
  const auto text = fetch_text(client(), server().url("/silent"), 100, 500);
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message.find("within 500 ms"), std::string::npos);
}

TEST_F(Http, WhoWaitsLooksAfterOtherThings) {
  int looks = 0;
  bool goes_down = false;
  options_.deadline_ms = 1500;
  options_.meanwhile = [&] {
    ++looks;
    return goes_down ? Status(Error{Code::kUnavailable, "the device goes down"}) : Status();
  };
  expect(Code::kTimeout, "/silent", "within 1500 ms");
  EXPECT_GE(looks, 2);
  goes_down = true;
  expect(Code::kUnavailable, "/silent", "the device goes down");
}

TEST_F(Http, Pace) {
  options_.rate_window_ms = 500;
  options_.min_rate_bytes_s = 100;
  expect(Code::kTimeout, "/slow", "at least 100 bytes a second");
  expect(Code::kTimeout, "/slow-head", "at least 100 bytes a second");
  expect(Code::kTimeout, "/silent", "at least 100 bytes a second");
}

TEST_F(Http, Statuses) {
  expect(Code::kNotFound, "/status/404", "404");
  expect(Code::kNotFound, "/status/410", "410");
  expect(Code::kDenied, "/status/401", "401");
  expect(Code::kNotFound, "/status/403", "403");
  expect(Code::kInvalid, "/status/400", "400");
  expect(Code::kUnavailable, "/status/500", "500");
  expect(Code::kUnavailable, "/status/502", "502");
  expect(Code::kTimeout, "/status/408", "408");
  expect(Code::kCorrupt, "/status/201", "201");
  expect(Code::kCorrupt, "/status/999", "999");
  EXPECT_EQ(body_.begins, 0);
}

// The server says why in its body.
TEST_F(Http, RefusalsForWhoTakesThem) {
  HttpRequest request{.url = server().url("/status/409"), .cap_bytes = kCap};
  request.takes_refusals = true;
  const auto reply = client().get(request, body_);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 409);
  EXPECT_EQ(body_.text, "because");
  request.url = server().url("/status/201");
  EXPECT_EQ(client().get(request, body_).error().code, Code::kCorrupt);
}

TEST_F(Http, RetryAfter) {
  expect(Code::kUnavailable, "/retry/429/17", "429");
  EXPECT_EQ(client().retry_after_s(), 17);
  expect(Code::kUnavailable, "/retry/503/99999999999999999999999", "503");
  EXPECT_EQ(client().retry_after_s(), 86'400);
  expect(Code::kUnavailable, "/retry/503/soon", "503");
  EXPECT_EQ(client().retry_after_s(), 0);
  expect(Code::kUnavailable, "/retry/503/Sun,_06_Nov_1994_08:49:37_GMT", "503");
  EXPECT_EQ(client().retry_after_s(), 0);
  expect(Code::kUnavailable, "/retry/503/Sun,_06_Nov_2994_08:49:37_GMT", "503");
  EXPECT_EQ(client().retry_after_s(), 86'400);
  expect(Code::kUnavailable, "/retry/500/17", "500");
  EXPECT_EQ(client().retry_after_s(), 0);
}

TEST_F(Http, RetryAfterADateCountsFromOurClock) {
  ManualWallClock wall(784'111'777 - 60);  // 1994-11-06 08:49:37, a minute before
  auto other = open_http_client({}, clock_, wall);
  ASSERT_TRUE(other.ok());
  Body body;
  EXPECT_FALSE(
      (*other)->get({server().url("/retry/503/Sun,_06_Nov_1994_08:49:37_GMT"), kCap}, body).ok());
  EXPECT_EQ((*other)->retry_after_s(), 60);
}

TEST_F(Http, RedirectsAreErrors) {
  expect(Code::kDenied, "/redirect/0", "/file/10");
  expect(Code::kDenied, "/to?http://other.example/x", "http://other.example/x");
}

TEST_F(Http, RedirectsWithinLimits) {
  options_.max_redirects = 3;
  ASSERT_TRUE(get("/redirect/2").ok());
  EXPECT_EQ(body_.text, pattern(0, 10));
  expect(Code::kDenied, "/redirect/3", "more than 3");
  expect(Code::kDenied, "/loop", "more than 3");
  expect(Code::kDenied, "/to?http://other.example/x", "another server");
  expect(Code::kDenied, "/to?file:///etc/passwd", "http:// or https://");
}

TEST_F(Http, NoHttp) {
  expect(Code::kCorrupt, "/garbage", "something else");
  expect(Code::kCorrupt, "/long-line", "512");
  expect(Code::kExhausted, "/flood", "headers");
  expect(Code::kExhausted, "/long-header", "headers");
  expect(Code::kExhausted, "/extension", "between two chunks");
  expect(Code::kCorrupt, "/bad-chunk", "chunks");
  expect(Code::kCorrupt, "/two-lengths", "5 and 6");
  expect(Code::kCorrupt, "/bad-length", "-1");
  expect(Code::kCorrupt, "/both", "states a length");
  expect(Code::kUnsupported, "/gzip", "gzip");
  expect(Code::kCorrupt, "/early-hints", "103");
  expect(Code::kCorrupt, "/no-content", "204");
  expect(Code::kCorrupt, "/not-modified", "304");
}

TEST_F(Http, OneConnectionServesManyRequests) {
  const std::string before = count();
  for (const char* path : {"/file/10", "/chunked/20", "/file/0"}) ASSERT_TRUE(get(path).ok());
  EXPECT_FALSE(get("/status/404").ok());
  EXPECT_EQ(count(), before);
  client().close_idle();
  EXPECT_EQ(std::stoi(count()), std::stoi(before) + 1);
}

TEST_F(Http, AKeptConnectionThatIsLostIsReplaced) {
  ASSERT_TRUE(get("/drop-second").ok());
  ASSERT_TRUE(get("/drop-second").ok());
  EXPECT_EQ(body_.text, "first");
}

TEST_F(Http, Post) {
  Body body;
  auto reply = client().post({server().url("/echo"), kCap}, "application/json", "{\"a\":1}", body);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(body.text, "{\"a\":1}");
  Body empty;
  ASSERT_TRUE(client().post({server().url("/echo"), kCap}, "text/plain", "", empty).ok());
  EXPECT_EQ(empty.text, "");
  ASSERT_TRUE(client().post({server().url("/no-content"), kCap}, "text/plain", "x", empty).ok());
  EXPECT_EQ(
      client().post({server().url("/status/503"), kCap}, "text/plain", "x", empty).error().code,
      Code::kUnavailable);
  const std::string huge((1 << 20) + 1, 'x');
  EXPECT_EQ(client().post({server().url("/echo"), kCap}, "text/plain", huge, empty).error().code,
            Code::kExhausted);
}

TEST_F(Http, WhatTheServerSeesOfUs) {
  ASSERT_TRUE(get("/agent").ok());
  EXPECT_NE(body_.text.find("('accept-encoding', 'identity')"), std::string::npos) << body_.text;
  EXPECT_NE(body_.text.find("('host', '127.0.0.1:" + server().port()), std::string::npos);
  EXPECT_EQ(body_.text.find("httplib"), std::string::npos);
}

TEST_F(Http, TheSinkEndsATransfer) {
  Body body;
  body.fail_from = 3000;
  auto reply = client().get({server().url("/endless"), 1'000'000'000}, body);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, Code::kIo);
  EXPECT_NE(reply.error().message.find("disk full"), std::string::npos);
  EXPECT_LT(body.text.size(), 3000u + 16384u);
}

TEST_F(Http, NobodyThere) {
  Body body;
  auto refused = client().get({"http://127.0.0.1:1/x?token=secret", kCap}, body);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().message.find("secret"), std::string::npos) << refused.error().message;
  auto unknown = client().get({"http://no-such-host.invalid/", kCap}, body);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kUnavailable) << unknown.error().message;
  EXPECT_EQ(client().get({"http://user:secret@127.0.0.1/", kCap}, body).error().code,
            Code::kInvalid);
}

TEST_F(Http, FetchText) {
  auto text = fetch_text(client(), server().url("/file/300"), 300);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, pattern(0, 300));
  EXPECT_EQ(fetch_text(client(), server().url("/file/300"), 299).error().code, Code::kExhausted);
}

// The deadline is kept even when there is always something to read: time is the clock's.
TEST_F(Http, DeadlineByTheClock) {
  ManualClock clock;
  options_.deadline_ms = 1000;
  auto other = open_http_client(options_, clock, wall_);
  ASSERT_TRUE(other.ok());
  class Slow final : public HttpSink {
   public:
    explicit Slow(ManualClock& time) : time_(time) {}
    Status write(std::string_view) override { return time_.advance_us(100'000), Status(); }

   private:
    ManualClock& time_;
  } sink(clock);
  auto reply = (*other)->get({server().url("/endless"), 1'000'000'000}, sink);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, Code::kTimeout) << reply.error().message;
}

}  // namespace
}  // namespace polder::net
