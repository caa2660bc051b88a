// One of ONNX's test cases: its model, run on its test data, compared with what it expects.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/session.h"

namespace polder::conformance {

enum class Outcome : std::uint8_t { kPassed, kFailed, kUnsupported, kCrashed };

struct Case {
  std::string suite;   // "node", "simple", "pytorch-converted", "pytorch-operator"
  std::string name;    // "test_conv_with_strides_padding"
  std::string folder;  // model.onnx and test_data_set_N
};

struct Verdict {
  Outcome outcome = Outcome::kCrashed;
  std::string op;      // the operator that the case is about: its first
  std::string type;    // of its first input
  int bound = 0;       // inputs that had to be bound at compile time
  std::string reason;  // why it did not pass
};

// The suites and cases under `data`, sorted.
std::vector<Case> find_cases(const std::string& data);

// Runs it. Inputs whose values decide shapes are bound when the model does not compile otherwise.
Verdict run_case(const Case& test, const SessionOptions& how);

}  // namespace polder::conformance
