#include "kernel/checksum.h"

#include <gtest/gtest.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <vector>

namespace polder::kernel {
namespace {

// The library as it is compiled by default is the judge of the version chosen for this CPU. Lengths
// around those where XXH3 changes its method: 16, 128, 240 bytes, and blocks of 1,024.
TEST(Checksum, IsThatOfTheLibraryForEveryLengthAndAlignment) {
  std::vector<unsigned char> bytes(70'000);
  unsigned value = 1;
  for (unsigned char& b : bytes)
    b = static_cast<unsigned char>((value = value * 1664525u + 1013904223u) >> 24);
  for (const std::size_t size : {0,   1,   3,   4,   8,    9,    16,   17,   127,  128,
                                 129, 240, 241, 512, 1023, 1024, 1025, 2048, 4097, 65'537}) {
    for (const std::size_t offset : {0, 1, 7, 32, 64}) {
      for (const std::uint64_t seed : {std::uint64_t(0), std::uint64_t(0x9e3779b97f4a7c15)}) {
        EXPECT_EQ(xxh3(bytes.data() + offset, size, seed),
                  XXH3_64bits_withSeed(bytes.data() + offset, size, seed))
            << size << " bytes from " << offset;
      }
    }
  }
}

TEST(Checksum, IsTheOnePublishedForNoBytes) { EXPECT_EQ(xxh3(nullptr, 0, 0), 0x2d06800538d394c2u); }

}  // namespace
}  // namespace polder::kernel
