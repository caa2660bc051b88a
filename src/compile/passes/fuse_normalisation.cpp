// fuse_normalisation: scales and offsets per output channel (batch normalisation, Mul, Add by
// constants) that follow a convolution, a transposed one or a Linear become part of its weights and
// bias.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "compile/passes/passes.h"
#include "compile/rewrite.h"
#include "ops/pack.h"

namespace polder::compile {

namespace {

// y = scale x + offset, per channel.
struct Affine {
  std::vector<float> scale, offset;
};

// The constant as one number per channel of a channel-last tensor; false when it is something else.
bool per_channel(const Value& value, std::int64_t channels, std::vector<float>& out) {
  const auto elements = floats(value);
  const Shape shape = value.dims.bounds();
  if (elements.empty()) return false;
  if (elements.size() == 1) return out.assign(std::size_t(channels), elements[0]), true;
  if (shape.elements() != channels || shape[shape.rank() - 1] != channels) return false;
  out.assign(elements.begin(), elements.end());
  return true;
}

bool batch_norm(const Graph& graph, const Node& node, std::int64_t channels, Affine& out) {
  const int rank = graph[node.inputs[0]].dims.rank();
  const std::int64_t axis = node.attrs.integer("axis", 1);
  if ((axis < 0 ? axis + rank : axis) != rank - 1 || node.inputs.size() != 5 ||
      node.outputs.size() != 1)
    return false;
  std::vector<float> gain, shift, mean, variance;
  if (!per_channel(graph[node.inputs[1]], channels, gain) ||
      !per_channel(graph[node.inputs[2]], channels, shift) ||
      !per_channel(graph[node.inputs[3]], channels, mean) ||
      !per_channel(graph[node.inputs[4]], channels, variance)) {
    return false;
  }
  const double epsilon = node.attrs.real("epsilon", 1e-5);
  for (std::size_t c = 0; c < std::size_t(channels); ++c) {
    const double scale = double(gain[c]) / std::sqrt(double(variance[c]) + epsilon);
    out.scale.push_back(float(scale));
    out.offset.push_back(float(double(shift[c]) - double(mean[c]) * scale));
  }
  return true;
}

// What `node` does to `x`, if that is affine per channel and keeps the shape.
bool affine_of(const Graph& graph, const Node& node, ValueId x, std::int64_t channels,
               Affine& out) {
  if (node.op == "BatchNorm") return node.inputs[0] == x && batch_norm(graph, node, channels, out);
  if (node.op != "Mul" && node.op != "Add" && node.op != "Sub" && node.op != "Div") return false;
  const bool first = node.inputs[0] == x;
  if (!first && (node.op == "Sub" || node.op == "Div")) return false;
  std::vector<float> constant;
  if (!per_channel(graph[node.inputs[first ? 1 : 0]], channels, constant)) return false;
  if (!(graph[node.outputs[0]].dims == graph[x].dims)) return false;
  out.scale.assign(std::size_t(channels), 1.0f);
  out.offset.assign(std::size_t(channels), 0.0f);
  for (std::size_t c = 0; c < std::size_t(channels); ++c) {
    if (node.op == "Mul") out.scale[c] = constant[c];
    else if (node.op == "Div") out.scale[c] = 1.0f / constant[c];
    else if (node.op == "Add") out.offset[c] = constant[c];
    else out.offset[c] = -constant[c];
  }
  return true;
}

// The axis of the output channels in the weights: [O, ...], or [kernel..., O, C] of a transposed
// convolution. -1: the node has no constant weights of f32.
int channel_axis(const Graph& graph, const Node& node) {
  const bool transposed = node.op == "ConvTranspose";
  if (node.op != "Conv" && node.op != "Linear" && !transposed) return -1;
  const Value& weights = graph[node.inputs[1]];
  if (!weights.is_constant() || weights.type != DataType::kF32) return -1;
  if (weights.dims.max_elements() == 0 || weights.dims.rank() == 0) return -1;
  return transposed ? weights.dims.rank() - 2 : 0;
}

// Weights times a factor for each output along `axis`; themselves when all are 1.
Result<ValueId> scaled(Graph& graph, ValueId weights, int axis, std::span<const float> scale) {
  if (std::ranges::all_of(scale, [](float s) { return s == 1; })) return weights;
  std::span<std::byte> bytes;
  Bytes data = ops::plain_copy(graph[weights], &bytes);
  if (!data)
    return fail(Code::kExhausted, "no memory for {} bytes", graph[weights].data.view.size());
  const Shape shape = graph[weights].dims.bounds();
  std::size_t depth = 1;  // consecutive elements of one channel
  for (int inner = axis + 1; inner < shape.rank(); ++inner) depth *= std::size_t(shape[inner]);
  auto* out = reinterpret_cast<float*>(bytes.data());
  for (float* end = out + bytes.size() / sizeof(float); out < end;) {
    for (const float factor : scale) {
      for (std::size_t k = 0; k < depth; ++k) *out++ *= factor;
    }
  }
  const std::string name = graph[weights].name;
  return graph.add_constant(name, DataType::kF32, shape, std::move(data));
}

// Writes new weights and bias; false when the bias is not known.
Result<bool> apply(Graph& graph, Node& node, std::int64_t channels, const Affine& affine) {
  std::vector<float> bias(std::size_t(channels), 0.0f);
  if (node.inputs.size() > 2 && node.inputs[2] != kNoValue) {
    const auto old = floats(graph[node.inputs[2]]);
    if (old.size() != bias.size()) return false;
    bias.assign(old.begin(), old.end());
  }
  for (std::size_t o = 0; o < bias.size(); ++o) {
    bias[o] = bias[o] * affine.scale[o] + affine.offset[o];
  }
  const int axis = channel_axis(graph, node);
  TRY_VALUE(const ValueId weights, scaled(graph, node.inputs[1], axis, affine.scale));
  node.inputs.resize(std::max<std::size_t>(node.inputs.size(), 3), kNoValue);
  node.inputs[1] = weights;
  node.inputs[2] = graph.add_constant(graph[weights].name + ":bias", DataType::kF32,
                                      Shape{channels}, std::span<const float>(bias));
  return true;
}

}  // namespace

Status fuse_normalisation(Graph& graph) {
  Rewriter rewriter(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    const int axis = channel_axis(graph, node);
    if (axis < 0) continue;
    // One after the other: convolution, normalisation, scale, offset.
    for (;;) {
      if (node.attrs.text("activation", "none") != "none") break;
      if (node.inputs.size() > 3 && node.inputs[3] != kNoValue) break;
      const std::int64_t channels = graph[node.inputs[1]].dims[axis].bound;
      const ValueId out = node.outputs[0];
      Node* next = rewriter.sole_reader(out);
      Affine affine;
      if (!next || !affine_of(graph, *next, out, channels, affine)) break;
      TRY_VALUE(const bool applied, apply(graph, node, channels, affine));
      if (!applied) break;
      const ValueId final_out = next->outputs[0];
      *next = Node();
      node.outputs[0] = final_out;
      rewriter.changed(node);
    }
  }
  return rewriter.finish();
}

}  // namespace polder::compile
