#include "platform/page_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/fail.h"
#include "platform/descriptor.h"

namespace polder {

namespace {

constexpr std::int64_t kMsUs = 1'000;
constexpr int kAtOnce = 64;  // looks of one call: others have their turn then

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Error no_request(std::string_view what) {
  return fail(Code::kCorrupt, "not an HTTP request: {}", what);
}

// "GET /metrics HTTP/1.1".
Status read_first_line(std::string_view line, PageRequest& request) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == line.npos || first == last) return no_request("its first line");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method) || target.empty() || target[0] != '/' || !is_visible(target) ||
      (version != "HTTP/1.1" && version != "HTTP/1.0"))
    return no_request("its first line");
  request.method = method;
  request.target = target;
  return {};
}

Status read_header(std::string_view line, PageRequest& request) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) return no_request("a header");
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-length" && value != "0") return no_request("it has a body");
  if (name == "transfer-encoding") return no_request("it has a body");
  if (name != "host") return {};
  if (!request.host.empty() || !is_visible(value)) return no_request("its host");
  request.host = lower(value.substr(0, value.find(':')));
  return {};
}

std::string head(std::string_view status, std::string_view type, std::size_t size) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
      status, type, size);
}

std::string plain(std::string_view status) {
  const std::string body = std::string(status) + "\n";
  return head(status, "text/plain; charset=utf-8", body.size()) + body;
}

Error failed(const char* what, int port) {
  const Code code = errno == EACCES ? Code::kDenied : Code::kUnavailable;
  return fail(code, "127.0.0.1:{}: {}: {}", port, what, std::strerror(errno));
}

}  // namespace

Result<std::optional<PageRequest>> parse_page_request(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (std::min(end, bytes.size()) > kMaxPageRequestBytes)
    return fail(Code::kExhausted, "a request of more than {} bytes", kMaxPageRequestBytes);
  if (end == bytes.npos) return std::optional<PageRequest>();
  PageRequest request;
  std::string_view rest = bytes.substr(0, end);
  for (bool is_first = true; !rest.empty() || is_first; is_first = false) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
    TRY(is_first ? read_first_line(line, request) : read_header(line, request));
  }
  return std::optional<PageRequest>(std::move(request));
}

struct PageServer::Connection {
  Descriptor socket;
  std::int64_t until_us = 0;
  std::string in, out;  // out: not empty once there is an answer
  std::size_t written = 0;
};

PageServer::PageServer(int fd, int port, Clock& clock) : fd_(fd), port_(port), clock_(clock) {}

PageServer::~PageServer() { ::close(fd_); }

Result<std::unique_ptr<PageServer>> PageServer::open(int port, Clock& clock) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return failed("no socket", port);
  const int yes = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(std::uint16_t(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), any, size) != 0) return failed("cannot be taken", port);
  if (::listen(socket.get(), int(kMaxPageConnections)) != 0)
    return failed("cannot be listened to", port);
  if (::getsockname(socket.get(), any, &size) != 0) return failed("has no name", port);
  const int taken = ntohs(address.sin_port);
  return std::unique_ptr<PageServer>(new PageServer(socket.release(), taken, clock));
}

void PageServer::serve(std::int64_t wait_ms, const Pages& pages) {
  const std::int64_t until_us = clock_.now_us() + wait_ms * kMsUs;
  for (int i = 0; wait_ms > 0 || i < kAtOnce; ++i) {
    end_late();
    std::vector<pollfd> watched;
    for (const Connection& connection : connections_)
      watched.push_back(
          {connection.socket.get(), short(connection.out.empty() ? POLLIN : POLLOUT), 0});
    if (connections_.size() < kMaxPageConnections && clock_.now_us() >= deaf_until_us_)
      watched.push_back({fd_, POLLIN, 0});
    // A second at most: by then somebody may be late.
    const std::int64_t left_us = std::clamp<std::int64_t>(until_us - clock_.now_us(), 0, 1'000'000);
    const int ready = ::poll(watched.data(), watched.size(), int((left_us + kMsUs - 1) / kMsUs));
    if (ready > 0) {
      auto at = watched.begin();
      for (auto connection = connections_.begin(); connection != connections_.end(); ++at) {
        const bool goes_on = at->revents == 0 || go_on(*connection, pages);
        connection = goes_on ? std::next(connection) : connections_.erase(connection);
      }
      if (at != watched.end() && at->revents != 0) accept_all();
    }
    if (ready < 0 && errno != EINTR) return;
    if (clock_.now_us() >= until_us && (ready <= 0 || wait_ms > 0)) return;
  }
}

void PageServer::end_late() {
  const std::int64_t now_us = clock_.now_us();
  connections_.remove_if(
      [&](const Connection& connection) { return now_us >= connection.until_us; });
}

void PageServer::accept_all() {
  while (connections_.size() < kMaxPageConnections) {
    Descriptor socket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.get() < 0) {
      // There may be no descriptor left: whoever waits goes on waiting.
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        deaf_until_us_ = clock_.now_us() + 1000 * kMsUs;
      return;
    }
    connections_.push_back(
        {std::move(socket), clock_.now_us() + kPageDeadlineMs * kMsUs, {}, {}, 0});
  }
}

// Whether the connection is still of use.
bool PageServer::go_on(Connection& connection, const Pages& pages) {
  return connection.out.empty() ? read(connection, pages) : write(connection);
}

bool PageServer::read(Connection& connection, const Pages& pages) {
  char bytes[4096];
  const ssize_t got = ::recv(connection.socket.get(), bytes, sizeof bytes, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  connection.in.append(bytes, std::size_t(got));
  const auto request = parse_page_request(connection.in);
  if (request.ok() && !*request) return true;
  answer(connection, request, pages);
  return write(connection);
}

void PageServer::answer(Connection& connection, const Result<std::optional<PageRequest>>& request,
                        const Pages& pages) {
  std::string& out = connection.out;
  connection.in.clear();
  if (!request.ok()) {
    const bool is_long = request.error().code == Code::kExhausted;
    out = plain(is_long ? "431 Request Header Fields Too Large" : "400 Bad Request");
    return;
  }
  const PageRequest& asked = **request;
  if (asked.host != "127.0.0.1" && asked.host != "localhost") {
    out = plain("403 Forbidden");
  } else if (asked.method != "GET" && asked.method != "HEAD") {
    out = plain("405 Method Not Allowed");
  } else if (const auto page = pages(asked.target)) {
    out = head("200 OK", page->content_type, page->body.size());
    if (asked.method == "HEAD") return;
    out += page->body;
    sent_bytes_ += page->body.size();
  } else {
    out = plain("404 Not Found");
  }
}

bool PageServer::write(Connection& connection) {
  while (connection.written < connection.out.size()) {
    const std::string_view rest = std::string_view(connection.out).substr(connection.written);
    const ssize_t done = ::send(connection.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (done < 0) return errno == EAGAIN || errno == EINTR;
    connection.written += std::size_t(done);
  }
  ::shutdown(connection.socket.get(), SHUT_WR);
  return false;
}

}  // namespace polder
