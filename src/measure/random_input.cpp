#include "measure/random_input.h"

#include <cstring>

namespace polder {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): one multiply-xorshift chain a number, any seed is a good
// seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 24 bits: exact in f32, from -1 to just below 1.
  double between_minus_one_and_one() { return static_cast<double>(next() >> 40) * 0x1p-23 - 1; }

 private:
  std::uint64_t state_;
};

// Random sign and significand under a fixed exponent, without a conversion: f16 in 1/8...1/4, bf16
// in 1/8...1/2.
std::uint16_t small_f16(std::uint64_t bits) {
  return static_cast<std::uint16_t>(0x3000 | (bits & 0x83ff));
}
std::uint16_t small_bf16(std::uint64_t bits) {
  return static_cast<std::uint16_t>(0x3e00 | (bits & 0x80ff));
}

template <class T, class Make>
void fill(const TensorView& tensor, Make make) {
  const std::int64_t n = tensor.shape.elements();
  for (std::int64_t i = 0; i < n; ++i) {
    const T value = static_cast<T>(make());
    std::memcpy(static_cast<char*>(tensor.data) + i * static_cast<std::int64_t>(sizeof(T)), &value,
                sizeof(T));
  }
}

}  // namespace

void fill_random(const TensorView& tensor, std::uint64_t seed) {
  Random random(seed);
  const auto real = [&] { return random.between_minus_one_and_one(); };
  const auto bit = [&] { return random.next() >> 63; };
  switch (tensor.type) {
    case DataType::kF32: return fill<float>(tensor, real);
    case DataType::kF64: return fill<double>(tensor, real);
    case DataType::kF16:
      return fill<std::uint16_t>(tensor, [&] { return small_f16(random.next()); });
    case DataType::kBF16:
      return fill<std::uint16_t>(tensor, [&] { return small_bf16(random.next()); });
    case DataType::kI8:
    case DataType::kU8:
    case DataType::kBool: return fill<std::uint8_t>(tensor, bit);
    case DataType::kI16:
    case DataType::kU16: return fill<std::uint16_t>(tensor, bit);
    case DataType::kI32:
    case DataType::kU32: return fill<std::uint32_t>(tensor, bit);
    case DataType::kI64:
    case DataType::kU64: return fill<std::uint64_t>(tensor, bit);
    case DataType::kNone: return;
  }
}

}  // namespace polder
