// Dimensions as the compiler knows them: a value, or a symbol with an upper bound.
#pragma once

#include <polder/tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace polder {

// No element count above this is accepted from any file.
inline constexpr std::int64_t kMaxElements = std::int64_t(1) << 40;
// The bound of an extent about which nothing is known.
inline constexpr std::int64_t kUnbounded = std::int64_t(1) << 48;

// One extent. With symbol 0 it is known and equals `bound`; otherwise it is whatever the symbol
// turns out to be in a run, at most `bound`. Also used for elements of shape-like integer tensors,
// where `bound` may be negative.
struct Dim {
  std::int64_t bound = 0;
  std::int32_t symbol = 0;

  constexpr Dim() = default;
  constexpr Dim(std::int64_t value) : bound(value) {}
  constexpr Dim(std::int64_t upper, std::int32_t sym) : bound(upper), symbol(sym) {}
  constexpr bool known() const { return symbol == 0; }
  constexpr bool is(std::int64_t value) const { return symbol == 0 && bound == value; }
  // Surely equal: the same value or the same symbol.
  constexpr bool operator==(const Dim&) const = default;
};

// The dimensions of a tensor, outermost first. At most kMaxRank; more are ignored, so readers of
// foreign input check the rank first.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<Dim> dims) {
    for (const Dim& dim : dims) push_back(dim);
  }
  explicit Dims(const Shape& shape) {
    for (const std::int64_t dim : shape) push_back(dim);
  }

  int rank() const { return rank_; }
  const Dim& operator[](int axis) const { return dims_[axis]; }
  Dim& operator[](int axis) { return dims_[axis]; }
  void push_back(Dim dim) {
    if (rank_ < kMaxRank) dims_[rank_++] = dim;
  }
  std::span<const Dim> all() const { return {dims_.data(), std::size_t(rank_)}; }
  const Dim* begin() const { return dims_.data(); }
  const Dim* end() const { return dims_.data() + rank_; }

  bool known() const;
  // Every dimension at its bound.
  Shape bounds() const;
  // Product of the bounds, saturating.
  std::int64_t max_elements() const { return bounds().elements(); }
  bool operator==(const Dims& other) const;
  // "[1,?<=480,640,3]"
  std::string text() const;

 private:
  std::array<Dim, kMaxRank> dims_{};
  int rank_ = 0;
};

// The elements of a small integer tensor (a shape, axes, pads), each known or symbolic.
class IntList {
 public:
  static constexpr int kCapacity = 64;
  int size() const { return size_; }
  const Dim& operator[](int i) const { return values_[i]; }
  Dim& operator[](int i) { return values_[i]; }
  bool push_back(Dim value) {
    if (size_ == kCapacity) return false;
    values_[size_++] = value;
    return true;
  }
  bool known() const {
    for (int i = 0; i < size_; ++i) {
      if (!values_[i].known()) return false;
    }
    return true;
  }

 private:
  std::array<Dim, kCapacity> values_{};
  int size_ = 0;
};

}  // namespace polder
