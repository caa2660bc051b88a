#include "platform/private_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "platform/sanitized.h"

namespace polder {
namespace {

// The flags that the kernel has for the mapping at an address ("VmFlags" of smaps).
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      here = wanted >= begin && wanted < end;
    } else if (here && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return "";
}

// Whether advice reaches the kernel and comes back in the flags: emulators of processes keep it.
bool advice_shows() {
  void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ::madvise(page, 4096, MADV_DONTDUMP);
  ::madvise(page, 4096, MADV_DONTFORK);
  const std::string flags = flags_of(page);
  ::munmap(page, 4096);
  return flags.find(" dd ") != flags.npos && flags.find(" dc ") != flags.npos;
}

TEST(PrivateMemory, IsNeitherDumpedNorInherited) {
  auto memory = PrivateMemory::allocate(100'000).value();
  ASSERT_EQ(memory.bytes().size(), 100'000u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.bytes().data()) % 4096, 0u);
  std::fill(memory.writable().begin(), memory.writable().end(), 'x');
  const std::string flags = flags_of(memory.bytes().data());
  if (!advice_shows()) GTEST_SKIP() << "this system does not tell the flags of mappings";
  EXPECT_NE(flags.find(" dd "), flags.npos) << flags;  // not dumped
  EXPECT_NE(flags.find(" dc "), flags.npos) << flags;  // not copied by fork
#ifndef POLDER_SANITIZED                               // sanitizers leave mlock() out
  EXPECT_EQ(memory.locked(), flags.find(" lo ") != flags.npos) << flags;
#endif
  EXPECT_NE(flags.find(" wr "), flags.npos) << flags;
  memory.make_read_only();
  EXPECT_EQ(flags_of(memory.bytes().data()).find(" wr "), std::string::npos);
  EXPECT_EQ(memory.bytes()[99'999], std::byte('x'));
}

TEST(PrivateMemory, SaysWhenItIsNotLocked) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers leave mlock() out";
#endif
  rlimit old{};
  ::getrlimit(RLIMIT_MEMLOCK, &old);
  const rlimit none{0, old.rlim_max};
  ::setrlimit(RLIMIT_MEMLOCK, &none);
  auto memory = PrivateMemory::allocate(4096).value();
  ::setrlimit(RLIMIT_MEMLOCK, &old);
  // A user with CAP_IPC_LOCK may lock all the same.
  const std::string flags = flags_of(memory.bytes().data());
  EXPECT_TRUE(flags.empty() || memory.locked() == (flags.find(" lo ") != flags.npos));
}

TEST(PrivateMemory, NothingAndTooMuch) {
  EXPECT_TRUE(PrivateMemory::allocate(0).value().bytes().empty());
  EXPECT_EQ(PrivateMemory::allocate(SIZE_MAX / 2).error().code, Code::kExhausted);
  auto memory = PrivateMemory::allocate(10).value();
  PrivateMemory other = std::move(memory);
  EXPECT_EQ(other.bytes().size(), 10u);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  EXPECT_TRUE(memory.bytes().empty());
}

}  // namespace
}  // namespace polder
