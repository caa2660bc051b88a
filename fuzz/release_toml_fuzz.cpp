// Descriptions of releases: whatever the text, a description or an error.
#include <cstdlib>

#include "release/description.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto description = polder::release::parse_description(
      {reinterpret_cast<const char*>(data), size}, "fuzz/release.toml");
  if (!description) {
    if (description.error().message.empty()) std::abort();
    return 0;
  }
  if (description->folder != "fuzz/") std::abort();
  return 0;
}
