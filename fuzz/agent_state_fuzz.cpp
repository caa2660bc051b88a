// The agent's state file: what is accepted is valid, comes back as it was, and leads to valid
// states, whatever is told to it. The input is a file, and also the part of one that the
// checksum covers, for no mutation would fit its checksum.
#include <cstdlib>

#include "agent/lifecycle.h"
#include "trust/json.h"

namespace polder::agent {
namespace {

void exercise(std::string_view bytes) {
  const auto state = AgentState::parse(bytes, "fuzz");
  if (!state) return;
  if (!state->validate()) std::abort();
  const std::string written = state->bytes();
  const auto again = AgentState::parse(written, "fuzz");
  if (!again || !(*again == *state) || again->bytes() != written) std::abort();
  for (int kind = 0; kind < kEventKinds; ++kind) {
    Event event{.kind = EventKind(kind), .now_s = state->time_seen_s, .random = bytes.size()};
    if (event.kind == EventKind::kOffer && !state->units.empty()) {
      const std::string& unit = state->units.begin()->first;
      event.offer = Offer{unit, {unit, {999'999'999, 0, 0, ""}, {}}};
    }
    if (!next(*state, event, {}).state.validate().ok()) std::abort();
  }
  for (const auto& [name, unit] : state->units) {
    if (state->update && state->update->unit == name) continue;
    if (!lose_active(*state, name).validate().ok()) std::abort();
  }
}

}  // namespace
}  // namespace polder::agent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polder;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  agent::exercise(bytes);
  const auto inner = trust::Json::parse(bytes, "fuzz");
  if (!inner) return 0;
  const auto text = inner->canonical();
  if (!text) return 0;
  const trust::Json::Members members{
      {"format", 1}, {"sha256", trust::hex(trust::sha256(*text))}, {"state", *inner}};
  agent::exercise(trust::Json(members).compact());
  return 0;
}
