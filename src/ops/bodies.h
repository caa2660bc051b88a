// What the operators with bodies share: If, Loop, Scan.
#pragma once

#include <span>
#include <vector>

#include "ops/op.h"
#include "ops/tools.h"

namespace polder::ops {

// Values that a body makes, and values that a loop carries.
inline constexpr int kMaxBodyResults = 64;

// What covers both `a` and `b` for output `index`: the extent where they agree, otherwise a new one
// up to the larger bound. Types and ranks must agree.
Status cover(InferContext& context, const ValueInfo& a, const ValueInfo& b, int index,
             ValueInfo& out);

// Infers the outputs from `carried` on, which stack what each of `length` iterations makes: output
// i the body's result first_result + i.
Status stack_results(InferContext& context, int carried, int first_result, Dim length);

// Copies what a body made into a node's output and gives it this run's extents. An error above
// `room`, the extents that the plan has memory for.
Status copy_result(const TensorView& from, const Shape& room, TensorView& to);

// The memory of a node that runs its body again and again: what the body reads, and a second place
// for what is carried.
class Iteration {
 public:
  // For a node whose first `carried` outputs are carried.
  static std::size_t workspace_bytes(const NodeInfo& node, int carried);
  // Starts with the node's inputs as the body's; the carried ones, from input `first` on, are
  // copied into the node's outputs, which hold them from then on.
  Status start(const RunContext& run, int carried, int first);
  std::span<TensorView> formals() { return formals_; }
  // Of the outputs that are appended, those with a bit in `outputs` are filled from the end of
  // `length` elements.
  void reverse(std::uint64_t outputs, std::int64_t length);
  // Runs the body and takes over its results from `first_result` on: the carried values, then
  // element `index` of each of the node's further outputs.
  Status step(int first_result, std::int64_t index);
  // Gives the outputs that were appended to their length in this run.
  void finish(std::int64_t length);

 private:
  Status carry(int first_result);
  Status append(const TensorView& element, int output, std::int64_t index);

  const RunContext* run_ = nullptr;
  int carried_ = 0, first_ = 0;
  std::span<TensorView> formals_;
  Shape* room_ = nullptr;  // of each output
  std::byte* second_ = nullptr;
  std::uint64_t reversed_ = 0;
  std::int64_t length_ = 0;
};

// Bodies stand in the context as the model's attributes did: takes body `name` and what it
// captures. An error when it is absent or has fewer than `outputs` outputs.
Status take_body(ImportContext& node, std::string_view name, std::size_t outputs, Graph& body,
                 std::vector<ValueId>& captures);

// `count` outputs: those that nobody reads get a value too, as operators keep what they carry in
// them.
std::vector<ValueId> all_outputs(ImportContext& node, std::size_t count);

}  // namespace polder::ops
