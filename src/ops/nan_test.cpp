// Largest and smallest elements: NaN where one is, wherever it stands, as NumPy's maximum and
// minimum have it, by which ONNX's reference defines them.
#include <cmath>
#include <numeric>

#include "ops/op_values_test.h"

namespace polder::ops {
namespace {

using Ints = std::vector<std::int64_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kCount = 37;  // some vectors and a rest, for every instruction set

std::vector<double> rising_with_nan(std::int64_t at) {
  std::vector<double> values(kCount);
  std::iota(values.begin(), values.end(), -20.0);
  values[std::size_t(at)] = kNan;
  return values;
}

// Output 0 of the reference and of each kernel of this machine.
template <class Check>
void for_each_run(std::string_view op, const Sample& sample, Check&& check) {
  std::vector<std::optional<kernel::Isa>> isas = {std::nullopt};
  for (const kernel::Isa isa : kernel::kAllIsas)
    if (kernel::kernels_for(isa) && kernel::cpu_supports(isa)) isas.push_back(isa);
  for (const std::optional<kernel::Isa> isa : isas) {
    SCOPED_TRACE(isa ? kernel::isa_name(*isa) : "reference");
    const auto got = run_values(op, sample, isa);
    if (!got.empty()) check(got[0]);
  }
}

void expect_all_nan(const std::vector<double>& values) {
  for (const double x : values) EXPECT_TRUE(std::isnan(x)) << x;
}

TEST(Nan, ReduceHandsItOn) {
  for (const char* op : {"ReduceMax", "ReduceMin"}) {
    for (std::int64_t at = 0; at < kCount; ++at) {
      SCOPED_TRACE(std::string(op) + ", " + std::to_string(at));
      for_each_run(op, {"row", {input_of({kCount}, rising_with_nan(at))}, {}, {{1}}},
                   expect_all_nan);
      // One column of two.
      std::vector<double> columns;
      for (const double x : rising_with_nan(at)) columns.insert(columns.end(), {x, 1});
      for_each_run(op, {"columns", {input_of({kCount, 2}, columns)}, {{"axes", Ints{0}}}, {{1, 2}}},
                   [](const std::vector<double>& got) {
                     EXPECT_TRUE(std::isnan(got[0]));
                     EXPECT_EQ(got[1], 1);
                   });
    }
  }
}

TEST(Nan, MaxAndMinHandItOn) {
  for (const char* op : {"Max", "Min"}) {
    for (std::int64_t at = 0; at < kCount; ++at) {
      const SampleInput broken = input_of({kCount}, rising_with_nan(at));
      const SampleInput whole = input_of({kCount}, std::vector<double>(kCount, 0.5));
      for (const auto& inputs : {std::vector{broken, whole}, std::vector{whole, broken}}) {
        SCOPED_TRACE(std::string(op) + ", " + std::to_string(at));
        for_each_run(op, {"pair", inputs}, [&](const std::vector<double>& got) {
          for (std::int64_t i = 0; i < kCount; ++i)
            EXPECT_EQ(std::isnan(got[std::size_t(i)]), i == at) << i;
        });
      }
    }
  }
}

TEST(Nan, MaxPoolHandsItOn) {
  for (std::int64_t at = 0; at < kCount; ++at) {
    SCOPED_TRACE(at);
    const Attrs attrs = {{"kernel_shape", Ints{3}}};
    for_each_run("MaxPool",
                 {"row", {input_of({1, kCount, 1}, rising_with_nan(at))}, attrs, {{1, 35, 1}}},
                 [&](const std::vector<double>& got) {
                   for (std::int64_t i = 0; i < kCount - 2; ++i) {
                     EXPECT_EQ(std::isnan(got[std::size_t(i)]), at >= i && at < i + 3) << i;
                   }
                 });
    // The same as channels: only its own is touched.
    std::vector<double> taps = rising_with_nan(at);
    taps.insert(taps.end(), 2 * kCount, 100.0);
    for_each_run("MaxPool", {"channels", {input_of({1, 3, kCount}, taps)}, attrs, {{1, 1, kCount}}},
                 [&](const std::vector<double>& got) {
                   for (std::int64_t i = 0; i < kCount; ++i)
                     EXPECT_EQ(std::isnan(got[std::size_t(i)]), i == at) << i;
                 });
  }
}

// The whole window outside, or all of it the lowest there is.
TEST(Nan, NoneWhereNoneIs) {
  const double inf = std::numeric_limits<double>::infinity();
  for_each_run("MaxPool",
               {"lowest",
                {input_of({1, 3, 1}, {-inf, -inf, -inf})},
                {{"kernel_shape", Ints{3}}},
                {{1, 1, 1}}},
               [&](const std::vector<double>& got) { EXPECT_EQ(got[0], -inf); });
}

}  // namespace
}  // namespace polder::ops
