// One graph of a plan, checked and ready to run: the session's main graph, or a body.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/dims.h"
#include "ops/op.h"
#include "runtime/plan.h"
#include "runtime/session.h"

namespace polder::plan {
struct Graph;
struct Node;
struct Tensor;
}  // namespace polder::plan

namespace polder {

class GraphRunner {
 public:
  // What the graphs of one session share.
  struct Shared {
    const Plan* plan;
    const kernel::Kernels* kernels;
    Parallel* parallel;
    bool reference;
    std::vector<const ops::OpDef*> operators;  // by index in the program
    // What all graphs together have taken of the caps: a body is loaded for each use of it.
    struct Taken {
      int depth = 0, nodes = 0, tensors = 0, references = 0;
    };
    Taken* taken;  // while loading
    LoopBudget* loops;
  };
  struct Tensor {
    std::string_view name;
    DataType type = DataType::kNone;
    Dims dims;  // as planned
    Layout layout = Layout::kPlain;
    std::uint8_t storage = 0;
    std::size_t offset = 0;
    std::size_t bytes = 0;
    const std::byte* constant = nullptr;
    TensorView now;  // where and how large in this run
  };
  struct Node {
    const ops::OpDef* def = nullptr;
    std::string_view name;
    ops::Choice choice;
    std::uint32_t params = 0;  // offset into params_
    std::vector<int> inputs, outputs;
    std::uint32_t views = 0;     // first of the inputs', then the outputs' views
    bool dynamic = false;        // shapes are inferred in each run
    bool makes_nothing = false;  // every output is empty: the kernel is not called
    std::size_t workspace_offset = 0, workspace_bytes = 0;
    std::vector<std::unique_ptr<GraphRunner>> bodies;
    std::vector<std::size_t> body_offsets;
  };

  // Reads and checks graph `index` of the plan: everything that run() relies on.
  static Result<std::unique_ptr<GraphRunner>> load(const Shared& shared, int index);

  std::size_t arena_bytes() const { return arena_bytes_; }
  // Where the arena is; called once before the first run.
  void bind_arena(std::byte* arena);
  Status run(std::span<const TensorView> inputs);
  TensorView output(int i) const;
  std::span<const Tensor> tensors() const { return tensors_; }
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int> inputs() const { return inputs_; }
  std::span<const int> outputs() const { return outputs_; }
  double count(int node, double (*work)(const ops::NodeInfo&)) const;
  void observe(RunObserver* observer) { observer_ = observer; }

 private:
  class Host;
  class Bodies;
  explicit GraphRunner(const Shared& shared) : shared_(shared) {}
  Status load_tensors(const plan::Graph& graph);
  Status load_tensor(const plan::Tensor& from, Tensor& tensor) const;
  Status place_tensor(Tensor& tensor) const;
  Status place_constant(Tensor& tensor, std::size_t dense) const;
  Status load_node(const plan::Node& source, int graph_index);
  Status load_references(const flatbuffers::Vector<std::int32_t>* ids, std::vector<int>& out);
  Status check_references(const Node& node) const;
  Status load_params(const plan::Node& source, Node& node);
  Status load_bodies(const plan::Node& source, Node& node, int graph_index);
  bool makes_nothing(const Node& node) const;
  Status check_signature(const ops::BodyInputs& inputs, int results) const;
  static bool is_short_list(const Tensor& tensor);
  Status check_inference(Node& node);
  Status check_memory(const Node& node);
  Status choose(Node& node);
  Status load_ports(const plan::Graph& graph);
  void make_views();
  Status bind_input(std::size_t i, const TensorView& given);
  Status infer_now(Node& node);
  Status run_node(int index);
  void refresh_views(const Node& node);

  Shared shared_;
  std::vector<Tensor> tensors_;
  std::vector<Node> nodes_;
  std::vector<int> inputs_, outputs_;
  std::vector<std::byte> params_;
  std::vector<TensorView> views_;
  struct Patch {
    int input;           // graph input
    std::uint32_t view;  // where its pointer goes
  };
  std::vector<Patch> patches_;
  std::vector<ops::ValueInfo> info_in_, info_out_;  // scratch of infer_now
  std::vector<IntList> unknown_ints_;               // scratch of check_inference
  struct Range {
    std::size_t begin, end;
  };
  std::vector<Range> written_;  // scratch of check_memory
  std::byte* arena_ = nullptr;
  std::size_t arena_bytes_ = 0;
  RunObserver* observer_ = nullptr;
};

// Inference at run time: what is free now is decided by the kernel.
class GraphRunner::Host final : public ops::InferContext::Host {
 public:
  explicit Host(const Node& node) : node_(node) {}
  // Apart from each other and from the plan's symbols, which are positive.
  Dim new_dim(std::int64_t bound) override { return Dim(bound, --symbol_); }
  Status infer_body(int index, const ops::BodyInputs& inputs, int results) override {
    return node_.bodies[std::size_t(index)]->check_signature(inputs, results);
  }
  ops::ValueInfo body_result(int index, int i) override {
    const GraphRunner& body = *node_.bodies[std::size_t(index)];
    const Tensor& tensor = body.tensors_[std::size_t(body.outputs_[std::size_t(i)])];
    return {tensor.type, tensor.dims};
  }
  void keep_ints(int, const IntList&) override {}

 private:
  const Node& node_;
  std::int32_t symbol_ = 0;
};

}  // namespace polder
