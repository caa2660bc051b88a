#include "ops/recurrent.h"

#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/pack.h"
#include "ops/window.h"

namespace polder::ops {

using kernel::Unary;

void parse_recurrent(AttrReader& attrs, RecurrentParams& p, std::initializer_list<Unary> defaults) {
  static constexpr std::string_view kDirections[] = {"forward", "reverse", "bidirectional"};
  static constexpr std::string_view kNames[] = {"activation_f", "activation_g", "activation_h"};
  p.direction = RecurrentParams::Direction(attrs.choice("direction", kDirections, 0));
  p.clip = attrs.real("clip", 0, 0);
  double alphas[3] = {}, betas[3] = {};
  attrs.reals("alphas", alphas, 0);
  attrs.reals("betas", betas, 0);
  std::size_t i = 0;
  for (const Unary fallback : defaults) {
    p.activations[i].op = Unary(attrs.choice(kNames[i], unary_names(), int(fallback)));
    p.activations[i].alpha = float(alphas[i]);
    p.activations[i].beta = float(betas[i]);
    ++i;
  }
}

namespace {
Status check_dims(const InferContext& context, int input, std::initializer_list<Dim> expected) {
  if (!context.has(input)) return {};
  const Dims& dims = context.dims(input);
  const Dims wanted(expected);
  bool same = dims.rank() == wanted.rank();
  for (int axis = 0; same && axis < dims.rank(); ++axis) {
    same = !dims[axis].known() || !wanted[axis].known() || dims[axis].bound == wanted[axis].bound;
  }
  if (same) return {};
  return fail(Code::kInvalid, "input {} is {}; {} expected", input, dims.text(), wanted.text());
}
}  // namespace

Status infer_recurrent(InferContext& context, int gates) {
  const auto& p = context.params<RecurrentParams>();
  TRY(context.expect_type(kRecurrentX, {DataType::kF32, DataType::kF64}));
  for (int i = 1; i < context.input_count(); ++i) {
    if (!context.has(i)) continue;
    TRY(context.expect_type(i, {i == kRecurrentLengths ? DataType::kI32 : context.type(0)}));
  }
  TRY(context.expect_rank(kRecurrentX, 3, 3));
  TRY(context.expect_rank(kRecurrentR, 3, 3));
  const Dims& x = context.dims(kRecurrentX);
  const Dims& r = context.dims(kRecurrentR);
  if (!context.dims(kRecurrentW).known() || !r.known() || r.max_elements() == 0 ||
      context.dims(kRecurrentW).max_elements() == 0) {
    return fail(Code::kUnsupported, "weights {} and {}: known dimensions above 0 expected",
                context.dims(kRecurrentW).text(), r.text());
  }
  const bool both = p.direction == RecurrentParams::Direction::kBidirectional;
  const Dim directions = both ? 2 : 1, hidden = r[2], rows = gates * hidden.bound;
  TRY(check_dims(context, kRecurrentW, {directions, rows, x[2]}));
  TRY(check_dims(context, kRecurrentR, {directions, rows, hidden}));
  TRY(check_dims(context, kRecurrentB, {directions, 2 * rows.bound}));
  TRY(check_dims(context, kRecurrentLengths, {x[1]}));
  TRY(check_dims(context, kInitialH, {directions, x[1], hidden}));
  TRY(check_dims(context, kInitialH + 1, {directions, x[1], hidden}));      // of an LSTM: c
  TRY(check_dims(context, kInitialH + 2, {directions, 3 * hidden.bound}));  // and peepholes
  context.output(0, context.type(0), {x[0], directions, x[1], hidden});
  for (int i = 1; i < context.output_count(); ++i) {
    context.output(i, context.type(0), {directions, x[1], hidden});
  }
  return {};
}

Recurrence::Recurrence(const RunContext& run, int d)
    : steps(run.in(kRecurrentX).shape[0]),
      batch(run.in(kRecurrentX).shape[1]),
      input(run.in(kRecurrentX).shape[2]),
      hidden(run.in(kRecurrentR).shape[2]),
      directions(run.in(kRecurrentR).shape[0]),
      direction(d),
      lengths(run.has(kRecurrentLengths) ? run.in(kRecurrentLengths).as<std::int32_t>() : nullptr) {
  const auto& p = run.as<RecurrentParams>();
  reverse = d == 1 || p.direction == RecurrentParams::Direction::kReverse;
}

RecurrentBuffers recurrent_buffers(std::byte* workspace, const Shape& x, const Shape& w,
                                   const Shape& r, const Packing& r_packing, bool pack_weights) {
  RecurrentBuffers buffers{};
  std::size_t at = 0;
  const auto take = [&](std::size_t bytes) {
    auto* buffer = reinterpret_cast<float*>(reinterpret_cast<std::uintptr_t>(workspace) + at);
    at += (bytes + 63) / 64 * 64;
    return buffer;
  };
  const std::int64_t rows = r[1], hidden = r[2];
  buffers.sums = take(std::size_t(x[0] * x[1] * rows) * sizeof(float));
  buffers.products = take(std::size_t(x[1] * rows) * sizeof(float));
  for (float*& state : buffers.states) state = take(std::size_t(x[1] * hidden) * sizeof(float));
  if (pack_weights) {
    buffers.w = take(packed_bytes(packing_of_w(w), w));
    buffers.r = take(packed_bytes(r_packing, r));
  }
  buffers.bytes = at;
  return buffers;
}

Packing packing_of_w(const Shape& w) { return {Layout::kPanels, std::int32_t(w[0]), w[2]}; }

Packing packing_of_r(const Shape& r, int gates, bool by_gate) {
  return {Layout::kPanels, std::int32_t(r[0]) * (by_gate ? gates : 1), r[2]};
}

bool has_vector_recurrence(const NodeInfo& node) {
  if (node.in(kRecurrentX).type != DataType::kF32) return false;
  const Shape x = node.in(kRecurrentX).dims.bounds();
  const Dims all = {Shape{x[0], x[1]}.elements(), x[2]};
  return fits_int(all) && fits_int(node.in(kRecurrentW).dims) &&
         fits_int(node.in(kRecurrentR).dims);
}

void pack_recurrent(const RunContext& run, const RecurrentBuffers& buffers,
                    const Packing& r_packing) {
  const TensorView& w = run.in(kRecurrentW);
  const TensorView& r = run.in(kRecurrentR);
  pack(packing_of_w(w.shape), w.shape, w.as<float>(), buffers.w);
  pack(r_packing, r.shape, r.as<float>(), buffers.r);
}

Choice choose_recurrence(const NodeInfo& node, Kernel packed, Kernel packing,
                         const Packing& r_packing) {
  const Shape w = node.in(kRecurrentW).dims.bounds();
  const bool constant = node.in(kRecurrentW).constant() && node.in(kRecurrentR).constant();
  Choice choice{.kernel = constant ? packed : packing, .name = "gemm and cell"};
  if (constant) {
    choice.packing[kRecurrentW] = packing_of_w(w);
    choice.packing[kRecurrentR] = r_packing;
  }
  choice.workspace_bytes =
      recurrent_buffers(nullptr, node.in(kRecurrentX).dims.bounds(), w,
                        node.in(kRecurrentR).dims.bounds(), r_packing, !constant)
          .bytes;
  return choice;
}

void project_inputs(const RunContext& run, const Recurrence& r, int gates, const float* w,
                    float* sums) {
  const std::int64_t rows = gates * r.hidden;
  if (r.steps * r.batch == 0) return;
  kernel::GemmArgs args;
  args.a = run.in(kRecurrentX).as<float>();
  args.weights = w + r.direction * kernel::panel_elements(rows, r.input);
  args.c = sums;
  args.m = int(r.steps * r.batch);
  args.n = int(rows);
  args.k = int(r.input);
  args.a_stride = r.input;
  args.c_stride = rows;
  if (run.has(kRecurrentB)) {
    args.epilogue.bias = run.in(kRecurrentB).as<float>() + 2 * r.direction * rows;
  }
  kernel::run(run.parallel, run.kernels.gemm, args);
}

double recurrent_macs(const NodeInfo& node) {
  const Dims& x = node.in(kRecurrentX).dims;
  return double(x[0].bound) * double(x[1].bound) *
         double(node.in(kRecurrentW).dims.max_elements() +
                node.in(kRecurrentR).dims.max_elements());
}

// --- Import ---

namespace {
// ONNX's activation as ours, with its default parameters.
struct Named {
  std::string_view theirs, ours;
  double alpha = 0, beta = 0;
};
constexpr double kInf = std::numeric_limits<double>::infinity();
// ONNX's names, whose case does not matter.
constexpr Named kActivations[] = {{"sigmoid", "sigmoid"},
                                  {"tanh", "tanh"},
                                  {"relu", "clamp", 0, kInf},
                                  {"affine", "linear", 1, 0},
                                  {"leakyrelu", "leaky_relu", 0.01},
                                  {"thresholdedrelu", "thresholded", 1},
                                  {"hardsigmoid", "hard_sigmoid", 0.2, 0.5},
                                  {"elu", "elu", 1},
                                  {"softsign", "softsign"},
                                  {"softplus", "softplus"}};

// The parts between commas, in lower case.
std::vector<std::string> split(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

// The list of names arrives joined by commas. Their parameters come in order, for those functions
// that have any, so both lists are walked alongside.
Status map_activations(const ImportContext& node, int count, Attrs& attrs) {
  const std::vector<std::string> names = split(node.attrs.text("activations", ""));
  if (names.empty()) return {};
  if (int(names.size()) < count) {
    return fail(Code::kInvalid, "{} activations; {} expected", names.size(), count);
  }
  for (std::size_t i = std::size_t(count); i < names.size(); ++i) {
    if (names[i] != names[i - std::size_t(count)])
      return fail(Code::kUnsupported, "activations that differ between directions");
  }
  const std::vector<double> given_alphas = node.attrs.reals("activation_alpha");
  const std::vector<double> given_betas = node.attrs.reals("activation_beta");
  std::size_t next_alpha = 0, next_beta = 0;
  std::vector<double> alphas, betas;
  static constexpr std::string_view kNames[] = {"activation_f", "activation_g", "activation_h"};
  for (int i = 0; i < count; ++i) {
    const auto found =
        std::ranges::find(kActivations, std::string_view(names[std::size_t(i)]), &Named::theirs);
    if (found == std::end(kActivations)) {
      return fail(Code::kUnsupported, "activation '{}' in a recurrent operator",
                  names[std::size_t(i)]);
    }
    attrs.set(kNames[i], std::string(found->ours));
    double alpha = found->alpha, beta = found->beta;
    const bool has_alpha = alpha != 0;
    const bool has_beta = found->ours == "linear" || found->ours == "hard_sigmoid";
    if (has_alpha && next_alpha < given_alphas.size()) alpha = given_alphas[next_alpha++];
    if (has_beta && next_beta < given_betas.size()) beta = given_betas[next_beta++];
    alphas.push_back(alpha);
    betas.push_back(beta);
  }
  attrs.set("alphas", alphas);
  attrs.set("betas", betas);
  return {};
}

constexpr std::int64_t kSwap[] = {1, 0, 2};
}  // namespace

Status import_recurrent(ImportContext& node, std::string_view op, int activations, Attrs attrs) {
  const bool batch_first = node.attrs.integer("layout", 0) != 0;
  attrs.set("direction", node.attrs.text("direction", "forward"));
  attrs.set("clip", node.attrs.real("clip", 0));
  TRY(map_activations(node, activations, attrs));
  std::vector<ValueId> in = node.inputs;
  // x, initial_h and initial_c
  for (const int i : {0, 5, 6}) {
    if (!batch_first || !node.has(i) || node.rank(i) != 3) continue;
    TRY_VALUE(in[std::size_t(i)], node.transpose(in[std::size_t(i)], kSwap));
  }
  if (!batch_first) return node.finish(op, std::move(in), std::move(attrs));
  const std::vector<ValueId> theirs = node.outputs;
  std::vector<ValueId> ours;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    ours.push_back(theirs[i] == kNoValue
                       ? kNoValue
                       : node.graph.add_value(fmt::format("{}/out{}", node.node_name, i)));
  }
  TRY(node.finish(op, std::move(in), std::move(attrs), ours));
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    if (theirs[i] == kNoValue) continue;
    const std::vector<std::int64_t> perm =
        i == 0 ? std::vector<std::int64_t>{2, 0, 1, 3} : std::vector<std::int64_t>{1, 0, 2};
    TRY(node.finish("Transpose", {ours[i]}, {{"perm", perm}}, {theirs[i]}));
  }
  return {};
}

std::vector<Sample> recurrent_samples(std::int64_t gates, int outputs) {
  const auto fixed = [](Shape shape) {
    return SampleInput{.shape = shape, .constant = true, .low = -0.5, .high = 0.5};
  };
  const SampleInput absent{.type = DataType::kNone};
  const SampleInput lengths{DataType::kI32, {3}, {5, 2, 0}};
  const std::int64_t g = gates;
  const auto made = [&](Shape y) {
    const Shape state = {y[1], y[2], y[3]};
    std::vector<Shape> shapes(std::size_t(outputs), state);
    shapes[0] = y;
    return shapes;
  };
  return {
      {"one step, one row",
       {{.shape = {1, 1, 19}},
        fixed({1, g * 17, 19}),
        fixed({1, g * 17, 17}),
        fixed({1, 2 * g * 17}),
        absent,
        {.shape = {1, 1, 17}}},
       {},
       made({1, 1, 1, 17})},
      {"steps, no bias",
       {{.shape = {6, 2, 5}}, fixed({1, g * 8, 5}), fixed({1, g * 8, 8})},
       {},
       made({6, 1, 2, 8})},
      {"reverse with lengths",
       {{.shape = {5, 3, 4}},
        fixed({1, g * 6, 4}),
        fixed({1, g * 6, 6}),
        fixed({1, 2 * g * 6}),
        lengths,
        {.shape = {1, 3, 6}}},
       {{"direction", "reverse"}},
       made({5, 1, 3, 6})},
      {"both directions",
       {{.shape = {4, 2, 7}}, fixed({2, g * 5, 7}), fixed({2, g * 5, 5}), fixed({2, 2 * g * 5})},
       {{"direction", "bidirectional"}},
       made({4, 2, 2, 5})},
      {"clipped",
       {{.shape = {3, 1, 4}}, fixed({1, g * 3, 4}), fixed({1, g * 3, 3})},
       {{"clip", 0.2}},
       made({3, 1, 1, 3})},
      {"weights of the run",
       {{.shape = {3, 2, 4}}, {.shape = {1, g * 3, 4}}, {.shape = {1, g * 3, 3}}},
       {},
       made({3, 1, 2, 3}),
       Known::kShapes}};
}

}  // namespace polder::ops
