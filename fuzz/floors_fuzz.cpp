// Floors of versions: what is accepted comes back as it was, and allows its own floors.
#include <cstdlib>

#include "trust/floors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::trust;
  auto floors = Floors::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!floors) return 0;
  const std::string bytes = floors->bytes();
  const auto again = Floors::parse(bytes, "fuzz");
  if (!again || !(*again == *floors) || again->bytes() != bytes) std::abort();
  for (const auto& [model, version] : again->floors) {
    if (!floors->allows(model, version) || !floors->raise(model, version)) std::abort();
  }
  if (!(*again == *floors)) std::abort();
  return 0;
}
