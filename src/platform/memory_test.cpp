#include "platform/memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>

#include "base/fail.h"
#include "platform/testing.h"

namespace polder {
namespace {

TEST(WithinMemory, PassesOnWhatIsReturned) {
  const auto value = within_memory("x", [] { return Result<int>(7); });
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(*value, 7);
  const Status status = within_memory("x", []() -> Status { return fail(Code::kDenied, "no"); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "no");
}

TEST(WithinMemory, RunningOutIsAnErrorThatSaysWhere) {
  const auto value = within_memory("a.onnx", []() -> Result<int> { return take_all_memory(); });
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code, Code::kExhausted);
  EXPECT_TRUE(value.error().message.starts_with("a.onnx: out of memory; "))
      << value.error().message;
  EXPECT_TRUE(out_of_memory("").message.starts_with("out of memory; "));
}

TEST(WithinMemory, OnAnyThread) {
  Status status;
  std::thread([&] {
    status = within_memory("y", []() -> Status { return take_all_memory(), Status(); });
  }).join();
  ASSERT_FALSE(status.ok());
}

}  // namespace
}  // namespace polder
