#include <polder/port.h>
#include <polder/tensor.h>

#include <algorithm>
#include <limits>

namespace polder {

std::size_t size_of(DataType type) {
  switch (type) {
    case DataType::kNone: return 0;
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool: return 1;
    case DataType::kF16:
    case DataType::kBF16:
    case DataType::kI16:
    case DataType::kU16: return 2;
    case DataType::kF32:
    case DataType::kI32:
    case DataType::kU32: return 4;
    case DataType::kF64:
    case DataType::kI64:
    case DataType::kU64: return 8;
  }
  return 0;
}

std::string_view type_name(DataType type) {
  static constexpr std::string_view kNames[] = {"none", "f32", "f16", "bf16", "f64", "i8",  "u8",
                                                "i16",  "u16", "i32", "u32",  "i64", "u64", "bool"};
  const auto index = std::size_t(type);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

Shape::Shape(std::span<const std::int64_t> dims) {
  rank_ = int(std::min<std::size_t>(dims.size(), kMaxRank));
  std::copy_n(dims.begin(), rank_, dims_.begin());
}

void Shape::push_back(std::int64_t dim) {
  if (rank_ < kMaxRank) dims_[rank_++] = dim;
}

std::int64_t Shape::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims()) {
    if (dim == 0) return 0;
    if (__builtin_mul_overflow(product, dim, &product))
      product = std::numeric_limits<std::int64_t>::max() / 16;
  }
  return product;
}

bool Shape::operator==(const Shape& other) const {
  return std::ranges::equal(dims(), other.dims());
}

std::string Shape::text() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis) text += ',';
    text += std::to_string(dims_[axis]);
  }
  return text + "]";
}

std::string Port::extents_text() const {
  std::string text = "[";
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (axis) text += ',';
    text += shape[axis] < 0 ? "?<=" + std::to_string(bounds[axis]) : std::to_string(shape[axis]);
  }
  return text + "]";
}

}  // namespace polder
