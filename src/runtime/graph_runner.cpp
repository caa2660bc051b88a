// Running a graph of a plan.
#include "runtime/graph_runner.h"

#include <algorithm>

#include "base/fail.h"
#include "plan_generated.h"

namespace polder {

class GraphRunner::Bodies final : public ops::BodyRunner {
 public:
  Bodies(Node& node, LoopBudget& loops) : node_(node), loops_(loops) {}
  Status run(int index, std::span<const TensorView> inputs) override {
    return node_.bodies[std::size_t(index)]->run(inputs);
  }
  Status iterate(int index, std::span<const TensorView> inputs) override {
    if (loops_.left == 0) {
      return fail(Code::kExhausted,
                  "the loops of one run made {} iterations and go on: give the loop a count or a "
                  "condition that ends it, or raise the limit (max_iterations, --max-iterations)",
                  loops_.most);
    }
    --loops_.left;
    return run(index, inputs);
  }
  TensorView output(int index, int i) const override {
    return node_.bodies[std::size_t(index)]->output(i);
  }

 private:
  Node& node_;
  LoopBudget& loops_;
};

// By what inference has found last.
bool GraphRunner::makes_nothing(const Node& node) const {
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] < 0) continue;
    const Dims& dims = info_out_[i].dims;
    if (dims.max_elements() > 0) return false;
    for (int axis = 0; axis < dims.rank(); ++axis) {
      if (!dims[axis].known() && dims[axis].bound > 0) return false;  // the kernel decides it
    }
  }
  return true;
}

void GraphRunner::bind_arena(std::byte* arena) {
  arena_ = arena;
  for (Tensor& tensor : tensors_) {
    if (tensor.storage == std::uint8_t(plan::Storage::Arena))
      tensor.now.data = arena + tensor.offset;
  }
  for (Node& node : nodes_) {
    refresh_views(node);
    for (std::size_t i = 0; i < node.bodies.size(); ++i)
      node.bodies[i]->bind_arena(arena + node.body_offsets[i]);
  }
}

void GraphRunner::refresh_views(const Node& node) {
  TensorView* view = views_.data() + node.views;
  for (const int id : node.inputs) {
    if (id >= 0) *view = tensors_[std::size_t(id)].now;
    ++view;
  }
  for (const int id : node.outputs) {
    if (id >= 0) *view = tensors_[std::size_t(id)].now;
    ++view;
  }
}

Status GraphRunner::bind_input(std::size_t i, const TensorView& given) {
  Tensor& tensor = tensors_[std::size_t(inputs_[i])];
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, "input '{}': {} {} expected, {} {} given{}", tensor.name,
                type_name(tensor.type), tensor.dims.text(), type_name(given.type),
                given.shape.text(), what);
  };
  if (given.type != tensor.type) return wrong(" (another type)");
  if (given.shape.rank() != tensor.dims.rank()) return wrong(" (another rank)");
  for (int axis = 0; axis < given.shape.rank(); ++axis) {
    const Dim& dim = tensor.dims[axis];
    if (given.shape[axis] < 0 || given.shape[axis] > dim.bound ||
        (dim.known() && given.shape[axis] != dim.bound)) {
      return wrong("");
    }
  }
  if (!given.data && given.shape.elements() > 0) return wrong(" (no data)");
  tensor.now.data = given.data;
  tensor.now.shape = given.shape;
  return {};
}

Status GraphRunner::run(std::span<const TensorView> inputs) {
  if (inputs.size() != inputs_.size()) {
    return fail(Code::kInvalid, "{} inputs expected, {} given", inputs_.size(), inputs.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) TRY(bind_input(i, inputs[i]));
  for (const Patch& patch : patches_)
    views_[patch.view].data = inputs[std::size_t(patch.input)].data;
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (observer_) observer_->before(int(n));
    if (Status status = run_node(int(n)); !status) {
      return std::move(status).error().at(
          fmt::format("node '{}' ({})", nodes_[n].name, nodes_[n].def->name));
    }
    if (observer_) observer_->after(int(n));
  }
  return {};
}

Status GraphRunner::run_node(int index) {
  Node& node = nodes_[std::size_t(index)];
  if (node.dynamic) {
    TRY(infer_now(node));
    refresh_views(node);
  }
  if (node.makes_nothing) return {};
  const std::span inputs(views_.data() + node.views, node.inputs.size());
  const std::span outputs(views_.data() + node.views + node.inputs.size(), node.outputs.size());
  Bodies bodies(node, *shared_.loops);
  const ops::RunContext context{inputs,
                                outputs,
                                params_.data() + node.params,
                                arena_ + node.workspace_offset,
                                *shared_.kernels,
                                *shared_.parallel,
                                &bodies};
  TRY(node.choice.kernel(context));
  if (node.dynamic) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] >= 0) tensors_[std::size_t(node.outputs[i])].now.shape = outputs[i].shape;
    }
  }
  return {};
}

Status GraphRunner::infer_now(Node& node) {
  const std::span in(info_in_.data(), node.inputs.size());
  const std::span out(info_out_.data(), node.outputs.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (node.inputs[i] < 0) {
      in[i] = {};
      continue;
    }
    const Tensor& tensor = tensors_[std::size_t(node.inputs[i])];
    in[i] = {tensor.type, Dims(tensor.now.shape), tensor.now.data, nullptr, tensor.layout};
  }
  std::ranges::fill(out, ops::ValueInfo{});
  Host host(node);
  ops::InferContext context(params_.data() + node.params, in, out, host);
  TRY(node.def->infer(context));
  node.makes_nothing = makes_nothing(node);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (node.outputs[i] < 0) continue;
    Tensor& tensor = tensors_[std::size_t(node.outputs[i])];
    Dims dims = out[i].dims;
    if (out[i].type != tensor.type || dims.rank() != tensor.dims.rank()) {
      return fail(Code::kInvalid, "output {} is {} {} in this run; {} {} was planned", i,
                  type_name(out[i].type), dims.text(), type_name(tensor.type), tensor.dims.text());
    }
    // A kernel that reads its extents from an input would find others than are planned here.
    if (!dims.known() && node.bodies.empty() && !node.def->finds_extents)
      return fail(
          Code::kInvalid,
          "output {} is {} even in this run: what decides it is no list of at most {} whole "
          "numbers",
          i, dims.text(), IntList::kCapacity);
    bool fits = true;
    for (int axis = 0; axis < dims.rank(); ++axis) {
      // What bodies make is held to the room for it as it is copied.
      if (!dims[axis].known() && !node.bodies.empty())
        dims[axis].bound = std::min(dims[axis].bound, tensor.dims[axis].bound);
      if (dims[axis].bound < 0)
        return fail(Code::kInvalid, "output {} would have a negative extent", i);
      // Kernels and their workspace were chosen for the bounds.
      fits = fits && dims[axis].bound <= tensor.dims[axis].bound;
      // Nodes that take this one rely on what the plan says.
      if (dims[axis].known() && tensor.dims[axis].known() && dims[axis] != tensor.dims[axis])
        fits = false;
    }
    if (!fits) {
      return fail(
          Code::kExhausted,
          "output {} is {} in this run; the plan has room for {}: compile with larger bounds", i,
          dims.text(), tensor.dims.text());
    }
    tensor.now.shape = dims.bounds();
  }
  return {};
}

double GraphRunner::count(int index, double (*work)(const ops::NodeInfo&)) const {
  const Node& node = nodes_[std::size_t(index)];
  std::vector<ops::ValueInfo> in, out;
  const auto info = [&](int id) {
    if (id < 0) return ops::ValueInfo{};
    const Tensor& tensor = tensors_[std::size_t(id)];
    return ops::ValueInfo{tensor.type, Dims(tensor.now.shape), tensor.constant, nullptr,
                          tensor.layout};
  };
  for (const int id : node.inputs) in.push_back(info(id));
  for (const int id : node.outputs) out.push_back(info(id));
  return work({in, out, params_.data() + node.params});
}

TensorView GraphRunner::output(int i) const {
  return tensors_[std::size_t(outputs_[std::size_t(i)])].now;
}

}  // namespace polder
