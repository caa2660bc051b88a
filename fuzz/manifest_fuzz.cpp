// Release manifests: what is accepted is valid, comes back as it was, and a device can choose from
// it.
#include <cstdlib>

#include "trust/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::trust;
  const auto manifest = Manifest::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!manifest) return 0;
  if (!manifest->validate()) std::abort();
  const std::string bytes = manifest->bytes();
  const auto again = Manifest::parse(bytes, "fuzz");
  if (!again || !(*again == *manifest) || again->bytes() != bytes) std::abort();
  const Device device{{"x86-64-v3", "generic"}, {"native", "litert"}, 1, {{"conv", 1}}};
  if (const auto chosen = choose_artifacts(*manifest, device)) {
    for (const Artifact* artifact : *chosen) {
      if (manifest->find_blob(artifact->blob) == nullptr) std::abort();
    }
  }
  return 0;
}
