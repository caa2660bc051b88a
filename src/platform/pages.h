// Large blocks of memory.
#pragma once

#include <cstddef>
#include <memory>

namespace polder {

// Memory of unspecified content, aligned to 64 bytes, given back by the last owner. Blocks of 2 MB
// and more lie in huge pages where the system has them: filling those costs a fault per 2 MB, not
// per 4 kB. nullptr: no memory.
std::shared_ptr<std::byte> allocate_pages(std::size_t bytes);

}  // namespace polder
