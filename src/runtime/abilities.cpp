#include "runtime/abilities.h"

#include <algorithm>

#include "kernel/table.h"
#include "ops/op.h"
#include "runtime/plan.h"

namespace polder {

Abilities machine_abilities() {
  Abilities abilities{.plan_format = kPlanFormat};
  for (const kernel::Isa isa : kernel::kAllIsas) {
    if (kernel::machine_runs(isa)) abilities.targets.emplace_back(kernel::isa_name(isa));
  }
  // From the plainest on, so backwards; the plain one is generic.
  std::ranges::reverse(abilities.targets);
  for (const ops::OpDef* op : ops::all_ops()) abilities.operators.emplace(op->name, op->version);
  return abilities;
}

}  // namespace polder
