// The one file of the device rooms that compiles with exceptions: the standard library's `new`
// throws.
#include "platform/memory.h"

#include <memory>
#include <new>

#include "base/fail.h"

namespace polder {

bool call_within_memory(void (*body)(void* context), void* context) {
  // Given back before the error is worded, which takes memory too.
  constexpr std::size_t kReserveBytes = 8192;
  std::unique_ptr<char[]> reserve(new (std::nothrow) char[kReserveBytes]);
  try {
    body(context);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

Error out_of_memory(std::string_view where) {
  return fail(Code::kExhausted,
              "{}{}out of memory; end other programs, raise the limit on memory "
              "or ask for less",
              where, where.empty() ? "" : ": ");
}

}  // namespace polder
