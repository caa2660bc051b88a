// The page as its readers see it, good and bad ones, over real sockets of this machine.
#include "platform/page_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

namespace polder {
namespace {

class PageServerTest : public testing::Test {
 protected:
  ManualClock clock;
  std::unique_ptr<PageServer> server;
  std::string body = "polder_up 1\n";
  std::vector<int> sockets;

  void SetUp() override {
    auto opened = PageServer::open(0, clock);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    server = std::move(*opened);
  }
  void TearDown() override {
    for (const int fd : sockets) ::close(fd);
  }
  int connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(std::uint16_t(server->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    sockets.push_back(fd);
    return fd;
  }
  void serve() {
    server->serve(0, [this](std::string_view target) -> std::optional<Page> {
      if (target != "/metrics") return {};
      return Page{"text/plain", body};
    });
  }
  static void send(int fd, std::string_view bytes) {
    EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  // What has come by now; `ended` says whether nothing more will.
  static std::string receive(int fd, bool* ended = nullptr) {
    std::string all;
    char bytes[65536];
    for (;;) {
      const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (ended) *ended = got == 0;
      if (got <= 0) return all;
      all.append(bytes, std::size_t(got));
    }
  }
  std::string ask(std::string_view request) {
    const int fd = connect();
    send(fd, request);
    serve();
    bool ended = false;
    const std::string answer = receive(fd, &ended);
    EXPECT_TRUE(ended);
    return answer;
  }
};

constexpr char kGet[] = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9464\r\n\r\n";

TEST_F(PageServerTest, ShowsItsPage) {
  const std::string answer = ask(kGet);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Length: 12\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\npolder_up 1\n"));
  EXPECT_EQ(server->take_sent_bytes(), 12u);
  EXPECT_EQ(server->take_sent_bytes(), 0u);
  const std::string head = ask("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_NE(head.find("Content-Length: 12\r\n"), std::string::npos);
}

TEST_F(PageServerTest, RefusesWhatIsNotForIt) {
  const auto status = [&](std::string_view request) { return ask(request).substr(9, 3); };
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "404");
  EXPECT_EQ(status("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), "405");
  // A page elsewhere that has its name resolve to this address.
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\nHost: evil.example:9464\r\n\r\n"), "403");
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\n\r\n"), "403");
  EXPECT_EQ(status("\x16\x03\x01\r\n\r\n"), "400");
  EXPECT_EQ(status("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), "400");
  EXPECT_EQ(status(std::string(kMaxPageRequestBytes + 1, 'x')), "431");
}

TEST_F(PageServerTest, ARequestMayComeInPieces) {
  const int fd = connect();
  for (const char c : std::string_view(kGet)) {
    EXPECT_EQ(receive(fd), "");
    send(fd, std::string_view(&c, 1));
    serve();
  }
  EXPECT_TRUE(receive(fd).starts_with("HTTP/1.1 200"));
}

// Neither one who does not ask nor one who does not read holds anybody up, or stays.
TEST_F(PageServerTest, SlowOnesAreEnded) {
  body.assign(32 << 20, 'x');  // more than the kernel holds for a socket
  const int silent = connect(), deaf = connect();
  send(deaf, kGet);
  serve();
  bool ended = false;
  EXPECT_TRUE(ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 404"));
  receive(silent, &ended);
  EXPECT_FALSE(ended);
  clock.advance_us(kPageDeadlineMs * 1000);
  serve();
  receive(silent, &ended);
  EXPECT_TRUE(ended);
  std::size_t got = 0;
  for (int i = 0; i < 1000 && !ended; ++i) got += receive(deaf, &ended).size();
  EXPECT_LT(got, body.size());
}

TEST_F(PageServerTest, OnlySoManyAreHeldAtOnce) {
  for (std::size_t i = 0; i < kMaxPageConnections; ++i) connect();
  serve();
  const int late = connect();
  send(late, kGet);
  serve();
  EXPECT_EQ(receive(late), "");
  clock.advance_us(kPageDeadlineMs * 1000);
  serve();
  EXPECT_TRUE(receive(late).starts_with("HTTP/1.1 200"));
}

TEST_F(PageServerTest, APortThatIsTakenIsAnError) {
  const auto second = PageServer::open(server->port(), clock);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("127.0.0.1"), std::string::npos);
}

TEST(PageRequests, AreReadStrictly) {
  const auto read = [](std::string_view bytes) { return parse_page_request(bytes); };
  ASSERT_TRUE(read(kGet).ok());
  EXPECT_EQ((*read(kGet))->target, "/metrics");
  EXPECT_EQ((*read(kGet))->host, "127.0.0.1");
  EXPECT_FALSE(*read("GET /"));
  for (const char* bad :
       {"\r\n\r\n", "GET\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n", "GET a HTTP/1.1\r\n\r\n",
        "GET / HTTP/2\r\n\r\n", "GET / HTTP/1.1\r\nno header\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"})
    EXPECT_EQ(read(bad).error().code, Code::kCorrupt) << bad;
  EXPECT_EQ(read(std::string(kMaxPageRequestBytes + 1, 'a')).error().code, Code::kExhausted);
}

}  // namespace
}  // namespace polder
