// What a worker's sinks write, on its way to the supervisor, which alone writes files: a channel of
// its own, whose bytes go to the device's disk and nowhere else. What a worker tells of itself is
// in worker.h, and has no type for them.
//
//   TRY_VALUE(const std::string bytes, encode(CreateFile{"events.jsonl", true}));  // file 0
//   TRY_VALUE(const std::string more, encode(WriteFile{0, 0, "{\"event\":1}\n"}));
//   TRY_VALUE(const ToOutput message, decode_output(bytes));
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace polder::proto {

// Caps.
inline constexpr std::size_t kMaxOutputMessageBytes = 64 << 10;
inline constexpr std::size_t kMaxPieceBytes = 63 << 10;
inline constexpr std::size_t kMaxOutputNameBytes = 128;
inline constexpr std::size_t kMaxOutputFiles = 64;  // that one worker creates
inline constexpr std::uint64_t kMaxOutputOffset = std::uint64_t(1) << 40;

// Files have the numbers 0, 1, 2, in the order in which they are created.
struct CreateFile {
  std::string name;        // any bytes; who writes it makes it plain
  bool has_lines = false;  // it only grows, and is read while it does
  bool operator==(const CreateFile&) const = default;
};
struct WriteFile {
  std::uint8_t file = 0;
  std::uint64_t offset = 0;  // not of a file of lines
  std::string bytes;         // 1 to kMaxPieceBytes
  bool operator==(const WriteFile&) const = default;
};
// It is complete: nothing more is written to it.
struct CommitFile {
  std::uint8_t file = 0;
  bool operator==(const CommitFile&) const = default;
};

using ToOutput = std::variant<CreateFile, WriteFile, CommitFile>;

// Errors: kExhausted above a cap, kCorrupt for what cannot be.
Result<std::string> encode(const ToOutput& message);
// Errors: kCorrupt for what is no such message; kExhausted above a cap.
Result<ToOutput> decode_output(std::string_view bytes);

}  // namespace polder::proto
