// If: runs one of two bodies. Input 0 is the condition; then come the values that body 0 ("then")
// captures, `then_inputs` of them, and those that body 1 ("else") captures.
#include "ops/bodies.h"
#include "ops/tools.h"

namespace polder::ops::if_else {
namespace {

struct Params {
  std::int64_t then_inputs;
};

void parse(AttrReader& attrs, Params& p) {
  p.then_inputs = attrs.integer("then_inputs", 0, 0, kMany);
}

template <class T>
std::span<const T> inputs_of(const Params& p, std::span<const T> inputs, int body) {
  const auto captures = inputs.subspan(1);
  return body == 0 ? captures.first(std::size_t(p.then_inputs))
                   : captures.subspan(std::size_t(p.then_inputs));
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  TRY(context.expect_type(0, {DataType::kBool}));
  if (p.then_inputs > context.input_count() - 1) {
    return fail(Code::kInvalid, "attribute 'then_inputs' is {} of {} inputs", p.then_inputs,
                context.input_count());
  }
  for (int body = 0; body < 2; ++body) {
    const auto inputs = inputs_of(p, context.inputs(), body);
    const auto input = [&](int i) { return inputs[std::size_t(i)]; };
    TRY(context.infer_body(body, {int(inputs.size()), input}, context.output_count()));
  }
  for (int i = 0; i < context.output_count(); ++i) {
    ValueInfo out;
    TRY(cover(context, context.body_result(0, i), context.body_result(1, i), i, out));
    context.output(i, out.type, out.dims);
  }
  return {};
}

Status reference(const RunContext& run) {
  const TensorView& condition = run.in(0);
  if (condition.shape.elements() < 1) return fail(Code::kInvalid, "the condition is empty");
  const int body = *condition.as<std::uint8_t>() ? 0 : 1;
  TRY(run.bodies->run(body, inputs_of(run.as<Params>(), run.inputs, body)));
  for (std::size_t i = 0; i < run.outputs.size(); ++i) {
    if (run.outputs[i].type == DataType::kNone) continue;
    const Shape room = run.outputs[i].shape;
    TRY(copy_result(run.bodies->output(body, int(i)), room, run.outputs[i]));
  }
  return {};
}

// A condition that is known when the model is read never comes here: the importer keeps the branch
// taken and drops the node.
Status from_onnx(ImportContext& node) {
  std::vector<Graph> bodies(2);
  std::vector<ValueId> inputs = {node.in(0)};
  std::int64_t then_inputs = 0;
  for (int body = 0; body < 2; ++body) {
    std::vector<ValueId> captures;
    TRY(take_body(node, body == 0 ? "then_branch" : "else_branch", node.outputs.size(),
                  bodies[std::size_t(body)], captures));
    inputs.insert(inputs.end(), captures.begin(), captures.end());
    if (body == 0) then_inputs = std::int64_t(captures.size());
  }
  return node.finish("If", std::move(inputs), {{"then_inputs", then_inputs}}, node.outputs,
                     std::move(bodies));
}

constexpr OnnxRule kOnnx[] = {{"If", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "If",
    .min_inputs = 1,
    .max_inputs = kMany,
    .min_outputs = 1,
    .max_outputs = kMaxBodyResults,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .optional_outputs = ~std::uint64_t(0),
    .bodies = 2,
};
extern const OpTools tools = {.onnx = kOnnx};

}  // namespace polder::ops::if_else
