// What the server says by itself, to a client that is OpenSSL's.
#include "hub/http/server.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "hub/authority.h"
#include "platform/file.h"
#include "trust/signer.h"
#include "trust/testing.h"

namespace polder::hub {
namespace {

// All that is answered to a request, after which the server closes the connection.
std::string ask(std::uint16_t port) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  BIO* const bio = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(bio, ("127.0.0.1:" + std::to_string(port)).c_str());
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(BIO_write(bio, request.data(), int(request.size())), int(request.size()));
  std::string answer;
  char piece[4096];
  for (int count = 0; (count = BIO_read(bio, piece, sizeof piece)) > 0;)
    answer.append(piece, std::size_t(count));
  BIO_free_all(bio);
  SSL_CTX_free(context);
  return answer;
}

class Serving : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_);
    options_ = {.address = "127.0.0.1",
                .certificate_file = folder_ / "server.pem",
                .key_file = folder_ / "key.pem",
                .authority_file = folder_ / "ca.pem"};
    trust::NoPassphrase none;
    const auto made =
        trust::create_key("file:" + options_.key_file, trust::Scheme::kEcdsaP256, none);
    ASSERT_TRUE(made.ok()) << made.error().message;
    constexpr std::int64_t kNowS = 1'900'000'000;
    auto authority = std::make_unique<trust::TestSigner>(trust::Scheme::kEcdsaP256);
    const std::string pem = make_authority(*authority, kNowS).value();
    ASSERT_TRUE(write_file_atomic(options_.authority_file, pem).ok());
    Authority issuing(std::move(authority), pem);
    const auto issued = issuing.issue_server(*made, {"127.0.0.1"}, kNowS);
    ASSERT_TRUE(issued.ok()) << issued.error().message;
    ASSERT_TRUE(write_file_atomic(options_.certificate_file, *issued).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("polder-server-" + std::to_string(::getpid()));
  ServerOptions options_;
};

TEST_F(Serving, WhoComesToABusyHubIsToldToComeAgain) {
  std::promise<void> asked, goes_on;
  std::vector<int> told;
  options_.max_waiting = 1;
  auto server = Server::open(
      options_,
      {.answer =
           [&](const Request&) {
             asked.set_value();
             goes_on.get_future().wait();
             return Response{.body = "done"};
           },
       .may_send = [](const Request&) { return BodyRule{}; },
       .sent = [&](const Response& response, std::int64_t) { told.push_back(response.status); }});
  ASSERT_TRUE(server.ok()) << server.error().message;
  std::thread serving([&] { (*server)->serve(); });
  std::string first;
  std::thread asking([&] { first = ask((*server)->port()); });
  asked.get_future().wait();
  const std::string second = ask((*server)->port());
  EXPECT_TRUE(second.starts_with("HTTP/1.1 503 ")) << second;
  EXPECT_NE(second.find("\r\nRetry-After: 5\r\n"), std::string::npos) << second;
  EXPECT_NE(second.find("the hub is busy: ask again"), std::string::npos) << second;
  goes_on.set_value();
  asking.join();
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 ")) << first;
  std::raise(SIGTERM);
  serving.join();
  EXPECT_EQ(told, (std::vector<int>{503, 200}));
}

// Whoever was told that it serves may end it, however early.
TEST_F(Serving, WhatIsToEndBeforeItServesEnds) {
  auto server = Server::open(options_, {.answer = [](const Request&) { return Response{}; },
                                        .may_send = [](const Request&) { return BodyRule{}; }});
  ASSERT_TRUE(server.ok()) << server.error().message;
  std::raise(SIGTERM);
  (*server)->serve();
}

}  // namespace
}  // namespace polder::hub
