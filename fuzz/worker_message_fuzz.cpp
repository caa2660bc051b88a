// The messages of the agent's worker: what is accepted is within the caps, can be said again and
// then comes back as the same bytes.
#include <cstdlib>

#include "proto/worker.h"

namespace {

template <class Message>
void exercise(const polder::Result<Message>& message,
              polder::Result<Message> (*decode)(std::string_view)) {
  if (!message) return;
  const auto bytes = polder::proto::encode(*message);
  // Tables that share their parts may be too long when each has its own.
  if (!bytes) {
    if (bytes.error().code != polder::Code::kExhausted) std::abort();
    return;
  }
  const auto again = decode(*bytes);
  if (!again || again->index() != message->index()) std::abort();
  const auto twice = polder::proto::encode(*again);
  if (!twice || *twice != *bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::proto;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  exercise(decode_to_worker(bytes), decode_to_worker);
  exercise(decode_from_worker(bytes), decode_from_worker);
  return 0;
}
