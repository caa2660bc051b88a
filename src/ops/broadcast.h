// Broadcasting: shared by every operator of several inputs that works element by element.
#pragma once

#include <array>

#include "kernel/elementwise.h"
#include "ops/cast.h"
#include "ops/op.h"
#include "ops/types.h"

namespace polder::ops {

// The shape that inputs [first, first + count) broadcast to; an error names the dimensions that
// differ. A free dimension against a known one above 1 takes the known one; two different free
// dimensions are taken as equal at compile time and checked in the run.
Status broadcast_dims(const InferContext& context, int first, int count, Dims& out);

// out = f(a, b) over small integers, for chains that compute shapes. f rises with a; it also rises
// with b, or it falls with b and `least_b` is the smallest extent for which it is defined.
using IntFunction = bool (*)(std::int64_t a, std::int64_t b, std::int64_t& out);
void propagate_ints(InferContext& context, IntFunction f, std::int64_t least_b = -1);

// Types equal, output of the same type (or `out_type` unless kNone), broadcast shape.
Status infer_binary(InferContext& context, std::initializer_list<DataType> types,
                    DataType out_type = DataType::kNone, IntFunction ints = nullptr,
                    std::int64_t least_b = -1);

// Element strides by which `in` is read along the axes of `out`: 0 where it is broadcast.
std::array<std::int64_t, kMaxRank> broadcast_strides(const Shape& in, const Shape& out);

// Walks `out` in row-major order; f(out_index, offsets) gets each input's element offset.
template <std::size_t n, class F>
void for_each_broadcast(const Shape& out,
                        const std::array<std::array<std::int64_t, kMaxRank>, n>& strides, F&& f) {
  const std::int64_t total = out.elements();
  std::array<std::int64_t, n> offsets{};
  std::array<std::int64_t, kMaxRank> position{};
  for (std::int64_t i = 0; i < total; ++i) {
    f(i, offsets);
    for (int axis = out.rank() - 1; axis >= 0; --axis) {
      for (std::size_t k = 0; k < n; ++k) offsets[k] += strides[k][std::size_t(axis)];
      if (++position[std::size_t(axis)] < out[axis]) break;
      for (std::size_t k = 0; k < n; ++k) offsets[k] -= strides[k][std::size_t(axis)] * out[axis];
      position[std::size_t(axis)] = 0;
    }
  }
}

// Reference of f16 by way of f32.
template <class F>
void reference_halves(const RunContext& run) {
  const TensorView &a = run.in(0), &b = run.in(1), &out = run.out(0);
  const std::array strides = {broadcast_strides(a.shape, out.shape),
                              broadcast_strides(b.shape, out.shape)};
  for_each_broadcast(out.shape, strides,
                     [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
                       const float x = f16_to_f32(a.as<std::uint16_t>()[at[0]]);
                       const float y = f16_to_f32(b.as<std::uint16_t>()[at[1]]);
                       out.as<std::uint16_t>()[i] = f32_to_f16(F::template apply<float>(x, y));
                     });
}

// Reference: out[T or bool] = f(a, b). F has `template <class T> static auto apply(T a, T b)`.
template <class F>
Status reference_binary(const RunContext& run) {
  const TensorView& a = run.in(0);
  const TensorView& b = run.in(1);
  const TensorView& out = run.out(0);
  const std::array strides = {broadcast_strides(a.shape, out.shape),
                              broadcast_strides(b.shape, out.shape)};
  dispatch(a.type, [&]<class T>() {
    using R = decltype(F::template apply<T>(T(), T()));
    const T* pa = a.as<T>();
    const T* pb = b.as<T>();
    if (a.shape == out.shape && (b.shape == out.shape || b.shape.elements() == 1)) {
      const std::int64_t count = out.shape.elements(), step = b.shape == out.shape ? 1 : 0;
      for (std::int64_t i = 0; i < count; ++i)
        out.as<R>()[i] = F::template apply<T>(pa[i], pb[i * step]);
      return;
    }
    for_each_broadcast(out.shape, strides,
                       [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
                         out.as<R>()[i] = F::template apply<T>(pa[at[0]], pb[at[1]]);
                       });
  });
  return {};
}

// The same for types with f16.
template <class F>
Status reference_with_halves(const RunContext& run) {
  if (run.in(0).type != DataType::kF16) return reference_binary<F>(run);
  reference_halves<F>(run);
  return {};
}

// Optimised f32 arithmetic by the vector kernel `op`.
template <kernel::Binary op>
Status vector_binary(const RunContext& run);
Status run_vector_binary(const RunContext& run, kernel::Binary op);
template <kernel::Binary op>
Status vector_binary(const RunContext& run) {
  return run_vector_binary(run, op);
}
// The vector kernel for f32, the reference otherwise.
template <kernel::Binary op>
Choice choose_binary(const NodeInfo& node) {
  if (node.in(0).type != DataType::kF32) return {};
  return {.kernel = vector_binary<op>, .name = "vector"};
}

inline constexpr std::initializer_list<DataType> kNumeric = {
    DataType::kF32, DataType::kF64, DataType::kI8,  DataType::kU8,  DataType::kI16,
    DataType::kU16, DataType::kI32, DataType::kU32, DataType::kI64, DataType::kU64};

inline constexpr std::initializer_list<DataType> kNumericAndHalf = {
    DataType::kF32, DataType::kF64, DataType::kI8,  DataType::kU8,  DataType::kI16, DataType::kU16,
    DataType::kI32, DataType::kU32, DataType::kI64, DataType::kU64, DataType::kF16};

}  // namespace polder::ops
