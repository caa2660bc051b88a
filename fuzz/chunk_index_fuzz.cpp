// Chunk indices: two in one input, cut where the first says it ends. What is accepted covers its
// file exactly and comes back as it was; a fetch plan of one from the other covers it once.
#include <cstdlib>

#include "trust/chunks.h"

namespace {

using namespace polder::trust;

void expect(bool holds) {
  if (!holds) std::abort();
}

void expect_covered(const ChunkIndex& wanted, const FetchPlan& plan) {
  std::uint64_t offset = 0, fetched = 0;
  std::size_t copy = 0, range = 0;
  while (offset < wanted.file_bytes()) {
    if (range < plan.fetch.size() && plan.fetch[range].offset == offset) {
      offset += plan.fetch[range].size;
      fetched += plan.fetch[range++].size;
    } else {
      expect(copy < plan.copies.size());
      const Chunk& chunk = wanted.chunks()[plan.copies[copy++].chunk];
      expect(chunk.offset == offset);
      offset += chunk.size;
    }
  }
  expect(offset == wanted.file_bytes() && copy == plan.copies.size() && range == plan.fetch.size());
  expect(fetched == plan.fetch_bytes && fetched + plan.copy_bytes == offset);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The second half is another index of the same length, if it is one.
  const auto wanted = ChunkIndex::parse(bytes, "fuzz");
  const auto first = ChunkIndex::parse(bytes.substr(0, size / 2), "fuzz");
  const auto second = ChunkIndex::parse(bytes.substr(size / 2), "fuzz");
  if (wanted) {
    expect(wanted->bytes() == bytes);
    expect_covered(*wanted, plan_fetch(*wanted, {}));
  }
  if (first && second) {
    const ChunkIndex* have[] = {&*second};
    for (const std::uint64_t gap : {0, 1 << 16}) {
      expect_covered(*first, plan_fetch(*first, have, gap));
    }
  }
  return 0;
}
