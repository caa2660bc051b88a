// The one file of the device rooms that compiles with exceptions: the standard library's `new`
// throws.
#include "platform/memory.h"

#include <new>
#include <stdexcept>

#include "base/fail.h"

namespace polder {

bool call_within_memory(void (*body)(void* context), void* context) {
  try {
    body(context);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  } catch (const std::length_error&) {  // more than any memory holds
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
