#include "ops/op_harness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "ops/cast.h"
#include "ops/pack.h"
#include "ops/types.h"

namespace polder::ops {

namespace {
constexpr std::size_t kGuardBytes = 64;  // on either side; keeps the alignment
constexpr std::byte kGuard{0xa5};
// An element that neither run writes, or only one of them, differs between the two.
constexpr std::byte kReferenceMark{0xff}, kKernelMark{0x5a};

// The session's view of the node: constants packed for the chosen kernel, everything known.
struct Host final : InferContext::Host {
  std::int32_t symbols = 1000;
  Dim new_dim(std::int64_t bound) override { return {bound, symbols++}; }
  Status infer_body(int, const BodyInputs&, int) override {
    return fail(Code::kUnsupported, "no bodies here");
  }
  ValueInfo body_result(int, int) override { return {}; }
  void keep_ints(int, const IntList&) override {}
};

void fill(const SampleInput& input, const TensorView& view, std::mt19937& engine) {
  const bool real = input.type == DataType::kF32 || input.type == DataType::kF64 ||
                    input.type == DataType::kF16 || input.type == DataType::kBF16;
  std::uniform_real_distribution<double> draw(input.low, input.high);
  for (std::int64_t i = 0; i < view.shape.elements(); ++i) {
    double x = draw(engine);
    if (!real) x = std::floor(x);
    if (input.type == DataType::kBool) x = engine() & 1;
    put(view, i, std::size_t(i) < input.values.size() ? input.values[std::size_t(i)] : x);
  }
}
}  // namespace

HeldTensor hold(DataType type, const Shape& shape, std::byte mark) {
  HeldTensor tensor;
  tensor.view = {nullptr, type, shape};
  std::span<std::byte> bytes;
  tensor.memory = Bytes::allocate(tensor.view.bytes() + 2 * kGuardBytes, &bytes);
  std::ranges::fill(bytes, kGuard);
  const auto own = bytes.subspan(kGuardBytes, tensor.view.bytes());
  std::ranges::fill(own, mark);
  tensor.view.data = own.data();
  return tensor;
}

bool guard_intact(const HeldTensor& tensor) {
  const auto intact = [](std::byte b) { return b == kGuard; };
  return std::ranges::all_of(tensor.memory.view.first(kGuardBytes), intact) &&
         std::ranges::all_of(tensor.memory.view.last(kGuardBytes), intact);
}

void put(const TensorView& view, std::int64_t i, double x) {
  if (view.type == DataType::kF16) view.as<std::uint16_t>()[i] = f32_to_f16(float(x));
  else if (view.type == DataType::kBF16) view.as<std::uint16_t>()[i] = f32_to_bf16(float(x));
  else dispatch(view.type, [&]<class T>() { view.as<T>()[i] = saturate<T>(x); });
}

double get(const TensorView& view, std::int64_t i) {
  if (view.type == DataType::kF16) return double(f16_to_f32(view.as<std::uint16_t>()[i]));
  if (view.type == DataType::kBF16) return double(bf16_to_f32(view.as<std::uint16_t>()[i]));
  double x = 0;
  dispatch(view.type, [&]<class T>() { x = double(view.as<T>()[i]); });
  return x;
}

Case make_case(const OpDef& def, const Sample& sample, Known known) {
  Case test;
  test.def = &def;
  std::mt19937 engine(7);
  Node node;
  node.op = def.name;
  node.name = sample.name;
  node.attrs = sample.attrs;
  for (const SampleInput& input : sample.inputs) {
    HeldTensor& tensor = test.inputs.emplace_back();
    test.constant.push_back(input.constant);
    if (input.type == DataType::kNone) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    tensor = hold(input.type, input.shape);
    fill(input, tensor.view, engine);
    const ValueId id = test.graph.add_value("in", input.type, Dims(input.shape));
    node.inputs.push_back(id);
    Value& value = test.graph[id];
    if (known == Known::kAll || input.constant) {
      value.data = {tensor.memory.owner,
                    tensor.memory.view.subspan(kGuardBytes, tensor.view.bytes())};
    } else {
      test.graph.inputs.push_back(id);
    }
    if (known == Known::kRanks && !input.constant) {
      for (int axis = 0; axis < input.shape.rank(); ++axis) {
        // A free dimension is never 1: what broadcasts does so for every run.
        if (input.shape[axis] != 1) value.dims[axis] = test.graph.new_dim(2 * input.shape[axis]);
      }
    }
  }
  for (std::size_t i = 0; i < sample.outputs(); ++i)
    node.outputs.push_back(test.graph.add_value("out"));
  test.graph.outputs = node.outputs;
  test.graph.nodes.push_back(std::move(node));
  return test;
}

Status infer_case(Case& test) { return infer_node(test.graph, 0); }

namespace {
// Constants in the layouts that the choice wants.
Status pack_inputs(const Choice& choice, std::vector<TensorView>& views,
                   std::vector<HeldTensor>& packed) {
  for (std::size_t i = 0; i < views.size() && i < choice.packing.size(); ++i) {
    const Packing& packing = choice.packing[i];
    if (packing.layout == Layout::kPlain) continue;
    const std::size_t bytes = packed_bytes(packing, views[i].shape);
    if (bytes > std::size_t(1) << 30) return fail(Code::kInvalid, "input {} cannot be packed", i);
    HeldTensor& tensor =
        packed.emplace_back(hold(DataType::kF32, Shape{std::int64_t(bytes / sizeof(float))}));
    std::memset(tensor.view.data, 0, bytes);
    pack(packing, views[i].shape, views[i].as<float>(), tensor.view.as<float>());
    views[i].data = tensor.view.data;
  }
  return {};
}
}  // namespace

Result<Ran> run_case(Case& test, std::optional<kernel::Isa> isa, Parallel& parallel,
                     ChosenFor chosen_for) {
  const OpDef& def = *test.def;
  const Node& node = test.graph.nodes[0];
  alignas(std::max_align_t) std::byte params[kMaxParamsBytes] = {};
  TRY(def.parse(node.attrs, params));
  std::vector<TensorView> inputs, outputs;
  std::vector<ValueInfo> in_infos, out_infos(node.outputs.size());
  for (const HeldTensor& tensor : test.inputs) {
    inputs.push_back(tensor.view);
    in_infos.push_back({tensor.view.type, Dims(tensor.view.shape), tensor.view.data});
  }
  Host host;
  InferContext context(params, in_infos, out_infos, host);
  TRY(def.infer(context));
  Ran ran;
  for (const ValueInfo& info : out_infos) {
    ran.inferred.push_back(info.dims);
    ran.outputs.push_back(hold(info.type, info.dims.bounds(), isa ? kKernelMark : kReferenceMark));
    outputs.push_back(ran.outputs.back().view);
  }
  if (chosen_for == ChosenFor::kBounds) {
    for (std::size_t i = 0; i < in_infos.size(); ++i) {
      if (node.inputs[i] != kNoValue) in_infos[i] = info_of(test.graph[node.inputs[i]]);
    }
    for (std::size_t i = 0; i < out_infos.size(); ++i)
      out_infos[i] = info_of(test.graph[node.outputs[i]]);
  }
  // What only the run knows is no reason for a kernel.
  for (std::size_t i = 0; i < in_infos.size(); ++i) {
    if (!test.constant[i]) in_infos[i].data = nullptr;
  }
  const kernel::Kernels& kernels = *kernel::kernels_for(isa.value_or(kernel::Isa::kGeneric));
  const NodeInfo info{in_infos, out_infos, params};
  Choice choice = {.kernel = def.reference};
  if (isa) choice = choose_kernel(def, info);
  else if (def.reference_workspace) choice.workspace_bytes = def.reference_workspace(info);
  ran.kernel = choice.name;
  std::vector<HeldTensor> packed;
  TRY(pack_inputs(choice, inputs, packed));
  const HeldTensor workspace = hold(DataType::kU8, Shape{std::int64_t(choice.workspace_bytes)});
  const RunContext run{inputs,  outputs,  params, workspace.view.as<std::byte>(),
                       kernels, parallel, nullptr};
  TRY(choice.kernel(run));
  if (!guard_intact(workspace)) return fail(Code::kInvalid, "wrote beside its workspace");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!guard_intact(ran.outputs[i])) return fail(Code::kInvalid, "wrote beside output {}", i);
    ran.outputs[i].view.shape = outputs[i].shape;
  }
  return ran;
}

}  // namespace polder::ops
