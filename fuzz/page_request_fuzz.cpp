// What the page of metrics is asked: a request is whole, short and of printable ASCII, and each of
// its beginnings is one that waits for more, or is refused.
#include <algorithm>
#include <cstdlib>

#include "platform/page_server.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto request = parse_page_request(bytes);
  if (!request.ok() || !*request) return 0;
  const auto is_visible = [](const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  };
  const PageRequest& asked = **request;
  if (asked.method.empty() || asked.target.front() != '/' || !is_visible(asked.method) ||
      !is_visible(asked.target) || !is_visible(asked.host) ||
      asked.target.size() > kMaxPageRequestBytes)
    std::abort();
  // No beginning of it is a whole request of another kind.
  const std::size_t end = bytes.find("\r\n\r\n");
  for (std::size_t n = 0; n < std::min<std::size_t>(end + 4, 64); ++n) {
    const auto part = parse_page_request(bytes.substr(0, n));
    if (!part.ok() || *part) std::abort();
  }
  return 0;
}
