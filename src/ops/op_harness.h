// Runs one node by itself, without plan or session: what the operators' tests stand on.
#pragma once

#include <polder/tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "kernel/table.h"
#include "ops/infer.h"
#include "ops/tools.h"

namespace polder::ops {

// A tensor with its memory, which is watched for writes before its beginning and behind its end.
struct HeldTensor {
  TensorView view;
  Bytes memory;
};
// Every byte is `mark` at first; the default is NaN to all that reads it as a real number.
HeldTensor hold(DataType type, const Shape& shape, std::byte mark = std::byte(0xff));
bool guard_intact(const HeldTensor& tensor);
// Any number as an element of the tensor, and back; for every type, also f16 and bf16.
void put(const TensorView& view, std::int64_t i, double x);
double get(const TensorView& view, std::int64_t i);

// One node and its inputs.
struct Case {
  Graph graph;
  const OpDef* def = nullptr;
  std::vector<HeldTensor> inputs;
  std::vector<bool> constant;  // inputs that a compiler would pack
};

Case make_case(const OpDef& def, const Sample& sample, Known known);
// Infers the node as a compiler does.
Status infer_case(Case& test);

struct Ran {
  std::vector<HeldTensor> outputs;
  std::vector<Dims> inferred;  // by the inference that precedes a run
  std::string kernel;          // name of the choice
};
// What a kernel is chosen for, and its workspace planned: the extents of the run, or their bounds
// as infer_case left them in the graph of a case of which less is known.
enum class ChosenFor { kExtents, kBounds };
// Infers with everything known, as a session does, and runs: the reference without `isa`, else the
// kernel that is chosen for it. The outputs' views have the shapes that the run gave them.
Result<Ran> run_case(Case& test, std::optional<kernel::Isa> isa, Parallel& parallel,
                     ChosenFor chosen_for = ChosenFor::kExtents);

}  // namespace polder::ops
