// What the network costs in memory: resident sizes of a program before and after one request for a
// range, and while the connection is idle.
//
//   http_memory URL CA.PEM [CERTIFICATE KEY]
#include <cstdio>
#include <string>

#include "platform/host.h"
#include "platform/http.h"

namespace {

class Counter final : public polder::HttpSink {
 public:
  polder::Status write(std::string_view bytes) override {
    return bytes_ += bytes.size(), polder::Status();
  }
  std::size_t bytes_ = 0;
};

// "VmRSS:\t    9600 kB" of /proc/self/status, for the three lines that tell.
void print_memory(const char* when) {
  auto text = polder::read_kernel_text("/proc/self/status");
  if (!text.ok()) return;
  std::printf("%-28s", when);
  for (const char* name : {"VmRSS:", "RssAnon:", "RssFile:"}) {
    const std::size_t at = text->find(name);
    const std::size_t digits = text->find_first_of("0123456789", at);
    const std::string kilobytes = text->substr(digits, text->find(' ', digits) - digits);
    std::printf("  %s %6s kB", name, kilobytes.c_str());
  }
  std::printf("\n");
}

int run(int count, char** words) {
  polder::HttpOptions options;
  options.ca_file = words[2];
  if (count == 5) options.client_certificate_file = words[3], options.client_key_file = words[4];
  polder::SystemClock clock;
  const polder::SystemWallClock wall;
  print_memory("at the start");
  auto client = polder::open_http_client(options, clock, wall);
  if (!client.ok()) return std::fprintf(stderr, "%s\n", client.error().message.c_str()), 1;
  print_memory("client made");
  Counter counter;
  auto reply = (*client)->get({words[1], 1 << 30, 1000, 1 << 20}, counter);
  if (!reply.ok()) return std::fprintf(stderr, "%s\n", reply.error().message.c_str()), 1;
  print_memory("after one range, connected");
  (*client)->close_idle();
  print_memory("connection closed");
  std::printf("status %d, %zu bytes\n", reply->status, counter.bytes_);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count == 3 || count == 5) return run(count, words);
  std::fprintf(stderr, "usage: http_memory URL CA.PEM [CERTIFICATE KEY]\n");
  return 2;
}
