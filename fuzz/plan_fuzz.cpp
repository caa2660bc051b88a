// Any bytes as a plan file: opened as they are, then with a header that fits them, so that what is
// changed reaches the checks behind the checksum. A plan that passes them is run: whatever it says,
// kernels stay within their tensors.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "exercise.h"

namespace {

// The header of `bytes`, with sizes and checksum made to fit. False when there is no room for them.
bool fix_header(std::span<std::byte> bytes) {
  polder::PlanHeader header;
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::size_t body = bytes.size() - sizeof header;
  const std::size_t program_bytes = std::min<std::uint64_t>(header.program_bytes, body);
  const auto program = bytes.subspan(sizeof header, program_bytes);
  const std::size_t end = sizeof header + program_bytes;
  const std::size_t constants = (end + polder::kPlanAlignment - 1) & -polder::kPlanAlignment;
  if (constants > bytes.size()) return false;
  std::memset(bytes.data() + end, 0, constants - end);
  header = polder::plan_header(program, bytes.subspan(constants));
  std::memcpy(bytes.data(), &header, sizeof header);
  return true;
}

// As `polder inspect` does with any plan, whatever its size and machine.
void look_at(polder::Plan plan) {
  const auto session = polder::Session::open(std::move(plan), {.runs = false});
  if (session.ok()) static_cast<void>((*session)->nodes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using polder::Plan;
  const polder::Bytes file = polder::fuzz::exact_copy(std::as_bytes(std::span(data, size)));
  (void)Plan::from_bytes(file.owner, file.view);
  if (!fix_header({const_cast<std::byte*>(file.view.data()), file.view.size()})) return 0;
  if (auto shown = Plan::from_bytes(file.owner, file.view); shown.ok()) look_at(std::move(*shown));
  auto plan = Plan::from_bytes(file.owner, file.view);
  if (plan.ok() && polder::fuzz::is_small(*plan))
    polder::fuzz::open_and_run(std::move(*plan), std::uint32_t(size));
  return 0;
}
