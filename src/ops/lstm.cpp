// LSTM: gates i, o, f, c in this order (ONNX); optional peepholes i, o, f. Inputs 6 and 7 are the
// initial cell [directions, batch, hidden] and the peepholes [directions, 3 * hidden]; output 2 is
// the last cell.
#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/recurrent.h"

namespace polder::ops::lstm {
namespace {

using kernel::Unary;
enum : int { kInitialC = 6, kPeepholes = 7 };
constexpr int kGates = 4;

void parse(AttrReader& attrs, RecurrentParams& p) {
  parse_recurrent(attrs, p, {Unary::kSigmoid, Unary::kTanh, Unary::kTanh});
  p.input_forget = attrs.flag("input_forget", false);
}

Status infer(InferContext& context) { return infer_recurrent(context, kGates); }

// Peepholes of gate 0 (i), 1 (o) or 2 (f); null without.
template <class T>
const T* peephole(const RunContext& run, const Recurrence& r, int gate) {
  if (!run.has(kPeepholes)) return nullptr;
  return run.in(kPeepholes).as<T>() + (r.direction * 3 + gate) * r.hidden;
}

// One row's step in double; `h` and `c` are the row's states, `next` room for the new h.
template <class T>
void step_row(const RunContext& run, const Recurrence& r, std::int64_t step, std::int64_t row, T* h,
              T* c, T* next) {
  const auto& p = run.as<RecurrentParams>();
  const GateSums<T> sums{run, r, kGates};
  for (std::int64_t k = 0; k < r.hidden; ++k) {
    double gate[kGates];
    for (std::int64_t g = 0; g < kGates; ++g) {
      gate[g] = sums.x_part(g * r.hidden + k, step, row) + sums.h_part(g * r.hidden + k, h);
    }
    const auto peep = [&](int g, double cell) {
      const T* weights = peephole<T>(run, r, g);
      return clip_sum(p, gate[g] + (weights ? double(weights[k]) * cell : 0));
    };
    const double before = double(c[k]);
    const double i = activate(p.activations[0], peep(0, before));
    const double f = p.input_forget ? 1 - i : activate(p.activations[0], peep(2, before));
    const double cell = f * before + i * activate(p.activations[1], clip_sum(p, gate[3]));
    const double o = activate(p.activations[0], peep(1, cell));
    c[k] = T(cell);
    next[k] = T(o * activate(p.activations[2], cell));
  }
  std::copy_n(next, r.hidden, h);
}

template <class T>
void reference_of(const RunContext& run) {
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    T* h = reinterpret_cast<T*>(run.workspace);
    T* c = h + r.batch * r.hidden;
    T* next = c + r.batch * r.hidden;
    load_state(run, kInitialH, r, h);
    load_state(run, kInitialC, r, c);
    T* y = output_data<T>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      for (std::int64_t row = first; row < first + rows; ++row) {
        step_row(run, r, step, row, h + row * r.hidden, c + row * r.hidden, next);
      }
      if (y) std::copy_n(h + first * r.hidden, rows * r.hidden, y + r.y_offset(step, first));
    });
    store_state(run, 1, r, h);
    store_state(run, 2, r, c);
  }
}

Status reference(const RunContext& run) {
  if (run.in(kRecurrentX).type == DataType::kF64) reference_of<double>(run);
  else reference_of<float>(run);
  return {};
}

std::size_t reference_workspace(const NodeInfo& node) {
  const std::int64_t batch = node.in(kRecurrentX).dims[1].bound;
  const std::int64_t hidden = node.in(kRecurrentR).dims[2].bound;
  return std::size_t((2 * batch + 1) * hidden) * sizeof(double);
}

// One step of `rows` rows: their sums get h R and its bias, then the cell.
void vector_step(const RunContext& run, const Recurrence& r, const float* weights, float* sums,
                 float* h, float* c, std::int64_t rows) {
  const std::int64_t width = kGates * r.hidden;
  kernel::GemmArgs gemm;
  gemm.a = h;
  gemm.weights = weights;
  gemm.c = sums;
  gemm.m = int(rows), gemm.n = int(width), gemm.k = int(r.hidden);
  gemm.a_stride = r.hidden;
  gemm.c_stride = width;
  gemm.epilogue.residual = sums;
  gemm.epilogue.residual_stride = width;
  if (run.has(kRecurrentB)) {
    gemm.epilogue.bias = run.in(kRecurrentB).as<float>() + (2 * r.direction + 1) * width;
  }
  kernel::run(run.parallel, run.kernels.gemm, gemm);
  kernel::LstmCellArgs cell;
  cell.i = sums;
  cell.o = sums + r.hidden;
  cell.f = sums + 2 * r.hidden;
  cell.g = sums + 3 * r.hidden;
  cell.gate_stride = width;
  cell.c_before = cell.c = c;
  cell.h = h;
  cell.state_stride = cell.h_stride = r.hidden;
  cell.peephole_i = peephole<float>(run, r, 0);
  cell.peephole_o = peephole<float>(run, r, 1);
  cell.peephole_f = peephole<float>(run, r, 2);
  cell.batch = int(rows), cell.hidden = int(r.hidden);
  cell.clip = float(run.as<RecurrentParams>().clip);
  kernel::run(run.parallel, run.kernels.lstm_cell, cell);
}

void run_vector(const RunContext& run, const RecurrentBuffers& buffers, const float* w,
                const float* weights) {
  float* h = buffers.states[0];
  float* c = buffers.states[1];
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    const std::int64_t width = kGates * r.hidden;
    load_state(run, kInitialH, r, h);
    load_state(run, kInitialC, r, c);
    project_inputs(run, r, kGates, w, buffers.sums);
    float* y = output_data<float>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      vector_step(run, r, weights + d * kernel::panel_elements(width, r.hidden),
                  buffers.sums + (step * r.batch + first) * width, h + first * r.hidden,
                  c + first * r.hidden, rows);
      if (y) std::copy_n(h + first * r.hidden, rows * r.hidden, y + r.y_offset(step, first));
    });
    store_state(run, 1, r, h);
    store_state(run, 2, r, c);
  }
}

using Vector = VectorRecurrence<kGates, false, run_vector>;

Choice choose(const NodeInfo& node) {
  const auto& p = node.as<RecurrentParams>();
  const bool usual = p.activations[0].op == Unary::kSigmoid &&
                     p.activations[1].op == Unary::kTanh && p.activations[2].op == Unary::kTanh &&
                     !p.input_forget;
  if (!usual) return {};
  return Vector::choose(node);
}

Status from_onnx(ImportContext& node) {
  return import_recurrent(node, "LSTM", 3,
                          {{"input_forget", node.attrs.integer("input_forget", 0)}});
}

std::vector<Sample> samples() {
  std::vector<Sample> all = recurrent_samples(kGates, 3);
  const auto fixed = [](Shape shape) { return SampleInput{.shape = shape, .constant = true}; };
  const SampleInput absent{.type = DataType::kNone};
  all.push_back({"peepholes, initial cell",
                 {{.shape = {3, 2, 4}},
                  fixed({1, 12, 4}),
                  fixed({1, 12, 3}),
                  absent,
                  absent,
                  {.shape = {1, 2, 3}},
                  {.shape = {1, 2, 3}},
                  fixed({1, 9})},
                 {},
                 {{3, 1, 2, 3}, {1, 2, 3}, {1, 2, 3}}});
  all.push_back({"input forget, other activations",
                 {{.shape = {3, 2, 4}}, fixed({1, 12, 4}), fixed({1, 12, 3})},
                 {{"input_forget", std::int64_t(1)},
                  {"activation_f", "hard_sigmoid"},
                  {"activation_g", "softsign"},
                  {"alphas", std::vector<double>{0.2, 0, 0}},
                  {"betas", std::vector<double>{0.5, 0, 0}}},
                 {{3, 1, 2, 3}, {1, 2, 3}, {1, 2, 3}}});
  return all;
}

constexpr OnnxRule kOnnx[] = {{"LSTM", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "LSTM",
    .min_inputs = 3,
    .max_inputs = 8,
    .max_outputs = 3,
    .parse = parser<RecurrentParams, parse>,
    .params_bytes = sizeof(RecurrentParams),
    .infer = infer,
    .reference = reference,
    .reference_workspace = reference_workspace,
    .choose = choose,
    .optional_outputs = 0b111,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .macs = recurrent_macs};

}  // namespace polder::ops::lstm
