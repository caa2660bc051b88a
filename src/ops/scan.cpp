// Scan: runs a body for each element along axis 0 of its scanned inputs. Inputs: `states` values
// that are carried, `scans` scanned inputs, then what the body captures. The body reads the carried
// values, one element of each scanned input and the captures; it makes the carried values, and
// elements that become the further outputs. Bits of `reversed` count scanned inputs, those of
// `reversed_outputs` the further outputs, that go from the end to the front.
#include <algorithm>

#include "ops/bodies.h"
#include "ops/tools.h"

namespace polder::ops::scan {
namespace {

struct Params {
  int states, scans;
  std::uint64_t reversed, reversed_outputs;
};

void parse(AttrReader& attrs, Params& p) {
  p.states = int(attrs.integer("states", 0, 0, kMaxBodyResults));
  p.scans = int(attrs.integer("scans", 1, 1, kMaxBodyResults));
  p.reversed = std::uint64_t(attrs.integer("reversed", 0));
  p.reversed_outputs = std::uint64_t(attrs.integer("reversed_outputs", 0));
}

Dims without_first(const Dims& dims) {
  Dims out;
  for (int axis = 1; axis < dims.rank(); ++axis) out.push_back(dims[axis]);
  return out;
}

// The extent that all scanned inputs share.
Status scanned_length(const InferContext& context, const Params& p, Dim& length) {
  for (int i = p.states; i < p.states + p.scans; ++i) {
    TRY(context.expect_rank(i, 1, kMaxRank));
    const Dim own = context.dims(i)[0];
    if (i == p.states || (own.known() && !length.known())) length = own;
    if (own.known() && length.known() && !(own == length)) {
      return fail(Code::kInvalid, "scanned inputs of {} and {} elements", length.bound, own.bound);
    }
  }
  return {};
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const int count = context.input_count();
  if (count < p.states + p.scans || context.output_count() < p.states) {
    return fail(Code::kInvalid, "{} inputs and {} outputs for {} states and {} scanned inputs",
                count, context.output_count(), p.states, p.scans);
  }
  for (int i = 0; i < p.states + p.scans; ++i) {
    if (!context.has(i)) return fail(Code::kInvalid, "input {} is absent", i);
  }
  Dim length;
  TRY(scanned_length(context, p, length));
  const auto formal = [&](int i) {
    const ValueInfo& input = context.input(i);
    if (i >= p.states + p.scans) return input;
    return ValueInfo{.type = input.type,
                     .dims = i < p.states ? input.dims : without_first(input.dims)};
  };
  TRY(context.infer_body(0, {count, formal}, context.output_count()));
  for (int i = 0; i < p.states; ++i) {
    ValueInfo out;
    TRY(cover(context, context.input(i), context.body_result(0, i), i, out));
    context.output(i, out.type, context.dims(i));
  }
  return stack_results(context, p.states, 0, length);
}

std::size_t workspace(const NodeInfo& node) {
  return Iteration::workspace_bytes(node, node.as<Params>().states);
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const std::int64_t length = run.in(p.states).shape[0];
  Iteration iteration;
  TRY(iteration.start(run, p.states, 0));
  iteration.reverse(p.reversed_outputs, length);
  for (std::int64_t i = 0; i < length; ++i) {
    for (int k = 0; k < p.scans; ++k) {
      const TensorView& all = run.in(p.states + k);
      if (all.shape[0] != length) return fail(Code::kInvalid, "scanned inputs of two lengths");
      TensorView element{nullptr, all.type, Shape(all.shape.dims().subspan(1))};
      const std::int64_t position = (p.reversed >> k) & 1 ? length - 1 - i : i;
      element.data = static_cast<std::byte*>(all.data) + std::size_t(position) * element.bytes();
      iteration.formals()[std::size_t(p.states + k)] = element;
    }
    TRY(iteration.step(0, i));
  }
  iteration.finish(length);
  return {};
}

// The permutation that brings `axis` to the front, or the one that takes it back.
std::vector<std::int64_t> to_front(std::int64_t axis, int rank) {
  std::vector<std::int64_t> perm = {axis};
  for (int i = 0; i < rank; ++i) {
    if (i != axis) perm.push_back(i);
  }
  return perm;
}
std::vector<std::int64_t> from_front(std::int64_t axis, int rank) {
  std::vector<std::int64_t> perm;
  for (int i = 1; i < rank; ++i) perm.push_back(i);
  perm.insert(perm.begin() + axis, 0);
  return perm;
}

Result<std::int64_t> axis_at(const std::vector<std::int64_t>& axes, std::size_t i, int rank) {
  std::int64_t axis = i < axes.size() ? axes[i] : 0;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) {
    return fail(Code::kInvalid, "axis {} of a tensor of rank {}", axis, rank);
  }
  return axis;
}

std::int64_t bits(const std::vector<std::int64_t>& directions) {
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < directions.size() && i < kMaxBodyResults; ++i) {
    if (directions[i] != 0) mask |= std::uint64_t(1) << i;
  }
  return std::int64_t(mask);
}

Status from_onnx(ImportContext& node) {
  const auto scans = std::size_t(node.attrs.integer("num_scan_inputs", 0));
  if (scans < 1 || scans > node.inputs.size()) {
    return fail(Code::kCorrupt, "attribute 'num_scan_inputs' is {}", scans);
  }
  const std::size_t states = node.inputs.size() - scans;
  std::vector<Graph> bodies(1);
  std::vector<ValueId> captures;
  TRY(take_body(node, "body", std::max(states, node.outputs.size()), bodies[0], captures));

  std::vector<ValueId> inputs = node.inputs;
  const auto input_axes = node.attrs.integers("scan_input_axes");
  for (std::size_t i = 0; i < scans; ++i) {
    ValueId& input = inputs[states + i];
    const int rank = node.value(input).dims.rank();
    TRY_VALUE(const std::int64_t axis, axis_at(input_axes, i, rank));
    if (axis > 0) {
      TRY_VALUE(input, node.transpose(input, to_front(axis, rank)));
    }
  }
  inputs.insert(inputs.end(), captures.begin(), captures.end());

  const auto output_axes = node.attrs.integers("scan_output_axes");
  std::vector<std::int64_t> axes;
  for (std::size_t i = states; i < bodies[0].outputs.size(); ++i) {
    const int rank = bodies[0][bodies[0].outputs[i]].dims.rank() + 1;
    TRY_VALUE(const std::int64_t axis, axis_at(output_axes, i - states, rank));
    axes.push_back(axis);
  }
  std::vector<ValueId> outputs = all_outputs(node, bodies[0].outputs.size());
  const std::vector<ValueId> wanted = outputs;
  for (std::size_t i = states; i < outputs.size(); ++i) {
    if (axes[i - states] == 0) continue;
    outputs[i] = node.graph.add_value(fmt::format("{}/stacked{}", node.node_name, i));
  }
  TRY(node.finish("Scan", std::move(inputs),
                  {{"states", std::int64_t(states)},
                   {"scans", std::int64_t(scans)},
                   {"reversed", bits(node.attrs.integers("scan_input_directions"))},
                   {"reversed_outputs", bits(node.attrs.integers("scan_output_directions"))}},
                  outputs, std::move(bodies)));
  for (std::size_t i = states; i < outputs.size(); ++i) {
    const std::int64_t axis = axes[i - states];
    if (axis == 0) continue;
    const int rank = node.value(outputs[i]).dims.rank();
    TRY(node.finish("Transpose", {outputs[i]}, {{"perm", from_front(axis, rank)}}, {wanted[i]}));
  }
  return {};
}

constexpr OnnxRule kOnnx[] = {{"Scan", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "Scan",
    .min_inputs = 1,
    .max_inputs = kMany,
    .min_outputs = 1,
    .max_outputs = kMaxBodyResults,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace,
    .bodies = 1,
};
extern const OpTools tools = {.onnx = kOnnx};

}  // namespace polder::ops::scan
