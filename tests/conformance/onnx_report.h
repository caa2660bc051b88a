// What a conformance run says: totals, tables by operator, the list for the documentation.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "onnx_case.h"

namespace polder::conformance {

struct CaseResult {
  Case test;
  Verdict verdict;
};

std::string_view outcome_name(Outcome outcome);

// `_expanded` cases repeat another case by its function's body; training cases need gradients,
// optimisers or batch statistics. Both are counted apart.
enum class Group : std::uint8_t { kPlain, kExpanded, kTraining };
Group group_of(const Case& test);

// Totals, then operators and types with anything that did not pass.
std::string summary(std::span<const CaseResult> results);
// One line for each case that did not pass.
std::string failures(std::span<const CaseResult> results);
std::string json(std::span<const CaseResult> results);
// The page of what is and is not supported.
std::string markdown(std::span<const CaseResult> results);

}  // namespace polder::conformance
