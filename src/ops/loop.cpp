// Loop: runs a body until a count is reached or a condition ends it. Inputs: the count (absent: no
// limit), the condition to start (absent: true), `carried` values, then what the body captures.
// The body reads the iteration's number, the condition, the carried values and the captures; it
// makes the condition to go on, the carried values, and elements that become the further outputs.
#include <algorithm>
#include <limits>

#include "ops/bodies.h"
#include "ops/tools.h"

namespace polder::ops::loop {
namespace {

// Iterations whose extents are followed one by one; then they are taken to grow as in the last one.
// A run that outgrows that is an error, as above any other bound.
constexpr std::int64_t kFollowed = 3;
constexpr int kFirstCarried = 2;

struct Params {
  int carried;
  bool to_the_end;                     // no condition ends it before the count
  std::uint8_t free[kMaxBodyResults];  // per carried value: bit i: the body changes axis i
};

void parse(AttrReader& attrs, Params& p) {
  p.carried = int(attrs.integer("carried", 0, 0, kMaxBodyResults - 1));
  p.to_the_end = attrs.flag("to_the_end", false);
  std::int64_t free[kMaxBodyResults] = {};
  attrs.integers("free", free, 0, 0, (1 << kMaxRank) - 1);
  std::copy(std::begin(free), std::end(free), p.free);
}

bool is_free(const Params& p, int i, int axis) { return (p.free[i] >> axis) & 1; }

// The count where it is known; negative ones count as 0.
bool known_count(const InferContext& context, std::int64_t& count) {
  double value = 0;
  if (!context.has(0) || !context.scalar(0, value)) return false;
  count = std::int64_t(std::clamp(value, 0.0, double(kMaxElements)));
  return true;
}

class Inference {
 public:
  Inference(InferContext& context, const Params& p) : context_(context), p_(p) {}

  Status run() {
    TRY(check_inputs());
    for (int i = 0; i < p_.carried; ++i) set_carried(i, carried_in(i).dims);
    std::int64_t count = 0;
    const bool counted = known_count(context_, count);
    TRY(follow(count, counted));
    for (int i = 0; i < p_.carried; ++i) set_carried(i, carried_dims(i));
    const Dim length =
        counted && p_.to_the_end ? Dim(count) : context_.new_dim(counted ? count : kUnbounded);
    return stack_results(context_, p_.carried, 1, length);
  }

 private:
  const ValueInfo& carried_in(int i) const { return context_.input(kFirstCarried + i); }
  // The outputs hold the bounds of what is carried, as they rise.
  const Dims& bounds(int i) const { return context_.inferred(i).dims; }
  void set_carried(int i, const Dims& dims) { context_.output(i, carried_in(i).type, dims); }

  Status check_inputs() const {
    if (context_.input_count() < kFirstCarried + p_.carried ||
        context_.output_count() < p_.carried) {
      return fail(Code::kInvalid, "{} inputs and {} outputs for {} carried values",
                  context_.input_count(), context_.output_count(), p_.carried);
    }
    for (int i = 0; i < p_.carried; ++i) {
      if (!carried_in(i).present()) {
        return fail(Code::kInvalid, "carried input {} is absent", kFirstCarried + i);
      }
    }
    if (context_.has(0)) TRY(context_.expect_type(0, {DataType::kI64}));
    if (context_.has(1)) TRY(context_.expect_type(1, {DataType::kBool}));
    return {};
  }

  Dims carried_dims(int i) {
    Dims dims = carried_in(i).dims;
    for (int axis = 0; axis < dims.rank(); ++axis) {
      if (is_free(p_, i, axis)) dims[axis] = context_.new_dim(bounds(i)[axis].bound);
    }
    return dims;
  }

  ValueInfo formal(int i) {
    if (i == 0) return {.type = DataType::kI64};
    if (i == 1) return {.type = DataType::kBool};
    if (i >= kFirstCarried + p_.carried) return context_.input(i);
    // Elements of the first iteration are not those of the next.
    return {.type = context_.type(i), .dims = carried_dims(i - kFirstCarried)};
  }

  // Raises the bounds of what the body changes as the iterations do; ends with the body inferred
  // for the highest.
  Status follow(std::int64_t count, bool counted) {
    const auto tell = [this](int i) { return formal(i); };
    for (std::int64_t i = 0;; ++i) {
      TRY(context_.infer_body(0, {context_.input_count(), tell}, context_.output_count() + 1));
      bool changed = false;
      for (int k = 0; k < p_.carried; ++k) {
        const ValueInfo result = context_.body_result(0, k + 1);
        TRY(check_carried(k, result));
        if ((counted && i >= count) || i > kFollowed) continue;
        Dims raised = bounds(k);
        for (int axis = 0; axis < raised.rank(); ++axis) {
          if (!is_free(p_, k, axis)) continue;
          std::int64_t& bound = raised[axis].bound;
          const std::int64_t growth = result.dims[axis].bound - bound;
          if (growth <= 0) continue;
          changed = true;
          const bool fits = growth < kUnbounded / std::max<std::int64_t>(count, 1);
          if (counted && i < kFollowed) bound = std::min(bound + growth, kUnbounded);
          else if (counted && fits) bound = std::min(bound + growth * (count - i), kUnbounded);
          else bound = kUnbounded;
        }
        set_carried(k, raised);
      }
      if (!changed) return {};
    }
  }

  Status check_carried(int i, const ValueInfo& out) const {
    const ValueInfo& in = carried_in(i);
    bool same = in.type == out.type && in.dims.rank() == out.dims.rank();
    for (int axis = 0; same && axis < in.dims.rank(); ++axis) {
      const Dim a = in.dims[axis], b = out.dims[axis];
      same = is_free(p_, i, axis) || !a.known() || !b.known() || a == b;
    }
    if (same) return {};
    return fail(Code::kUnsupported, "carried value {} is {} {} before the body and {} {} after it",
                i, type_name(in.type), in.dims.text(), type_name(out.type), out.dims.text());
  }

  InferContext& context_;
  const Params& p_;
};

Status infer(InferContext& context) { return Inference(context, context.params<Params>()).run(); }

std::size_t workspace(const NodeInfo& node) {
  return Iteration::workspace_bytes(node, node.as<Params>().carried);
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  std::int64_t count = std::numeric_limits<std::int64_t>::max();
  std::uint8_t condition = 1;
  if (run.has(0) && run.in(0).shape.elements() > 0) count = *run.in(0).as<std::int64_t>();
  if (run.has(1) && run.in(1).shape.elements() > 0) condition = *run.in(1).as<std::uint8_t>();
  Iteration iteration;
  TRY(iteration.start(run, p.carried, kFirstCarried));
  std::int64_t i = 0;
  iteration.formals()[0] = {&i, DataType::kI64, {}};
  iteration.formals()[1] = {&condition, DataType::kBool, {}};
  while (i < count && condition) {
    TRY(iteration.step(1, i));
    const TensorView go_on = run.bodies->output(0, 0);
    if (go_on.type != DataType::kBool || go_on.shape.elements() < 1) {
      return fail(Code::kInvalid, "the body makes no condition");
    }
    condition = *go_on.as<std::uint8_t>();
    ++i;
  }
  iteration.finish(i);
  return {};
}

// Whether value `id` of the body is always true: a constant, or the condition that it was given.
bool stays_true(const Graph& body, ValueId id) {
  for (auto node = body.nodes.rbegin(); node != body.nodes.rend(); ++node) {
    if (node->op == "Identity" && node->outputs[0] == id) id = node->inputs[0];
  }
  const Value& value = body[id];
  if (value.is_constant() && value.type == DataType::kBool) {
    return !value.data.view.empty() && value.data.view[0] != std::byte(0);
  }
  return id == body.inputs[1];
}

Status from_onnx(ImportContext& node) {
  node.inputs.resize(std::max<std::size_t>(node.inputs.size(), kFirstCarried), kNoValue);
  const std::size_t carried = node.inputs.size() - kFirstCarried;
  std::vector<Graph> bodies(1);
  std::vector<ValueId> captures;
  Graph& body = bodies[0];
  TRY(take_body(node, "body", std::max(carried, node.outputs.size()) + 1, body, captures));

  std::vector<std::int64_t> free;
  for (std::size_t i = 0; i < carried; ++i) {
    const Dims& before = body[body.inputs[kFirstCarried + i]].dims;
    const Dims& after = body[body.outputs[i + 1]].dims;
    std::int64_t axes = 0;
    for (int axis = 0; axis < before.rank(); ++axis) {
      if (!(before[axis] == after[axis])) axes |= 1 << axis;
    }
    free.push_back(axes);
  }
  const ValueId start = node.in(1);
  bool to_the_end = stays_true(body, body.outputs[0]);
  if (start != kNoValue) {
    const Value& value = node.graph[start];
    to_the_end = to_the_end && value.is_constant() && !value.data.view.empty() &&
                 value.data.view[0] != std::byte(0);
  }
  const auto outputs = all_outputs(node, body.outputs.size() - 1);
  std::vector<ValueId> inputs = node.inputs;
  inputs.insert(inputs.end(), captures.begin(), captures.end());
  return node.finish("Loop", std::move(inputs),
                     {{"carried", std::int64_t(carried)},
                      {"to_the_end", std::int64_t(to_the_end)},
                      {"free", free}},
                     outputs, std::move(bodies));
}

constexpr OnnxRule kOnnx[] = {{"Loop", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "Loop",
    .min_inputs = 0,
    .max_inputs = kMany,
    .min_outputs = 0,
    .max_outputs = kMaxBodyResults - 1,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace,
    .bodies = 1,
};
extern const OpTools tools = {.onnx = kOnnx};

}  // namespace polder::ops::loop
