#include "proto/output.h"

#include <gtest/gtest.h>

#include <random>

namespace polder::proto {
namespace {

std::string bytes_of(const ToOutput& message) {
  auto bytes = encode(message);
  EXPECT_TRUE(bytes.ok()) << bytes.error().message;
  return bytes.ok() ? *bytes : std::string();
}

const ToOutput kAll[] = {
    CreateFile{"events.jsonl", true},
    CreateFile{"annotated.mp4", false},
    WriteFile{3, kMaxOutputOffset, std::string("\0\n\xff", 3)},
    WriteFile{0, 0, std::string(kMaxPieceBytes, 'x')},
    CommitFile{kMaxOutputFiles - 1},
};

TEST(OutputMessages, ComeBackAsTheyWere) {
  for (const ToOutput& message : kAll) {
    const std::string bytes = bytes_of(message);
    EXPECT_LE(bytes.size(), kMaxOutputMessageBytes);
    const auto again = decode_output(bytes);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, message);
  }
}

TEST(OutputMessages, CapsHold) {
  const auto code = [](const ToOutput& message) {
    const auto bytes = encode(message);
    return bytes.ok() ? Code::kInvalid : bytes.error().code;
  };
  EXPECT_EQ(code(CreateFile{"", false}), Code::kCorrupt);
  EXPECT_EQ(code(CreateFile{std::string(kMaxOutputNameBytes + 1, 'x'), false}), Code::kExhausted);
  EXPECT_EQ(code(WriteFile{0, 0, ""}), Code::kCorrupt);
  EXPECT_EQ(code(WriteFile{kMaxOutputFiles, 0, "x"}), Code::kCorrupt);
  EXPECT_EQ(code(WriteFile{0, kMaxOutputOffset + 1, "x"}), Code::kCorrupt);
  EXPECT_EQ(code(WriteFile{0, 0, std::string(kMaxPieceBytes + 1, 'x')}), Code::kExhausted);
  EXPECT_EQ(code(CommitFile{kMaxOutputFiles}), Code::kCorrupt);
  EXPECT_EQ(decode_output(std::string(kMaxOutputMessageBytes + 1, 0)).error().code,
            Code::kExhausted);
}

// What is received is held to the same: numbers are turned where they lie in the bytes.
TEST(OutputMessages, DamagedOnesAreNoneOrWithinTheCaps) {
  std::mt19937_64 random(9);
  int taken = 0, refused = 0;
  for (const ToOutput& message : {kAll[0], kAll[2], kAll[4]}) {
    const std::string bytes = bytes_of(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(decode_output(bytes.substr(0, size)).ok() && size < 8);
    for (int i = 0; i < 2000; ++i) {
      std::string damaged = bytes;
      for (int k = 0; k < 1 + i % 4; ++k) damaged[random() % damaged.size()] = char(random());
      const auto found = decode_output(damaged);
      found.ok() ? ++taken : ++refused;
      if (found.ok()) {
        EXPECT_TRUE(encode(*found).ok());
      }
    }
  }
  EXPECT_GT(taken, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace polder::proto
