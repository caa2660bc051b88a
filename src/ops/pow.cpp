// Pow: a to the power of b with broadcasting, in a's type; b may be of another.
#include <cmath>

#include "kernel/table.h"
#include "ops/broadcast.h"
#include "ops/cast.h"
#include "ops/rules.h"

namespace polder::ops::pow {
namespace {

constexpr std::initializer_list<DataType> kBases = {DataType::kF32, DataType::kF64, DataType::kI32,
                                                    DataType::kI64};

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kBases));
  TRY(context.expect_type(1, kNumeric));
  Dims dims;
  TRY(broadcast_dims(context, 0, 2, dims));
  context.output(0, context.type(0), dims);
  return {};
}

template <class T, class U>
T power(T a, U b) {
  if constexpr (std::is_integral_v<T> && std::is_integral_v<U>) {
    // By squaring, wrapping around. Fractions are cut off: only 1 and -1 have others than 0.
    if (std::is_signed_v<U> && b < U(0)) {
      return a == 1 ? T(1) : a == T(-1) ? (b % 2 ? T(-1) : T(1)) : T(0);
    }
    std::uint64_t result = 1, base = std::uint64_t(a);
    for (std::uint64_t left = std::uint64_t(b); left > 0; left >>= 1, base *= base) {
      if (left & 1) result *= base;
    }
    return T(result);
  } else {
    return saturate<T>(std::pow(double(a), double(b)));
  }
}

template <class T>
void reference_base(const RunContext& run) {
  const TensorView &a = run.in(0), &b = run.in(1), &out = run.out(0);
  const std::array strides = {broadcast_strides(a.shape, out.shape),
                              broadcast_strides(b.shape, out.shape)};
  dispatch(b.type, [&]<class U>() {
    for_each_broadcast(out.shape, strides,
                       [&](std::int64_t i, const std::array<std::int64_t, 2>& at) {
                         out.as<T>()[i] = power(a.as<T>()[at[0]], b.as<U>()[at[1]]);
                       });
  });
}

Status reference(const RunContext& run) {
  switch (run.in(0).type) {
    case DataType::kF32: reference_base<float>(run); break;
    case DataType::kF64: reference_base<double>(run); break;
    case DataType::kI32: reference_base<std::int32_t>(run); break;
    default: reference_base<std::int64_t>(run); break;
  }
  return {};
}

// The usual exponents have functions of their own.
Status square(const RunContext& run) {
  const kernel::UnaryArgs args{{kernel::Unary::kSquare, 0, 0},
                               run.in(0).as<float>(),
                               run.out(0).as<float>(),
                               run.out(0).shape.elements()};
  kernel::run(run.parallel, run.kernels.unary, args);
  return {};
}

Choice choose(const NodeInfo& node) {
  const ValueInfo &a = node.in(0), &b = node.in(1);
  if (a.type != DataType::kF32 || b.type != DataType::kF32) return {};
  if (b.constant() && b.dims.known() && b.dims.max_elements() == 1 &&
      b.dims.rank() <= a.dims.rank() && *static_cast<const float*>(b.data) == 2) {
    return {.kernel = square, .name = "square"};
  }
  return choose_binary<kernel::Binary::kPow>(node);
}

Status from_tflite(ImportContext& node) { return node.finish("Pow", node.inputs); }

std::vector<Sample> samples() {
  const SampleInput base = {.shape = {3, 4, 5}, .low = 0.1, .high = 3};
  return {{"same shape", {base, {.shape = {3, 4, 5}, .low = -2, .high = 2}}},
          {"square", {{.shape = {3, 4}}, {.shape = {}, .values = {2}, .constant = true}}},
          {"last axis", {base, {.shape = {5}, .low = -2, .high = 2}}},
          {"i64 exponent", {base, {DataType::kI64, {5}, {0, 1, 2, -1, 3}}}},
          {"integers",
           {{DataType::kI32, {6}, {2, -3, 0, -1, 1, 7}},
            {DataType::kI64, {6}, {10, 3, 0, -3, -5, -1}}}}};
}

Status from_onnx(ImportContext& node) { return finish_binary(node, "Pow"); }
constexpr OnnxRule kOnnx[] = {{"Pow", from_onnx}};
constexpr TfliteRule kTflite[] = {{"POW", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Pow",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
    .choose = choose,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::pow
