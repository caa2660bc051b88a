// Addresses: the first line is one, the second a reference that leads on from it. What is accepted
// is written back as text that means the same, and shows no query.
#include <cstdlib>

#include "platform/url.h"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void expect_stable(const polder::Url& url) {
  const auto again = polder::Url::parse(url.text());
  expect(again.ok() && again->text() == url.text() && again->same_origin(url));
  expect(!url.host.empty() && url.port != 0 && url.target.starts_with('/'));
  for (const char c : url.text()) expect(c > ' ' && c < 127);
  // Longer texts are cut where they are shown.
  const std::string shown = url.text().size() <= 64 ? url.shown() : "";
  if (const auto query = shown.find('?'); query != shown.npos)
    expect(shown.substr(query) == "?...");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const auto url = polder::Url::parse(text.substr(0, line));
  if (!url.ok()) return 0;
  expect_stable(*url);
  if (line == text.npos) return 0;
  if (const auto next = url->resolve(text.substr(line + 1)); next.ok()) expect_stable(*next);
  return 0;
}
