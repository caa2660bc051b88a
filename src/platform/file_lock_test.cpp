#include "platform/file_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "platform/host.h"
#include "platform/temporary.h"

namespace polder {
namespace {

TEST(FileLock, OneAtATimeHoldsIt) {
  const auto file = TemporaryFile::create(".lock");
  ASSERT_TRUE(file.ok());
  auto first = FileLock::take(file->path(), 0);
  ASSERT_TRUE(first.ok()) << first.error().message;
  const auto second = FileLock::take(file->path(), 30);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_NE(second.error().message.find(file->path()), std::string::npos);
  // Where the kernel tells of locks, whose it is.
  const std::string own = " " + std::to_string(::getpid()) + " ";
  const auto locks = read_kernel_text("/proc/locks");
  if (locks.ok() && locks->find(own) != std::string::npos) {
    EXPECT_NE(second.error().message.find("process" + own), std::string::npos)
        << second.error().message;
  }
  // The lock goes with its object.
  std::optional<FileLock> moved(*std::move(first));
  EXPECT_EQ(FileLock::take(file->path(), 0).error().code, Code::kUnavailable);
  moved.reset();
  EXPECT_TRUE(FileLock::take(file->path(), 0).ok());
}

TEST(FileLock, WhoWaitsGetsIt) {
  const auto file = TemporaryFile::create(".lock");
  ASSERT_TRUE(file.ok());
  std::optional<FileLock> held(FileLock::take(file->path(), 0).value());
  std::atomic<bool> waits = false, got = false;
  std::thread other([&] {
    waits = true;
    got = FileLock::take(file->path(), 600'000).ok();
  });
  while (!waits) std::this_thread::yield();
  EXPECT_FALSE(got);
  held.reset();
  other.join();
  EXPECT_TRUE(got);
}

TEST(FileLock, IsOfAFileThatIsThere) {
  EXPECT_EQ(FileLock::take("/none/at/all", 0).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace polder
