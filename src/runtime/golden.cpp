#include "runtime/golden.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "ops/cast.h"

namespace polder {

namespace {

struct Differences {
  std::int64_t beyond = 0, worst = 0;
  double largest = 0, worst_excess = 0;
};

// Two elements, whose difference `d` may be none: NaN, where one of them is not finite.
void count(Differences& differences, std::int64_t i, double d, double tolerance) {
  if (std::isfinite(d)) differences.largest = std::max(differences.largest, d);
  if (std::isfinite(d) && d <= tolerance) return;
  const double excess = std::isfinite(d) ? d - tolerance : HUGE_VAL;
  if (differences.beyond++ == 0 || excess > differences.worst_excess) {
    differences.worst = i;
    differences.worst_excess = excess;
  }
}

template <class T, class F>
Differences compare(const TensorView& found, const TensorView& expected, double absolute,
                    double relative, const F& real) {
  Differences differences;
  const T *a = found.as<T>(), *b = expected.as<T>();
  for (std::int64_t i = 0; i < expected.shape.elements(); ++i) {
    if (a[i] == b[i]) continue;
    const long double x = real(a[i]), y = real(b[i]);
    if (std::isnan(x) && std::isnan(y)) continue;
    count(differences, i, double(std::fabs(x - y)), absolute + relative * double(std::fabs(y)));
  }
  return differences;
}

template <class T>
Differences compare(const TensorView& found, const TensorView& expected, double absolute,
                    double relative) {
  // Integers of 64 bits need more than a double holds.
  const auto real = [](T x) { return static_cast<long double>(x); };
  return compare<T>(found, expected, absolute, relative, real);
}

Differences compare_any(const TensorView& found, const TensorView& expected, double absolute,
                        double relative) {
  switch (expected.type) {
    case DataType::kF32: return compare<float>(found, expected, absolute, relative);
    case DataType::kF64: return compare<double>(found, expected, absolute, relative);
    case DataType::kF16:
      return compare<std::uint16_t>(found, expected, absolute, relative, ops::f16_to_f32);
    case DataType::kBF16:
      return compare<std::uint16_t>(found, expected, absolute, relative, ops::bf16_to_f32);
    case DataType::kI8: return compare<std::int8_t>(found, expected, absolute, relative);
    case DataType::kBool:
    case DataType::kU8: return compare<std::uint8_t>(found, expected, absolute, relative);
    case DataType::kI16: return compare<std::int16_t>(found, expected, absolute, relative);
    case DataType::kU16: return compare<std::uint16_t>(found, expected, absolute, relative);
    case DataType::kI32: return compare<std::int32_t>(found, expected, absolute, relative);
    case DataType::kU32: return compare<std::uint32_t>(found, expected, absolute, relative);
    case DataType::kI64: return compare<std::int64_t>(found, expected, absolute, relative);
    case DataType::kU64: return compare<std::uint64_t>(found, expected, absolute, relative);
    case DataType::kNone: break;
  }
  return {};
}

// As it is compared: 64 bits of an integer do not pass through a double.
std::string element_text(const TensorView& tensor, std::int64_t i) {
  switch (tensor.type) {
    case DataType::kF32: return fmt::format("{:g}", tensor.as<float>()[i]);
    case DataType::kF64: return fmt::format("{:g}", tensor.as<double>()[i]);
    case DataType::kF16: return fmt::format("{:g}", ops::f16_to_f32(tensor.as<std::uint16_t>()[i]));
    case DataType::kBF16:
      return fmt::format("{:g}", ops::bf16_to_f32(tensor.as<std::uint16_t>()[i]));
    case DataType::kI8: return fmt::format("{:d}", tensor.as<std::int8_t>()[i]);
    case DataType::kBool:
    case DataType::kU8: return fmt::format("{:d}", tensor.as<std::uint8_t>()[i]);
    case DataType::kI16: return fmt::format("{:d}", tensor.as<std::int16_t>()[i]);
    case DataType::kU16: return fmt::format("{:d}", tensor.as<std::uint16_t>()[i]);
    case DataType::kI32: return fmt::format("{:d}", tensor.as<std::int32_t>()[i]);
    case DataType::kU32: return fmt::format("{:d}", tensor.as<std::uint32_t>()[i]);
    case DataType::kI64: return fmt::format("{:d}", tensor.as<std::int64_t>()[i]);
    case DataType::kU64: return fmt::format("{:d}", tensor.as<std::uint64_t>()[i]);
    case DataType::kNone: break;
  }
  return "nothing";
}

}  // namespace

Status check_close(const TensorView& found, const TensorView& expected, double absolute,
                   double relative, double& largest) {
  if (found.type != expected.type || !(found.shape == expected.shape)) {
    return fail(Code::kInvalid, "{} {} expected, {} {} found", type_name(expected.type),
                expected.shape.text(), type_name(found.type), found.shape.text());
  }
  const Differences differences = compare_any(found, expected, absolute, relative);
  largest = differences.largest;
  if (differences.beyond == 0) return {};
  return fail(Code::kCorrupt,
              "{} of {} elements are beyond {:g} + {:g} * |expected|; the worst is element {}: "
              "{} expected, {} found",
              differences.beyond, expected.shape.elements(), absolute, relative, differences.worst,
              element_text(expected, differences.worst), element_text(found, differences.worst));
}

}  // namespace polder
