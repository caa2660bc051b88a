// What the operators of one tensor, element by element, share.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernel/table.h"
#include "ops/broadcast.h"
#include "ops/op.h"
#include "ops/types.h"

namespace polder::ops {

inline constexpr std::initializer_list<DataType> kFloats = {DataType::kF32, DataType::kF64};

// Same type, same shape.
inline Status infer_unary(InferContext& context, std::initializer_list<DataType> types) {
  TRY(context.expect_type(0, types));
  context.output(0, context.type(0), context.dims(0));
  return {};
}
inline Status infer_float(InferContext& context) { return infer_unary(context, kFloats); }
inline Status infer_numeric(InferContext& context) { return infer_unary(context, kNumeric); }

// Reference: out = F::apply(x, params), T -> T.
template <class F>
Status reference_unary(const RunContext& run) {
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.in(0).type, [&]<class T>() {
    const T* in = run.in(0).as<T>();
    T* out = run.out(0).as<T>();
    for (std::int64_t i = 0; i < count; ++i) out[i] = T(F::apply(in[i], run.params));
  });
  return {};
}

inline Status run_vector_unary(const RunContext& run, kernel::Activation f) {
  const kernel::UnaryArgs args{f, run.in(0).as<float>(), run.out(0).as<float>(),
                               run.out(0).shape.elements()};
  kernel::run(run.parallel, run.kernels.unary, args);
  return {};
}
// For functions without parameters.
template <kernel::Unary f>
Status vector_unary(const RunContext& run) {
  return run_vector_unary(run, {f, 0, 0});
}
template <kernel::Unary f>
Choice choose_unary(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32) return {};
  return {.kernel = vector_unary<f>, .name = "vector"};
}

// For functions with parameters.
template <Kernel f>
Choice choose_f32(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32) return {};
  return {.kernel = f, .name = "vector"};
}

}  // namespace polder::ops
