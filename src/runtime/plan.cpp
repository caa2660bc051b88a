// Reading a plan: header, checksum, FlatBuffer structure.
#include "runtime/plan.h"

#include <algorithm>
#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/fail.h"
#include "kernel/checksum.h"
#include "plan_generated.h"
#include "platform/file.h"

namespace polder {

namespace {

constexpr char kMagic[8] = {'P', 'O', 'L', 'D', 'P', 'L', 'A', 'N'};

std::size_t align_up(std::size_t n) {
  return (n + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment;
}

// The checksum of a file whose parts are not joined yet: the gap between them is zero.
std::uint64_t checksum(const PlanHeader& header, std::span<const std::byte> program,
                       std::span<const std::byte> constants) {
  const std::uint64_t seed = XXH3_64bits(&header, offsetof(PlanHeader, checksum));
  XXH3_state_t state = {};
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, seed);
  XXH3_64bits_update(&state, program.data(), program.size());
  const std::byte gap[kPlanAlignment] = {};
  XXH3_64bits_update(&state, gap,
                     align_up(sizeof header + program.size()) - sizeof header - program.size());
  if (!constants.empty()) XXH3_64bits_update(&state, constants.data(), constants.size());
  return XXH3_64bits_digest(&state);
}

template <class T>
bool aligned(const flatbuffers::Vector<T>* list) {
  return !list || list->size() == 0 ||
         reinterpret_cast<std::uintptr_t>(list->Data()) % sizeof(T) == 0;
}

// The elements of every list of 8-byte numbers, which flatbuffers::Verifier does not look at.
bool lists_aligned(const plan::Program& program) {
  for (const plan::Graph* graph : *program.graphs()) {
    for (const plan::Tensor* tensor : *graph->tensors())
      if (!aligned(tensor->dims())) return false;
    for (const plan::Node* node : *graph->nodes()) {
      if (!aligned(node->body_offsets())) return false;
      if (!node->attrs()) continue;
      for (const plan::Attr* attr : *node->attrs())
        if (!aligned(attr->integers()) || !aligned(attr->reals())) return false;
    }
  }
  return true;
}

}  // namespace

const plan::Program* verified_program(std::span<const std::byte> bytes) {
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                 /*max_depth=*/16,
                                 /*max_tables=*/8 * (kMaxPlanNodes + kMaxPlanTensors));
  if (!verifier.VerifyBuffer<plan::Program>(nullptr)) return nullptr;
  const auto* program = flatbuffers::GetRoot<plan::Program>(bytes.data());
  return lists_aligned(*program) ? program : nullptr;
}

PlanHeader plan_header(std::span<const std::byte> program, std::span<const std::byte> constants) {
  PlanHeader header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format = kPlanFormat;
  header.header_bytes = sizeof header;
  header.program_bytes = program.size();
  header.constants_offset = align_up(sizeof header + program.size());
  header.constants_bytes = constants.size();
  header.file_bytes = header.constants_offset + constants.size();
  header.checksum = checksum(header, program, constants);
  return header;
}

bool is_plan(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof kMagic && std::memcmp(bytes.data(), kMagic, sizeof kMagic) == 0;
}

Result<Plan> Plan::open(const std::string& path) {
  TRY_VALUE(MappedFile file, MappedFile::open(path));
  auto owner = std::make_shared<MappedFile>(std::move(file));
  Result<Plan> plan = from_bytes(owner, owner->bytes());
  if (!plan) return std::move(plan).error().at(path);
  return plan;
}

Result<Plan> Plan::from_bytes(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) {
  if (!is_plan(bytes))
    return fail(Code::kCorrupt, "not a plan: the first 8 bytes are not POLDPLAN");
  PlanHeader header;
  if (bytes.size() < sizeof header) {
    return fail(Code::kCorrupt, "truncated: {} bytes, the header alone has 64", bytes.size());
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.format != kPlanFormat) {
    return fail(Code::kIncompatible,
                "plan format {}; this build runs format {}: compile the model again", header.format,
                kPlanFormat);
  }
  if (header.file_bytes != bytes.size()) {
    return fail(Code::kCorrupt, "truncated or extended: {} bytes expected, {} found",
                header.file_bytes, bytes.size());
  }
  const std::uint64_t body = bytes.size() - sizeof header;
  if (header.header_bytes != sizeof header ||
      header.program_bytes > std::min(body, kMaxProgramBytes) ||
      header.constants_offset != align_up(sizeof header + header.program_bytes) ||
      header.constants_offset > bytes.size() ||
      header.constants_bytes != bytes.size() - header.constants_offset) {
    return fail(Code::kCorrupt, "the header's sizes contradict each other");
  }
  const auto program = bytes.subspan(sizeof header, header.program_bytes);
  const std::uint64_t seed = XXH3_64bits(&header, offsetof(PlanHeader, checksum));
  if (kernel::xxh3(bytes.data() + sizeof header, body, seed) != header.checksum) {
    return fail(Code::kCorrupt,
                "checksum mismatch: the file was damaged; copy or compile it again");
  }
  return from_parts(std::move(owner), program, bytes.subspan(header.constants_offset));
}

Result<Plan> Plan::from_parts(std::shared_ptr<const void> owner, std::span<const std::byte> program,
                              std::span<const std::byte> constants) {
  const plan::Program* verified = verified_program(program);
  if (!verified) return fail(Code::kCorrupt, "the program is not a valid FlatBuffer");
  Plan plan;
  plan.owner_ = std::move(owner);
  plan.constants_ = constants;
  plan.program_ = verified;
  return plan;
}

}  // namespace polder
