// What a pipeline decides by a model's outputs, and on how much of it two models agree.
//
// Numbers of a model that was trained anew are others in nearly every inference; what it makes of
// the input mostly is not. So what is compared is what the step after it would make of both: boxes
// of the same class that overlap by half; speech or none. Where no such step follows, the largest
// of each row (a class). One number by itself has no decision that is known here: it is held to the
// tolerance of the model's goldens.
#pragma once

#include <polder/error.h>
#include <polder/tensor.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/graph.h"
#include "runtime/executor.h"

namespace polder::agent {

// Of one inference.
struct Decisions {
  double agreement = 0;                        // share of those that are the same, 0 to 1
  std::vector<double> old_scores, new_scores;  // of what each model found, where it says any
};
// After both have run on the same inputs.
using Compare = std::function<Decisions(std::span<const TensorView> inputs, const Executor& old_one,
                                        const Executor& new_one)>;

struct Tolerance {
  double absolute = 0, relative = 0;
};

// `node` of the graph runs the model; `folder` is the pipeline's. Errors: those of the step after.
Result<Compare> comparison_of(const pipeline::Graph& graph, int node, const std::string& folder,
                              Tolerance tolerance);
// Where nothing is known of what follows. `carried`: outputs that only the next run reads.
double agreement_of_outputs(const Executor& old_one, const Executor& new_one,
                            std::span<const std::string> carried, Tolerance tolerance);
// Twice those that have a counterpart, of all; 1 where there are none.
double agreement_of_boxes(std::span<const pipeline::Detection> some,
                          std::span<const pipeline::Detection> others);

}  // namespace polder::agent
