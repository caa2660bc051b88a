// What the kernel tests share: every test runs on each instruction set that this CPU can run, on
// buffers whose edges are guarded, against loops in double precision.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernel/table.h"

namespace polder::kernel {

// `count` elements between two guards; check() fails the test when a kernel wrote outside.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::int64_t count, T fill = T(77))
      : bytes_(2 * kGuard + std::size_t(count) * sizeof(T), kMark), count_(count) {
    for (std::int64_t i = 0; i < count; ++i) data()[i] = fill;
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  T& operator[](std::int64_t i) { return data()[i]; }
  std::int64_t size() const { return count_; }
  void check() {
    for (std::size_t i = 0; i < kGuard; ++i) {
      ASSERT_EQ(bytes_[i], kMark) << "written " << kGuard - i << " bytes before the buffer";
      ASSERT_EQ(bytes_[bytes_.size() - 1 - i], kMark) << "written after the buffer";
    }
  }

 private:
  static constexpr std::size_t kGuard = 256;
  static constexpr unsigned char kMark = 0xa5;
  std::vector<unsigned char> bytes_;
  std::int64_t count_;
};

inline std::vector<float> random_floats(std::int64_t count, unsigned seed, float lo = -1,
                                        float hi = 1) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> distribution(lo, hi);
  std::vector<float> values(count);
  for (float& v : values) v = distribution(engine);
  return values;
}

// Reversed, one task at a time: what threads may do.
template <class Args>
void run_tasks_apart(Kernel<Args> kernel, const Args& args) {
  for (int i = tasks(args); i-- > 0;) kernel(args, i, i + 1);
}

inline std::vector<Isa> runnable_isas() {
  std::vector<Isa> isas;
  for (Isa isa : kAllIsas)
    if (kernels_for(isa) && cpu_supports(isa)) isas.push_back(isa);
  return isas;
}

class IsaTest : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels() const { return *kernels_for(GetParam()); }
};

inline std::string isa_test_name(const testing::TestParamInfo<Isa>& info) {
  std::string name(isa_name(info.param));
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
}

#define POLDER_FOR_EACH_ISA(Suite) \
  INSTANTIATE_TEST_SUITE_P(Isa, Suite, testing::ValuesIn(runnable_isas()), isa_test_name)

// The epilogue's arithmetic, for activations that the tests of products use.
inline double reference_activation(const Activation& f, double x) {
  switch (f.op) {
    case Unary::kNone: return x;
    case Unary::kClamp: return std::fmin(std::fmax(x, f.alpha), f.beta);
    case Unary::kSigmoid: return 1 / (1 + std::exp(-x));
    case Unary::kSilu: return x / (1 + std::exp(-x));
    case Unary::kHardSwish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
    case Unary::kTanh: return std::tanh(x);
    default: ADD_FAILURE() << "no reference for activation " << int(f.op);
  }
  return 0;
}

// What out[row][column] is to be, from a sum.
inline double reference_epilogue(const Epilogue& e, double sum, std::int64_t row,
                                 std::int64_t column, const float* residual) {
  if (e.bias) sum += e.bias[column];
  const double r = residual ? residual[row * e.residual_stride + column] : 0;
  if (!e.residual_after) sum += r;
  sum = reference_activation(e.activation, sum);
  return e.residual_after ? sum + r : sum;
}

}  // namespace polder::kernel
