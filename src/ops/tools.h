// The host half of an operator: how model formats map to it, how passes may move it, samples.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ops/op.h"

namespace polder::ops {

// A node of a foreign format as an importer hands it over, and the graph under construction.
// Rules add nodes with emit(), which infers types and dimensions at once, so that rules can read
// them. Foreign attribute kinds: tensors arrive as constants (tensor()), graphs as bodies.
class ImportContext {
 public:
  Graph& graph;
  std::string_view op_type;  // as the format calls it
  std::string node_name;
  int version = 0;  // ONNX: opset of the node's domain; TFLite: operator version
  Attrs attrs;
  std::vector<ValueId> inputs;   // kNoValue: absent
  std::vector<ValueId> outputs;  // to be produced by this node
  std::vector<std::pair<std::string, ValueId>> tensors;
  std::vector<std::pair<std::string, Graph>> bodies;  // their captures are appended to `captures`
  std::vector<std::vector<ValueId>> captures;  // per body: outer values, after its own inputs

  explicit ImportContext(Graph& g) : graph(g) {}

  bool has(int i) const {
    return std::size_t(i) < inputs.size() && inputs[std::size_t(i)] != kNoValue;
  }
  ValueId in(int i) const { return has(i) ? inputs[std::size_t(i)] : kNoValue; }
  const Value& value(ValueId id) const { return graph[id]; }
  int rank(int i) const { return graph[in(i)].dims.rank(); }
  // kNoValue when the node has no such tensor attribute.
  ValueId tensor(std::string_view name) const;
  // The known elements of integer input `i`; an error that names the input otherwise.
  Result<std::vector<std::int64_t>> constant_ints(int i) const;

  // Adds a node with one new output and infers it.
  Result<ValueId> emit(std::string_view op, std::vector<ValueId> in, Attrs attributes = {});
  // Adds a node that makes this node's own outputs (all of them, or those given).
  Status finish(std::string_view op, std::vector<ValueId> in, Attrs attributes = {});
  Status finish(std::string_view op, std::vector<ValueId> in, Attrs attributes,
                std::vector<ValueId> out, std::vector<Graph> node_bodies = {});
  // Transpose of `v` by `perm`.
  Result<ValueId> transpose(ValueId v, std::span<const std::int64_t> perm);
  // [N,C,spatial...] -> [N,spatial...,C] and back.
  Result<ValueId> to_channels_last(ValueId v);
  // The same for a convolution's weights, and [C, O] -> [O, C] for those of a Linear: constants
  // stay as they lie until they are packed.
  Result<ValueId> weights_to_channels_last(ValueId v);
  Result<ValueId> weights_to_outputs_first(ValueId v);
  // Finishes output 0 with the transposed `v`.
  Status finish_channels_first(ValueId v);
  // Wraps `op` in the fused activation of TFLite's attribute "fused_activation_function" (NONE,
  // RELU, RELU_N1_TO_1, RELU6, TANH): makes output 0.
  Status finish_tflite_fused(std::string_view op, std::vector<ValueId> in, Attrs attributes = {});
  ValueId ints(std::initializer_list<std::int64_t> elements);
  ValueId ints(std::span<const std::int64_t> elements);
  ValueId scalar_f32(float x);
};

// A rule turns one foreign node into nodes of ours. With import == nullptr the inputs, outputs and
// attributes map one to one.
struct OnnxRule {
  std::string_view op_type;
  Status (*import)(ImportContext&) = nullptr;
  std::string_view domain = "";  // "" is ai.onnx
};
struct TfliteRule {
  std::string_view op_type;  // name in the schema's BuiltinOperator: "CONV_2D"
  Status (*import)(ImportContext&) = nullptr;
};

// One input of a sample. Without `values`, random in [low, high) (integers, bools likewise).
struct SampleInput {
  DataType type = DataType::kF32;
  Shape shape;
  std::vector<double> values = {};
  bool constant = false;
  double low = -1, high = 1;
};
// What inference may know of a node's inputs: elements, or shapes, or of these only the ranks (and
// which extents are 1). Constants are known in any case.
enum class Known { kAll, kShapes, kRanks };
// A node to test and to time.
struct Sample {
  std::string name;
  std::vector<SampleInput> inputs;
  Attrs attrs = {};
  // Of each output, by the operator's definition. None: one output, shaped as input 0.
  std::vector<Shape> shapes = {};
  Known needs = Known::kRanks;  // the least that must be known to infer the outputs
  std::size_t outputs() const { return shapes.empty() ? 1 : shapes.size(); }
};

// How an operator commutes with a transposition of its inputs: what the layout pass may do.
enum class Commute : std::uint8_t {
  kNo = 0,
  kElementwise,  // any permutation of all inputs alike (broadcasting inputs are permuted too)
  kAxis,         // as elementwise on input 0 (all inputs for many-input operators), with attribute
                 // "axis" renumbered
  kAxes,         // input 0, with attribute "axes" renumbered; removed axes leave the permutation
};

struct OpTools {
  std::span<const OnnxRule> onnx = {};
  std::span<const TfliteRule> tflite = {};
  std::vector<Sample> (*samples)() = nullptr;
  Commute commute = Commute::kNo;
  // The input that, when it is a constant, only ops::pack() reads: it may lie as a model file has
  // it (Layout::kUnaligned and what follows). -1: none.
  int packed_input = -1;
  // Multiply-accumulates of the node; nullptr: none worth counting.
  double (*macs)(const NodeInfo&) = nullptr;
};

// In the order of all_ops().
std::span<const OpTools* const> all_tools();
const OpTools* find_tools(std::string_view op);

struct OnnxMatch {
  const OpDef* def;
  const OnnxRule* rule;
};
struct TfliteMatch {
  const OpDef* def;
  const TfliteRule* rule;
};
// def is nullptr when no operator maps it.
OnnxMatch find_onnx(std::string_view domain, std::string_view op_type);
TfliteMatch find_tflite(std::string_view op_type);

}  // namespace polder::ops
