#include "platform/http_fake.h"

#include <gtest/gtest.h>

namespace polder {
namespace {

using Kind = HttpFault::Kind;

class Body final : public HttpSink {
 public:
  Status begin(const HttpReply& reply) override { return started = reply, Status(); }
  Status write(std::string_view bytes) override { return text.append(bytes), Status(); }
  std::string text;
  HttpReply started;
};

class FakeHttpTest : public testing::Test {
 protected:
  FakeHttpTest() {
    http_.files["http://a/f"] = std::string(10'000, 'a');
    http_.clock = &clock_;
  }
  // Of a GET with this fault.
  Result<HttpReply> get(const HttpFault& fault, std::uint64_t offset = 0, std::uint64_t size = 0) {
    http_.faults.push_back(fault);
    body_ = Body();
    return http_.get({"http://a/f", 20'000, offset, size}, body_);
  }
  Code code(const HttpFault& fault) {
    auto reply = get(fault);
    EXPECT_FALSE(reply.ok());
    return reply.error().code;
  }
  ManualClock clock_;
  FakeHttp http_;
  Body body_;
};

TEST_F(FakeHttpTest, Files) {
  ASSERT_TRUE(get({}).ok());
  EXPECT_EQ(body_.text.size(), 10'000u);
  EXPECT_EQ(http_.get({"http://a/g", 10}, body_).error().code, Code::kNotFound);
  EXPECT_EQ(http_.get({"http://a/f", 10}, body_).error().code, Code::kExhausted);
  EXPECT_EQ(http_.get({"nonsense", 10}, body_).error().code, Code::kInvalid);
  EXPECT_EQ(http_.requests.size(), 3u);
}

TEST_F(FakeHttpTest, Parts) {
  ASSERT_TRUE(get({}, 9'000, 5'000).ok());
  EXPECT_EQ(body_.text.size(), 1'000u);
  EXPECT_EQ(body_.started.status, 206);
  ASSERT_TRUE(get({Kind::kWhole}, 9'000, 5'000).ok());
  EXPECT_EQ(body_.started.offset, 0u);
  EXPECT_EQ(body_.text.size(), 10'000u);
  EXPECT_EQ(get({}, 10'000).error().code, Code::kInvalid);
}

TEST_F(FakeHttpTest, Faults) {
  EXPECT_EQ(code({Kind::kUnreachable}), Code::kUnavailable);
  EXPECT_EQ(code({Kind::kCut, 5'000}), Code::kUnavailable);
  EXPECT_EQ(body_.text.size(), 5'000u);
  EXPECT_EQ(code({Kind::kTimeout, 1}), Code::kTimeout);
  EXPECT_EQ(clock_.now_us(), http_.deadline_ms * 1000);
  EXPECT_EQ(code({Kind::kEndless}), Code::kExhausted);
  EXPECT_GT(body_.text.size(), 10'000u);
  EXPECT_LE(body_.text.size(), 20'000u);
  EXPECT_EQ(code({Kind::kStatus, 503, 60}), Code::kUnavailable);
  EXPECT_EQ(http_.retry_after_s(), 60);
  EXPECT_EQ(code({Kind::kRedirect}), Code::kDenied);
  ASSERT_TRUE(get({Kind::kFlip, 7'777}).ok());
  EXPECT_EQ(body_.text[7'777], '`');
}

TEST_F(FakeHttpTest, ARefusalIsAReplyForWhoTakesIt) {
  http_.faults = {{Kind::kStatus, 503, 60, "busy"}};
  const auto reply =
      http_.get({.url = "http://a/f", .cap_bytes = 10, .takes_refusals = true}, body_);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(body_.text, "busy");
  EXPECT_EQ(http_.retry_after_s(), 60);
}

TEST_F(FakeHttpTest, APostWhoseAnswerIsLostWasTaken) {
  int taken = 0;
  http_.on_post = [&](const std::string&, std::string_view) {
    ++taken;
    return Result<std::string>("ok");
  };
  http_.faults = {{Kind::kUnreachable}, {Kind::kCut, 0}, {}};
  EXPECT_FALSE(http_.post({"http://a/p", 10}, "", "x", body_).ok());
  EXPECT_EQ(taken, 0);
  EXPECT_FALSE(http_.post({"http://a/p", 10}, "", "x", body_).ok());
  EXPECT_EQ(taken, 1);
  EXPECT_TRUE(http_.post({"http://a/p", 10}, "", "x", body_).ok());
  EXPECT_EQ(body_.text, "ok");
}

}  // namespace
}  // namespace polder
