// Reports and check-ins: what is accepted is within the caps, can be said again and then comes back
// as the same bytes.
#include <cstdlib>

#include "proto/report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::proto;
  const auto message =
      decode_report_message(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!message) return 0;
  const auto bytes = encode(*message);
  // Tables that share their parts may be too long when each has its own.
  if (!bytes) {
    if (bytes.error().code != polder::Code::kExhausted) std::abort();
    return 0;
  }
  const auto again = decode_report_message(*bytes);
  if (!again || again->index() != message->index()) std::abort();
  const auto twice = encode(*again);
  if (!twice || *twice != *bytes) std::abort();
  return 0;
}
