// The plan file: a compiled model, mapped and run in place.
//
//   offset 0   Header, 64 bytes, little endian
//         64   program: a FlatBuffer of plan.fbs
//          c   constants, c a multiple of 64; each tensor's bytes start at a multiple of 64
//
// A plan is untrusted until Plan::open has checked it: sizes, checksum, the FlatBuffer's structure.
// The session checks what the program means: indices, types, attributes, shapes, ranges of memory.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "graph/graph.h"

namespace polder::plan {
struct Program;
}

namespace polder {

inline constexpr std::uint32_t kPlanFormat = 1;
inline constexpr std::size_t kPlanAlignment = 64;
inline constexpr std::uint64_t kMaxProgramBytes = 64u << 20;
inline constexpr int kMaxPlanNodes = 1 << 18;
inline constexpr int kMaxPlanTensors = 1 << 19;
inline constexpr int kMaxPlanPorts = kMaxGraphPorts;          // inputs or outputs of a graph
inline constexpr int kMaxPlanNameBytes = kMaxNameBytes;       // more of a name is not kept
inline constexpr int kMaxPlanGraphDepth = 1 + kMaxBodyDepth;  // graphs within graphs
inline constexpr int kMaxPlanReferences = 1 << 21;            // inputs and outputs of all nodes
inline constexpr int kMaxPlanAttrElements = 1 << 20;
inline constexpr std::uint64_t kMaxArenaBytes = std::uint64_t(1) << 36;

struct PlanHeader {
  char magic[8];  // "POLDPLAN"
  std::uint32_t format;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t program_bytes;
  std::uint64_t constants_offset;
  std::uint64_t constants_bytes;
  std::uint64_t reserved;
  std::uint64_t
      checksum;  // XXH3-64 of everything after the header, seeded with that of the rest of it
};
static_assert(sizeof(PlanHeader) == 64);

// Fills in magic, sizes and the checksum. `program` and `constants` are as they will lie in the
// file.
PlanHeader plan_header(std::span<const std::byte> program, std::span<const std::byte> constants);

// The program part, once every offset in it is known to lie within `bytes` (8-byte aligned) and
// every number to be aligned; else null.
const plan::Program* verified_program(std::span<const std::byte> bytes);

// Whether the bytes start like a plan.
bool is_plan(std::span<const std::byte> bytes);

// A checked plan and whoever keeps its bytes alive.
class Plan {
 public:
  // Maps the file. Errors name the path.
  static Result<Plan> open(const std::string& path);
  // Uses `bytes` in place: 64-byte aligned, kept alive by `owner`.
  static Result<Plan> from_bytes(std::shared_ptr<const void> owner,
                                 std::span<const std::byte> bytes);

  // Of a program and constants that this process has just made: neither joined nor checksummed.
  static Result<Plan> from_parts(std::shared_ptr<const void> owner,
                                 std::span<const std::byte> program,
                                 std::span<const std::byte> constants);

  const plan::Program& program() const { return *program_; }
  std::span<const std::byte> constants() const { return constants_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> constants_;
  const plan::Program* program_ = nullptr;
};

}  // namespace polder
