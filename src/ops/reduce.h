// Reductions: what the operators that make one number of the elements along some axes share.
#pragma once

#include <cmath>

#include "kernel/table.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/types.h"

namespace polder::ops {

struct ReduceParams {
  std::int64_t axes[kMaxRank];
  int count;
  bool keep_dims;
  bool none_if_empty;  // no axes: nothing is reduced, instead of everything
};

inline void parse_reduce(AttrReader& attrs, ReduceParams& p) {
  p.count = attrs.integers("axes", p.axes, 0, -kMaxRank, kMaxRank - 1);
  p.keep_dims = attrs.flag("keepdims", true);
  p.none_if_empty = attrs.flag("noop_with_empty_axes", false);
}

// The reduced axes as bits.
Result<unsigned> reduced_axes(const ReduceParams& p, int rank);
Status infer_reduce(InferContext& context, std::initializer_list<DataType> types);
inline Status infer_reduce_numeric(InferContext& context) {
  return infer_reduce(context, kNumeric);
}
inline Status infer_reduce_float(InferContext& context) {
  return infer_reduce(context, {DataType::kF32, DataType::kF64});
}

// Strides of the input along kept and reduced axes, so that a reduction is two walks.
struct ReduceWalk {
  Shape kept, reduced;
  std::array<std::array<std::int64_t, kMaxRank>, 1> kept_strides{}, reduced_strides{};
};
ReduceWalk reduce_walk(const ReduceParams& p, const Shape& in);

// What sums, products and extremes are kept in: f64 for floats, 64 wrapping bits for integers.
template <class T>
using Accumulator =
    std::conditional_t<std::is_floating_point_v<T>, double,
                       std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>;

// Reference. F has `static A first<A, T>()`, `static A add(A sum, A x)` and
// `static A last(A sum, std::int64_t n)`; the sum is cast to T at the end.
template <class F>
Status reference_reduce(const RunContext& run) {
  const TensorView &in = run.in(0), &out = run.out(0);
  const ReduceWalk walk = reduce_walk(run.as<ReduceParams>(), in.shape);
  const std::int64_t n = walk.reduced.elements();
  dispatch(in.type, [&]<class T>() {
    using A = Accumulator<T>;
    for_each_broadcast(
        walk.kept, walk.kept_strides, [&](std::int64_t i, const std::array<std::int64_t, 1>& base) {
          A sum = F::template first<A, T>();
          const T* from = in.as<T>() + base[0];
          for_each_broadcast(walk.reduced, walk.reduced_strides,
                             [&](std::int64_t, const std::array<std::int64_t, 1>& at) {
                               sum = F::template add<A>(sum, A(from[at[0]]));
                             });
          out.as<T>()[i] = T(F::template last<A>(sum, n));
        });
  });
  return {};
}

// Sums for F; integers wrap around.
struct Sum {
  template <class A, class T>
  static A first() {
    return 0;
  }
  template <class A>
  static A add(A sum, A x) {
    if constexpr (std::is_integral_v<A>) return A(std::uint64_t(sum) + std::uint64_t(x));
    else return sum + x;
  }
  template <class A>
  static A last(A sum, std::int64_t) {
    return sum;
  }
};
struct SumOfSquares : Sum {
  template <class A>
  static A add(A sum, A x) {
    if constexpr (std::is_integral_v<A>)
      return A(std::uint64_t(sum) + std::uint64_t(x) * std::uint64_t(x));
    else return sum + x * x;
  }
};

// Whether the reduced axes lie side by side, so that the input is [outer, n, inner].
bool one_block(const ReduceParams& p, const Dims& in);
Status run_vector_reduce(const RunContext& run, kernel::Reduction op);
template <kernel::Reduction op>
Status vector_reduce(const RunContext& run) {
  return run_vector_reduce(run, op);
}
template <kernel::Reduction op>
Choice choose_reduce(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32 || !one_block(node.as<ReduceParams>(), node.in(0).dims)) {
    return {};
  }
  return {.kernel = vector_reduce<op>, .name = "vector"};
}

// ONNX: axes are an attribute, in newer operator sets an input. TFLite: input 1, "keep_dims".
Status reduce_from_onnx(ImportContext& node, std::string_view op);
Status reduce_from_tflite(ImportContext& node, std::string_view op);

std::vector<Sample> reduce_samples(double low, bool with_integers);

}  // namespace polder::ops
