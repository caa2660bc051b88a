// What a worker's sinks ask to be written: what is accepted is within the caps, can be said again
// and then comes back as it was.
#include <cstdlib>

#include "proto/output.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::proto;
  const auto message = decode_output({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const auto bytes = encode(*message);
  if (!bytes || bytes->size() > kMaxOutputMessageBytes) std::abort();
  const auto again = decode_output(*bytes);
  if (!again || *again != *message) std::abort();
  return 0;
}
