// Look-ups in the host half of the operator table, and what import rules build with.
#include "ops/tools.h"

#include <limits>

#include "ops/fold.h"
#include "ops/infer.h"
#include "ops/pack.h"

namespace polder::ops {

const OpTools* find_tools(std::string_view op) {
  const auto defs = all_ops();
  for (std::size_t i = 0; i < defs.size(); ++i) {
    if (defs[i]->name == op) return all_tools()[i];
  }
  return nullptr;
}

OnnxMatch find_onnx(std::string_view domain, std::string_view op_type) {
  if (domain == "ai.onnx") domain = "";
  const auto defs = all_ops();
  for (std::size_t i = 0; i < defs.size(); ++i) {
    for (const OnnxRule& rule : all_tools()[i]->onnx) {
      if (rule.op_type == op_type && rule.domain == domain) return {defs[i], &rule};
    }
  }
  return {};
}

TfliteMatch find_tflite(std::string_view op_type) {
  const auto defs = all_ops();
  for (std::size_t i = 0; i < defs.size(); ++i) {
    for (const TfliteRule& rule : all_tools()[i]->tflite) {
      if (rule.op_type == op_type) return {defs[i], &rule};
    }
  }
  return {};
}

ValueId ImportContext::tensor(std::string_view name) const {
  for (const auto& [key, id] : tensors) {
    if (key == name) return id;
  }
  return kNoValue;
}

Result<std::vector<std::int64_t>> ImportContext::constant_ints(int i) const {
  if (!has(i)) return fail(Code::kInvalid, "input {} is required", i);
  const ValueInfo infos[] = {info_of(graph[in(i)])};
  struct : InferContext::Host {
    Dim new_dim(std::int64_t bound) override { return bound; }
    Status infer_body(int, const BodyInputs&, int) override { return {}; }
    ValueInfo body_result(int, int) override { return {}; }
    void keep_ints(int, const IntList&) override {}
  } host;
  IntList list;
  if (!InferContext(nullptr, infos, {}, host).ints(0, list) || !list.known()) {
    return fail(Code::kUnsupported,
                "input {} ('{}') must be known before the run; bind it when compiling (--bind "
                "{}=VALUES)",
                i, graph[in(i)].name, graph[in(i)].name);
  }
  std::vector<std::int64_t> values;
  values.reserve(std::size_t(list.size()));
  for (int k = 0; k < list.size(); ++k) values.push_back(list[k].bound);
  return values;
}

namespace {
Status make_inputs_plain(Graph& graph, std::string_view op, std::span<const ValueId> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == kNoValue || graph[inputs[i]].layout == Layout::kPlain) continue;
    const OpTools* tools = find_tools(op);
    if (!tools || tools->packed_input != int(i)) TRY(make_plain(graph[inputs[i]]));
  }
  return {};
}
}  // namespace

Result<ValueId> ImportContext::emit(std::string_view op, std::vector<ValueId> in,
                                    Attrs attributes) {
  const ValueId out = graph.add_value(fmt::format("{}/{}{}", node_name, op, graph.values.size()));
  TRY(finish(op, std::move(in), std::move(attributes), {out}));
  return out;
}

Status ImportContext::finish(std::string_view op, std::vector<ValueId> in, Attrs attributes) {
  return finish(op, std::move(in), std::move(attributes), outputs);
}

Status ImportContext::finish(std::string_view op, std::vector<ValueId> in, Attrs attributes,
                             std::vector<ValueId> out, std::vector<Graph> node_bodies) {
  while (!in.empty() && in.back() == kNoValue) in.pop_back();
  while (!out.empty() && out.back() == kNoValue) out.pop_back();
  TRY(make_inputs_plain(graph, op, in));
  const OpDef* def = find_op(op);
  for (std::size_t i = 0; def && i < out.size(); ++i) {
    if (out[i] == kNoValue && !may_lack(*def, int(i)))
      out[i] = graph.add_value(fmt::format("{}/unread{}", node_name, i));
  }
  Node node;
  node.op = op;
  node.name = node_name;
  node.attrs = std::move(attributes);
  node.inputs = std::move(in);
  node.outputs = std::move(out);
  node.bodies = std::move(node_bodies);
  graph.nodes.push_back(std::move(node));
  TRY(infer_node(graph, graph.nodes.size() - 1));
  // Folding at once lets later nodes read shapes and axes that the model computes.
  if (fold_node(graph, graph.nodes.size() - 1)) graph.nodes.pop_back();
  return {};
}

Result<ValueId> ImportContext::transpose(ValueId v, std::span<const std::int64_t> perm) {
  return emit("Transpose", {v}, {{"perm", std::vector<std::int64_t>(perm.begin(), perm.end())}});
}

namespace {
std::vector<std::int64_t> channels_last(int rank) {
  std::vector<std::int64_t> perm = {0};
  for (int axis = 2; axis < rank; ++axis) perm.push_back(axis);
  perm.push_back(1);
  return perm;
}
}  // namespace

Result<ValueId> ImportContext::to_channels_last(ValueId v) {
  const int rank = graph[v].dims.rank();
  if (rank < 3)
    return fail(Code::kInvalid, "rank {}; a batch, channels and at least one more expected", rank);
  return transpose(v, channels_last(rank));
}

namespace {
// kNoValue when the weights do not lie as in the file.
ValueId weights_in_place(Graph& graph, ValueId v, std::span<const std::int64_t> perm,
                         Layout layout) {
  const Value weights = graph[v];
  const bool in_place = weights.is_constant() && weights.type == DataType::kF32 &&
                        (weights.layout == Layout::kPlain || weights.layout == Layout::kUnaligned);
  if (!in_place) return kNoValue;
  Shape shape;
  for (const std::int64_t axis : perm) shape.push_back(weights.dims[int(axis)].bound);
  const ValueId id = graph.add_constant(weights.name, weights.type, shape, weights.data);
  graph[id].layout = layout;
  return id;
}
}  // namespace

Result<ValueId> ImportContext::weights_to_channels_last(ValueId v) {
  if (v == kNoValue) return fail(Code::kCorrupt, "the weights are absent");
  const int rank = graph[v].dims.rank();
  if (rank < 3) return to_channels_last(v);
  const ValueId id = weights_in_place(graph, v, channels_last(rank), Layout::kChannelsFirst);
  return id == kNoValue ? to_channels_last(v) : Result<ValueId>(id);
}

Result<ValueId> ImportContext::weights_to_outputs_first(ValueId v) {
  if (v == kNoValue) return fail(Code::kCorrupt, "the weights are absent");
  constexpr std::int64_t kSwap[] = {1, 0};
  const ValueId id = weights_in_place(graph, v, kSwap, Layout::kOutputsLast);
  return id == kNoValue ? transpose(v, kSwap) : Result<ValueId>(id);
}

Status ImportContext::finish_channels_first(ValueId v) {
  const int rank = graph[v].dims.rank();
  std::vector<std::int64_t> perm = {0, rank - 1};
  for (int axis = 1; axis < rank - 1; ++axis) perm.push_back(axis);
  return finish("Transpose", {v}, {{"perm", perm}}, {outputs[0]});
}

Status ImportContext::finish_tflite_fused(std::string_view op, std::vector<ValueId> in,
                                          Attrs attributes) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const std::string fused = attrs.text("fused_activation_function", "NONE");
  if (fused == "NONE") return finish(op, std::move(in), std::move(attributes));
  TRY_VALUE(const ValueId sum, emit(op, std::move(in), std::move(attributes)));
  const auto clamp = [&](double low, double high) {
    return finish("Clamp", {sum}, {{"min", low}, {"max", high}});
  };
  if (fused == "RELU") return clamp(0, kInf);
  if (fused == "RELU6") return clamp(0, 6);
  if (fused == "RELU_N1_TO_1") return clamp(-1, 1);
  if (fused == "TANH") return finish("Tanh", {sum});
  return fail(Code::kUnsupported, "fused activation {}", fused);
}

ValueId ImportContext::ints(std::span<const std::int64_t> elements) {
  return graph.add_ints(fmt::format("{}/ints{}", node_name, graph.values.size()), elements);
}

ValueId ImportContext::ints(std::initializer_list<std::int64_t> elements) {
  return ints(std::span(elements.begin(), elements.size()));
}

ValueId ImportContext::scalar_f32(float x) {
  return graph.add_constant(fmt::format("{}/scalar{}", node_name, graph.values.size()),
                            DataType::kF32, Shape{}, std::span<const float>(&x, 1));
}

}  // namespace polder::ops
