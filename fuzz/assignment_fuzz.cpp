// Assignments: what is accepted is valid and comes back as it was.
#include <cstdlib>

#include "trust/assignment.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder::trust;
  const auto assignment = Assignment::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!assignment) return 0;
  if (!assignment->validate() || !assignment->check_device(assignment->device)) std::abort();
  const std::string bytes = assignment->bytes();
  const auto again = Assignment::parse(bytes, "fuzz");
  if (!again || !(*again == *assignment) || again->bytes() != bytes) std::abort();
  return 0;
}
