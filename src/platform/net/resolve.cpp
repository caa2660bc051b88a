#include "platform/net/resolve.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/fail.h"
#include "platform/descriptor.h"

namespace polder::net {
namespace {

constexpr std::size_t kMaxAddresses = 8;
constexpr std::size_t kStackBytes = 256 << 10;  // the resolver's own buffers are on its stack
constexpr int kMaxWaitMs = 1000;

std::atomic<bool> g_busy{false};

// What the caller and the thread share; the last of them frees it.
struct Lookup {
  Lookup(std::string host_text, std::string port_text, Descriptor end)
      : host(std::move(host_text)), port(std::move(port_text)), done(std::move(end)) {}
  const std::string host, port;
  int error = 0;
  std::vector<Address> addresses;
  Descriptor done;  // a pipe's end, closed when the others are set
};

int look_up(const char* host, const char* port, int flags, std::vector<Address>& out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host, port, &hints, &list);
  if (error != 0) return error;
  for (const addrinfo* at = list; at && out.size() < kMaxAddresses; at = at->ai_next) {
    if (at->ai_addrlen > sizeof(sockaddr_storage)) continue;
    Address& address = out.emplace_back();
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
  }
  ::freeaddrinfo(list);
  return 0;
}

void* run(void* argument) {
  const std::unique_ptr<std::shared_ptr<Lookup>> own(
      static_cast<std::shared_ptr<Lookup>*>(argument));
  Lookup& lookup = **own;
  lookup.error = look_up(lookup.host.c_str(), lookup.port.c_str(), AI_ADDRCONFIG, lookup.addresses);
  g_busy = false;
  Descriptor closing(std::move(lookup.done));
  return nullptr;
}

Status start(const std::shared_ptr<Lookup>& lookup) {
  auto own = std::make_unique<std::shared_ptr<Lookup>>(lookup);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, run, own.get());
  ::pthread_attr_destroy(&attributes);
  if (error != 0)
    return fail(Code::kUnavailable, "no thread to look up '{}': {}", lookup->host,
                std::strerror(error));
  own.release();  // the thread's now
  return {};
}

// Until the other end of the pipe is closed.
Status wait_for_end(int fd, Pace& pace) {
  for (;;) {
    TRY_VALUE(const std::int64_t left_us, pace.left_us());
    pollfd end{fd, POLLIN, 0};
    const int ready = ::poll(&end, 1, int(std::min<std::int64_t>(kMaxWaitMs, left_us / 1000 + 1)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR)
      return fail(Code::kIo, "cannot wait for a name: {}", std::strerror(errno));
  }
}

}  // namespace

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Pace& pace) {
  std::vector<Address> addresses;
  const std::string service = std::to_string(port);
  if (look_up(host.c_str(), service.c_str(), AI_NUMERICHOST, addresses) == 0) return addresses;
  if (g_busy.exchange(true))
    return fail(Code::kUnavailable, "the name '{}' waits for an earlier look-up; try again later",
                host);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    g_busy = false;
    return fail(Code::kIo, "cannot make a pipe: {}", std::strerror(errno));
  }
  const Descriptor reader(ends[0]);
  const auto lookup = std::make_shared<Lookup>(host, service, Descriptor(ends[1]));
  if (auto started = start(lookup); !started.ok()) {
    g_busy = false;
    return std::move(started).error();
  }
  TRY(wait_for_end(reader.get(), pace));
  if (lookup->error != 0 || lookup->addresses.empty()) {
    return fail(Code::kUnavailable, "the name '{}' cannot be looked up: {}", host,
                lookup->error != 0 ? ::gai_strerror(lookup->error) : "it has no address");
  }
  return lookup->addresses;
}

}  // namespace polder::net
