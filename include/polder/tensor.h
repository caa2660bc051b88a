// Element types, concrete shapes and views of tensors, as they pass in and out of a session.
#pragma once

#if __cplusplus < 202002L
#error "Polder's C++ headers need C++20 (-std=c++20); C has polder/polder.h"
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace polder {

// Numbers are stable: they are written into plan files.
enum class DataType : std::uint8_t {
  kNone = 0,
  kF32 = 1,
  kF16 = 2,
  kBF16 = 3,
  kF64 = 4,
  kI8 = 5,
  kU8 = 6,
  kI16 = 7,
  kU16 = 8,
  kI32 = 9,
  kU32 = 10,
  kI64 = 11,
  kU64 = 12,
  kBool = 13,  // one byte, 0 or 1
};

// Bytes of one element; 0 for kNone.
std::size_t size_of(DataType type);
// "f32", "i8", "bool", ...
std::string_view type_name(DataType type);

inline constexpr int kMaxRank = 8;

// The extents of a tensor, outermost first; rank 0 is a scalar. At most kMaxRank dimensions.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // Keeps the first kMaxRank dimensions: readers of foreign input check the rank before.
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[axis]; }
  std::int64_t& operator[](int axis) { return dims_[axis]; }
  void push_back(std::int64_t dim);
  // Product of the dimensions; 1 for a scalar. Saturates at INT64_MAX.
  std::int64_t elements() const;
  std::span<const std::int64_t> dims() const { return {dims_.data(), std::size_t(rank_)}; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }
  bool operator==(const Shape& other) const;
  // "[1,3,224,224]"
  std::string text() const;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// A dense row-major tensor in somebody else's memory; valid as long as that memory is.
struct TensorView {
  void* data = nullptr;
  DataType type = DataType::kNone;
  Shape shape;

  std::size_t bytes() const { return std::size_t(shape.elements()) * size_of(type); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace polder
