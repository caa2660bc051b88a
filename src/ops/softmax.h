// Softmax and its logarithm: the two operators differ in one flag.
#pragma once

#include "ops/op.h"
#include "ops/tools.h"

namespace polder::ops {

struct SoftmaxParams {
  std::int64_t axis;
  double beta;  // multiplies the input
};

void parse_softmax(AttrReader& attrs, SoftmaxParams& p);
Status infer_softmax(InferContext& context);
Status run_softmax_reference(const RunContext& run, bool log);
Status run_softmax_vector(const RunContext& run, bool log);
std::vector<Sample> softmax_samples();

template <bool log>
Status reference_softmax(const RunContext& run) {
  return run_softmax_reference(run, log);
}
template <bool log>
Status vector_softmax(const RunContext& run) {
  return run_softmax_vector(run, log);
}
template <bool log>
Choice choose_softmax(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32) return {};
  return {.kernel = vector_softmax<log>, .name = "vector"};
}

// ONNX: since opset 13 along one axis (the last); before over all dimensions from the axis (1) on,
// seen as one. Serves Hardmax as well.
Status softmax_from_onnx(ImportContext& node, std::string_view op);

}  // namespace polder::ops
