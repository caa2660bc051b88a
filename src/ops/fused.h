// The fused epilogue of Conv, ConvTranspose, Linear and MatMul: bias, residual and activation,
// applied before a sum is stored. A pass sets the attributes
//
//   activation      name of a kernel::Unary in snake case: "none", "clamp", "silu", ...
//   alpha, beta     its parameters; "clamp" without them is a relu
//   residual_after  0: activation(sum + bias + residual), 1: activation(sum + bias) + residual
//
// and appends the residual, of the output's shape, as the node's last input.
#pragma once

#include "kernel/activation.h"
#include "ops/op.h"

namespace polder::ops {

struct Fused {
  kernel::Activation activation;
  bool residual_after = false;
};

void parse_fused(AttrReader& attrs, Fused& fused);
// The names of kernel::Unary, in its order.
std::span<const std::string_view> unary_names();

// activation(x), in double: the reference of every kernel.
double activate(const kernel::Activation& activation, double x);
// activation(sum [+ residual]) [+ residual]
inline double finish_sum(const Fused& fused, double sum, double residual) {
  if (fused.residual_after) return activate(fused.activation, sum) + residual;
  return activate(fused.activation, sum + residual);
}

// Input `i`, if the node has it, is a bias of `channels` elements of input 0's type.
Status check_bias(const InferContext& context, int i, const Dim& channels);
// Input `i`, if the node has it, has type and shape of output 0.
Status check_residual(const InferContext& context, int i, const Dims& out);

// The epilogue as the kernels take it; rows of the residual are `channels` apart.
kernel::Epilogue epilogue(const RunContext& run, const Fused& fused, int bias, int residual,
                          std::int64_t channels);

}  // namespace polder::ops
