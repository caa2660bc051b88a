// For tests of one operator: runs a sample and hands back plain numbers.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "ops/op_harness.h"

namespace polder::ops {

// The elements of each output, by the reference (no isa) or the kernel chosen for an isa. A failure
// fails the test and gives nothing.
inline std::vector<std::vector<double>> run_values(std::string_view op, const Sample& sample,
                                                   std::optional<kernel::Isa> isa = {}) {
  const OpDef* def = find_op(op);
  if (!def) return ADD_FAILURE() << "no operator " << op, std::vector<std::vector<double>>();
  Case test = make_case(*def, sample, Known::kAll);
  Serial serial;
  const Result<Ran> ran = run_case(test, isa, serial);
  std::vector<std::vector<double>> all;
  if (!ran) {
    ADD_FAILURE() << sample.name << ": " << ran.error().message;
    return all;
  }
  for (const HeldTensor& output : ran->outputs) {
    std::vector<double>& values = all.emplace_back();
    for (std::int64_t i = 0; i < output.view.shape.elements(); ++i)
      values.push_back(get(output.view, i));
  }
  return all;
}

inline void expect_near(const std::vector<double>& got, const std::vector<double>& expected,
                        double tolerance = 1e-5) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], expected[i], tolerance) << "element " << i;
}

// Output 0 of the reference and of the best kernel of this machine, against `expected`.
inline void expect_output(std::string_view op, const Sample& sample,
                          const std::vector<double>& expected, double tolerance = 1e-5) {
  SCOPED_TRACE(sample.name);
  for (const std::optional<kernel::Isa> isa :
       {std::optional<kernel::Isa>(), std::optional<kernel::Isa>(kernel::best_isa())}) {
    SCOPED_TRACE(isa ? "kernel" : "reference");
    const auto got = run_values(op, sample, isa);
    if (!got.empty()) expect_near(got[0], expected, tolerance);
  }
}

// Numbers without pattern in [-1, 1).
inline std::vector<double> pseudo_random(std::int64_t count, std::uint32_t seed) {
  std::vector<double> values;
  std::uint32_t state = seed * 2654435761u + 12345;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    // Few bits, so that sums of products are exact in f32 and orders of addition do not matter.
    values.push_back(double(state >> 26) / 32 - 1);
  }
  return values;
}

inline SampleInput input_of(Shape shape, std::vector<double> values, bool constant = false) {
  return {.shape = shape, .values = std::move(values), .constant = constant};
}

}  // namespace polder::ops
