// Range: the numbers from input 0 up to input 1 (exclusive) by input 2.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "ops/axes.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::range {
namespace {

// Exact, also where neither a difference nor a double holds it.
std::int64_t integer_count(std::int64_t start, std::int64_t limit, std::int64_t delta) {
  if (delta > 0 ? start >= limit : start <= limit) return 0;
  const auto unsigned_of = [](std::int64_t x) { return static_cast<std::uint64_t>(x); };
  const std::uint64_t span =
      delta > 0 ? unsigned_of(limit) - unsigned_of(start) : unsigned_of(start) - unsigned_of(limit);
  const std::uint64_t step = delta > 0 ? unsigned_of(delta) : 0 - unsigned_of(delta);
  return std::int64_t(std::min((span - 1) / step + 1, unsigned_of(kUnbounded)));
}

// How many there are; -1 for a step of 0.
Dim count_of(InferContext& context) {
  double start = 0, limit = 0, delta = 0;
  if (context.scalar(0, start) && context.scalar(1, limit) && context.scalar(2, delta)) {
    if (delta == 0) return -1;
    IntList from, to, by;
    const auto one = [&](int i, IntList& list) {
      return context.ints(i, list) && list.size() == 1 && list[0].known();
    };
    if (one(0, from) && one(1, to) && one(2, by))
      return integer_count(from[0].bound, to[0].bound, by[0].bound);
    const double count = std::ceil((limit - start) / delta);
    return count > 0 ? std::int64_t(std::min(count, double(kUnbounded))) : 0;
  }
  // From 0 by 1 up to an extent.
  IntList limits;
  if (context.scalar(0, start) && context.scalar(2, delta) && start == 0 && delta == 1 &&
      context.ints(1, limits) && limits.size() == 1 && limits[0].bound >= 0) {
    return limits[0];
  }
  return context.new_dim(kUnbounded);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(
      0, {DataType::kF32, DataType::kF64, DataType::kI16, DataType::kI32, DataType::kI64}));
  for (int i = 0; i < 3; ++i) {
    TRY(context.expect_type(i, {context.type(0)}));
    if (context.dims(i).known() && context.dims(i).max_elements() != 1) {
      return fail(Code::kInvalid, "input {} is {}; one number expected", i, context.dims(i).text());
    }
  }
  const Dim count = count_of(context);
  if (count.is(-1)) return fail(Code::kInvalid, "a range by steps of 0");
  context.output(0, context.type(0), {count});
  return {};
}

Status reference(const RunContext& run) {
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.out(0).type, [&]<class T>() {
    const T start = *run.in(0).as<T>(), delta = *run.in(2).as<T>();
    T* out = run.out(0).as<T>();
    if constexpr (std::is_integral_v<T>) {  // wraps where the last step goes past the limits of T
      const auto first = std::uint64_t(start), step = std::uint64_t(delta);
      for (std::int64_t i = 0; i < count; ++i) out[i] = T(first + std::uint64_t(i) * step);
    } else {
      for (std::int64_t i = 0; i < count; ++i) out[i] = T(start + T(i) * delta);
    }
  });
  return {};
}

std::vector<Sample> samples() {
  const auto numbers = [](DataType type, double start, double limit, double delta) {
    return std::vector<SampleInput>{{type, {}, {start}}, {type, {}, {limit}}, {type, {}, {delta}}};
  };
  return {{"f32", numbers(DataType::kF32, 0.5, 3, 0.75), {}, {{4}}},
          {"down", numbers(DataType::kI32, 10, 4, -2), {}, {{3}}},
          {"to_the_last_of_i32",
           numbers(DataType::kI32, -2147483648.0, 2147483647, 2147483647),
           {},
           {{3}}},
          {"none", numbers(DataType::kI64, 3, 3, 1), {}, {{0}}}};
}

constexpr OnnxRule kOnnx[] = {{"Range"}};
constexpr TfliteRule kTflite[] = {{"RANGE"}};

}  // namespace

extern const OpDef def = {
    .name = "Range",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::range
