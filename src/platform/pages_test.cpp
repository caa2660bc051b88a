#include "platform/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace polder {
namespace {

TEST(Pages, AreAlignedAndWritable) {
  for (const std::size_t bytes : {std::size_t(0), std::size_t(1), std::size_t(5000),
                                  std::size_t(2) << 20, (std::size_t(9) << 20) + 17}) {
    const auto pages = allocate_pages(bytes);
    ASSERT_NE(pages, nullptr) << bytes;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages.get()) % 64, 0u);
    std::fill(pages.get(), pages.get() + bytes, std::byte(7));
    EXPECT_EQ(std::count(pages.get(), pages.get() + bytes, std::byte(7)), std::ptrdiff_t(bytes));
  }
}

TEST(Pages, AreRefusedWhereThereAreNone) {
  EXPECT_EQ(allocate_pages(std::numeric_limits<std::size_t>::max()), nullptr);
  EXPECT_EQ(allocate_pages(std::numeric_limits<std::size_t>::max() / 2), nullptr);
}

}  // namespace
}  // namespace polder
