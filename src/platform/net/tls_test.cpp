// The client against real TLS servers, with certificates that openssl makes for each run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "platform/file.h"
#include "platform/http.h"
#include "platform/net/testing.h"
#include "platform/process.h"

namespace polder::net {
namespace {

constexpr std::int64_t kDayS = 86'400;

class Body final : public HttpSink {
 public:
  Status write(std::string_view bytes) override { return text.append(bytes), Status(); }
  std::string text;
};

// A certificate authority in a temporary folder.
class Authority {
 public:
  Authority() {
    char path[] = "/tmp/polder-tls-XXXXXX";
    if (!::mkdtemp(path)) std::abort();
    folder_ = path;
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-days", "30", "-subj",
         "/CN=Test CA"});
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", file("other.key"), "-out", file("other.pem"), "-days", "30", "-subj",
         "/CN=Another CA"});
    issue("server", "DNS:localhost,IP:127.0.0.1", "serverAuth");
    issue("elsewhere", "DNS:elsewhere.example", "serverAuth");
    issue("device", "DNS:device-17", "clientAuth");
  }
  ~Authority() { run({"rm", "-r", folder_}); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }

 private:
  void run(const std::vector<std::string>& command) {
    // The tools are chatty on standard error.
    std::string line = "exec 2>/dev/null;";
    for (const std::string& word : command) line += " '" + word + "'";
    auto done = run_process({"sh", "-c", line}, 1 << 20);
    ASSERT_TRUE(done.ok() && done->exit_status == 0) << line;
  }
  // NAME.pem and NAME.key, signed by the authority, good for 10 days.
  void issue(const std::string& name, const std::string& names, const std::string& usage) {
    run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", file(name + ".key"), "-out", file(name + ".csr"), "-subj", "/CN=" + name});
    ASSERT_TRUE(write_file_atomic(file(name + ".ext"),
                                  "subjectAltName=" + names + "\nextendedKeyUsage=" + usage + "\n")
                    .ok());
    run({"openssl", "x509", "-req", "-in", file(name + ".csr"), "-CA", file("ca.pem"), "-CAkey",
         file("ca.key"), "-CAcreateserial", "-days", "10", "-extfile", file(name + ".ext"), "-out",
         file(name + ".pem")});
  }
  std::string folder_;
};

class Tls : public testing::Test {
 protected:
  static const Authority& ca() {
    static const Authority authority;
    return authority;
  }
  static std::vector<std::string> with(const std::string& name) {
    return {"--tls", ca().file(name + ".pem"), ca().file(name + ".key")};
  }
  Result<HttpReply> get(const Adversary& server, const std::string& host = "127.0.0.1",
                        const std::string& path = "/file/1000") {
    body_ = Body();
    if (!client_) {
      auto opened = open_http_client(options_, clock_, wall_);
      if (!opened.ok()) return std::move(opened).error();
      client_ = std::move(*opened);
    }
    return client_->get({"https://" + host + ":" + server.port() + path, 1 << 20}, body_);
  }
  void expect_denied(const Adversary& server, std::string_view words,
                     const std::string& host = "127.0.0.1") {
    client_.reset();
    auto reply = get(server, host);
    ASSERT_FALSE(reply.ok()) << words;
    EXPECT_EQ(code_name(reply.error().code), "denied") << reply.error().message;
    EXPECT_NE(reply.error().message.find(words), std::string::npos) << reply.error().message;
    EXPECT_EQ(body_.text, "");
  }
  HttpOptions options_{.ca_file = ca().file("ca.pem")};
  SystemClock clock_;
  ManualWallClock wall_{SystemWallClock().now_s() + 60};
  Body body_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(Tls, ATrustedServer) {
  const Adversary server(with("server"));
  for (const char* host : {"127.0.0.1", "localhost"}) {
    auto reply = get(server, host);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(body_.text.size(), 1000u);
  }
}

TEST_F(Tls, ThePinnedCertificateAsText) {
  const Adversary server(with("server"));
  auto pem = read_file(ca().file("ca.pem"), 1 << 20);
  ASSERT_TRUE(pem.ok());
  options_ = {.ca_pem = *pem};
  EXPECT_TRUE(get(server).ok());
}

TEST_F(Tls, UnknownAuthority) {
  const Adversary server(with("server"));
  options_.ca_file = ca().file("other.pem");
  expect_denied(server, "unable to get local issuer certificate");
  options_.ca_file = "";  // those of the system
  expect_denied(server, "certificate is not accepted");
}

// For what proves itself: whoever answers will do, and only where that is asked for.
TEST_F(Tls, WhoeverAnswersIsTakenWhereThatIsWanted) {
  const Adversary server(with("elsewhere"));
  expect_denied(server, "not accepted");
  options_.takes_any_server = true;
  options_.ca_file = "";
  client_.reset();
  auto reply = get(server);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(body_.text.size(), 1000u);
}

TEST_F(Tls, AnotherHost) {
  const Adversary server(with("elsewhere"));
  expect_denied(server, "IP address mismatch");
  expect_denied(server, "ostname mismatch", "localhost");
}

TEST_F(Tls, TimesOfCertificates) {
  const Adversary server(with("server"));
  const std::int64_t now = wall_.now_s();
  wall_.set_s(now + 11 * kDayS);
  expect_denied(server, "expired");
  wall_.set_s(now - 2 * kDayS);
  expect_denied(server, "not yet valid");
  wall_.set_s(0);
  expect_denied(server, "not yet valid");
  wall_.set_s(now + 9 * kDayS);
  client_.reset();
  EXPECT_TRUE(get(server).ok());
}

TEST_F(Tls, AClockThatIsBehindRefusesNothingOfLater) {
  const Adversary server(with("server"));
  const std::int64_t now = wall_.now_s();
  wall_.set_behind(true);
  wall_.set_s(now - 2 * kDayS);
  const auto reply = get(server);
  EXPECT_TRUE(reply.ok()) << reply.error().message;
  // All else is held to it.
  wall_.set_s(now + 11 * kDayS);
  expect_denied(server, "expired");
  wall_.set_s(now - 2 * kDayS);
  options_.ca_file = ca().file("other.pem");
  expect_denied(server, "unable to get local issuer certificate");
}

TEST_F(Tls, WhoWeAre) {
  auto arguments = with("server");
  arguments.insert(arguments.end(), {"--client-ca", ca().file("ca.pem")});
  for (const bool old : {false, true}) {
    if (old) arguments.push_back("--tls12");
    const Adversary server(arguments);
    options_.client_certificate_file = options_.client_key_file = "";
    expect_denied(server, "the server says");
    options_.client_certificate_file = ca().file("device.pem");
    options_.client_key_file = ca().file("device.key");
    client_.reset();
    auto reply = get(server);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    // A certificate that the server does not know.
    options_.client_certificate_file = ca().file("other.pem");
    options_.client_key_file = ca().file("other.key");
    expect_denied(server, "the server says");
  }
}

TEST_F(Tls, WhatCannotIdentifyUs) {
  const auto code = [&](const std::string& certificate, const std::string& key) {
    HttpOptions options{.ca_file = ca().file("ca.pem"),
                        .client_certificate_file = ca().file(certificate),
                        .client_key_file = ca().file(key)};
    auto opened = open_http_client(options, clock_, wall_);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? Code::kUnsupported : opened.error().code;
  };
  EXPECT_EQ(code("device.pem", "server.key"), Code::kInvalid);
  EXPECT_EQ(code("none.pem", "server.key"), Code::kNotFound);
  EXPECT_EQ(code("device.pem", "none.key"), Code::kNotFound);
  EXPECT_EQ(code("device.ext", "device.key"), Code::kCorrupt);
  for (const char* file : {"ca.key", "device.ext"})
    EXPECT_EQ(open_http_client({.ca_file = ca().file(file)}, clock_, wall_).error().code,
              Code::kCorrupt);
  EXPECT_EQ(open_http_client({.ca_file = ca().file("none")}, clock_, wall_).error().code,
            Code::kNotFound);
}

TEST_F(Tls, ACutIsNoEnd) {
  // This server ends without close_notify: a body without a length is not known to be whole.
  const Adversary server(with("server"));
  auto reply = get(server, "127.0.0.1", "/unframed/1234");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, Code::kUnavailable);
  EXPECT_EQ(body_.text.size(), 1234u);
}

TEST_F(Tls, PlainHttpAtATlsPort) {
  const Adversary server;
  options_.deadline_ms = 2000;
  auto reply = get(server);
  ASSERT_FALSE(reply.ok());
  EXPECT_NE(reply.error().code, Code::kCorrupt) << reply.error().message;
}

TEST_F(Tls, SessionsResume) {
  for (const bool old : {false, true}) {
    auto arguments = with("server");
    if (old) arguments.push_back("--tls12");
    const Adversary server(arguments);
    ASSERT_TRUE(get(server, "127.0.0.1", "/resumed").ok());
    EXPECT_EQ(body_.text, "False");
    client_->close_idle();
    ASSERT_TRUE(get(server, "127.0.0.1", "/resumed").ok());
    EXPECT_EQ(body_.text, "True") << (old ? "TLS 1.2" : "TLS 1.3");
    client_.reset();
  }
}

TEST_F(Tls, NoRedirectToPlainHttp) {
  const Adversary server(with("server"));
  options_.max_redirects = 3;
  options_.redirect_to_other_origins = true;
  auto reply = get(server, "127.0.0.1", "/to?http://127.0.0.1:" + server.port() + "/file/1");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, Code::kDenied);
  EXPECT_NE(reply.error().message.find("from https to http"), std::string::npos);
}

}  // namespace
}  // namespace polder::net
