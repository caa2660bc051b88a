#include "platform/pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>

namespace polder {

namespace {
constexpr std::size_t kHugePage = std::size_t(2) << 20;

// From the heap, which keeps what it was given back and has it ready.
std::shared_ptr<std::byte> allocate_small(std::size_t bytes) {
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, bytes / 64 * 64 + 64));
  if (!memory) return nullptr;
  return {memory, std::free};
}
}  // namespace

std::shared_ptr<std::byte> allocate_pages(std::size_t bytes) {
  if (bytes < kHugePage) return allocate_small(bytes);
  const std::size_t mapped = bytes + kHugePage;  // room to begin at a huge page; it costs nothing
  if (mapped < bytes) return nullptr;
  void* begin = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  auto* aligned = reinterpret_cast<std::byte*>((address + kHugePage - 1) / kHugePage * kHugePage);
  // Only a hint: nothing is lost where it is refused.
  ::madvise(aligned, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return {aligned, [begin, mapped](std::byte*) { ::munmap(begin, mapped); }};
}

}  // namespace polder
