#include "release/plan_facts.h"

#include <algorithm>
#include <memory>

#include "base/fail.h"
#include "kernel/table.h"
#include "plan_generated.h"
#include "platform/file.h"
#include "runtime/plan.h"

namespace polder::release {

namespace {

std::vector<std::uint64_t> constants_of(const Plan& plan, std::uint64_t constants_offset) {
  std::vector<std::uint64_t> cuts{constants_offset};
  for (const plan::Graph* graph : *plan.program().graphs()) {
    for (const plan::Tensor* tensor : *graph->tensors()) {
      if (tensor->storage() != plan::Storage::Constant) continue;
      if (tensor->offset() >= plan.constants().size()) continue;  // of no bytes
      cuts.push_back(constants_offset + tensor->offset());
    }
  }
  std::ranges::sort(cuts);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

}  // namespace

Result<PlanFacts> plan_facts(const std::string& path, const std::string& name) {
  TRY_VALUE(MappedFile mapped, MappedFile::open(path));
  const auto file = std::make_shared<const MappedFile>(std::move(mapped));
  auto plan = Plan::from_bytes(file, file->bytes());
  if (!plan) return std::move(plan).error().at(name);
  PlanFacts facts;
  facts.requirement.plan_format = kPlanFormat;  // from_bytes() takes no other
  facts.requirement.backend = "native";
  for (const plan::Operator* op : *plan->program().operators()) {
    facts.requirement.operators[op->name()->str()] = op->version();
  }
  facts.target = kernel::isa_name(kernel::Isa(plan->program().target()));
  const std::uint64_t constants_offset = file->bytes().size() - plan->constants().size();
  facts.cuts = constants_of(*plan, constants_offset);
  return facts;
}

}  // namespace polder::release
