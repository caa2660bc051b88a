// GRU: gates z, r, h in this order (ONNX). linear_before_reset: the reset gate multiplies the
// product of the state (PyTorch's way) instead of the state.
#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/recurrent.h"

namespace polder::ops::gru {
namespace {

using kernel::Unary;
constexpr int kGates = 3;

void parse(AttrReader& attrs, RecurrentParams& p) {
  parse_recurrent(attrs, p, {Unary::kSigmoid, Unary::kTanh});
  p.linear_before_reset = attrs.flag("linear_before_reset", false);
}

Status infer(InferContext& context) { return infer_recurrent(context, kGates); }

// One row's step in double; `h` is the row's state, `next` and `reset` room for a row each.
template <class T>
void step_row(const RunContext& run, const Recurrence& r, std::int64_t step, std::int64_t row, T* h,
              T* next, T* reset) {
  const auto& p = run.as<RecurrentParams>();
  const GateSums<T> sums{run, r, kGates};
  const auto gate = [&](std::int64_t g, std::int64_t k) {
    const std::int64_t at = g * r.hidden + k;
    return activate(p.activations[0], clip_sum(p, sums.x_part(at, step, row) + sums.h_part(at, h)));
  };
  for (std::int64_t k = 0; k < r.hidden; ++k) reset[k] = T(gate(1, k) * double(h[k]));
  for (std::int64_t k = 0; k < r.hidden; ++k) {
    const std::int64_t at = 2 * r.hidden + k;
    const double product =
        p.linear_before_reset ? gate(1, k) * sums.h_part(at, h) : sums.h_part(at, reset);
    const double n = activate(p.activations[1], clip_sum(p, sums.x_part(at, step, row) + product));
    const double z = gate(0, k);
    next[k] = T((1 - z) * n + z * double(h[k]));
  }
  std::copy_n(next, r.hidden, h);
}

template <class T>
void reference_of(const RunContext& run) {
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    T* h = reinterpret_cast<T*>(run.workspace);
    T* next = h + r.batch * r.hidden;
    load_state(run, kInitialH, r, h);
    T* y = output_data<T>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      for (std::int64_t row = first; row < first + rows; ++row) {
        step_row(run, r, step, row, h + row * r.hidden, next, next + r.hidden);
      }
      if (y) std::copy_n(h + first * r.hidden, rows * r.hidden, y + r.y_offset(step, first));
    });
    store_state(run, 1, r, h);
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
  return std::size_t((batch + 2) * hidden) * sizeof(double);
}

// R is packed gate by gate, since the last may wait for the reset. Product of gates
// [first, first + count) with `state`, into `to`, whose rows are those of all gates.
struct Products {
  const RunContext& run;
  const Recurrence& r;
  const float* weights;  // of this direction

  void make(std::int64_t first, std::int64_t count, const float* state, std::int64_t rows,
            float* to) const {
    const std::int64_t width = kGates * r.hidden;
    for (std::int64_t g = first; g < first + count; ++g) {
      kernel::GemmArgs gemm;
      gemm.a = state;
      gemm.weights = weights + g * kernel::panel_elements(r.hidden, r.hidden);
      gemm.c = to + g * r.hidden;
      gemm.m = int(rows), gemm.n = int(r.hidden), gemm.k = int(r.hidden);
      gemm.a_stride = r.hidden;
      gemm.c_stride = width;
      if (run.has(kRecurrentB)) {
        gemm.epilogue.bias =
            run.in(kRecurrentB).as<float>() + (2 * r.direction + 1) * width + g * r.hidden;
      }
      kernel::run(run.parallel, run.kernels.gemm, gemm);
    }
  }
};

void vector_step(const Products& products, const float* sums, float* h_sums, float* h, float* reset,
                 std::int64_t rows) {
  const RunContext& run = products.run;
  const auto& p = run.as<RecurrentParams>();
  const std::int64_t hidden = products.r.hidden;
  kernel::GruCellArgs cell;
  cell.xz = sums;
  cell.xr = sums + hidden;
  cell.xn = sums + 2 * hidden;
  cell.hz = h_sums;
  cell.hr = h_sums + hidden;
  cell.hn = h_sums + 2 * hidden;
  cell.x_stride = cell.h_gate_stride = kGates * hidden;
  cell.h_before = cell.h = h;
  cell.h_stride = hidden;
  cell.batch = int(rows), cell.hidden = int(hidden);
  cell.clip = float(p.clip);
  products.make(0, p.linear_before_reset ? 3 : 2, h, rows, h_sums);
  if (!p.linear_before_reset) {
    cell.reset_out = reset;
    kernel::run(run.parallel, run.kernels.gru_cell, cell);
    products.make(2, 1, reset, rows, h_sums);
    cell.reset_out = nullptr;
    cell.hn_is_reset = true;
  }
  kernel::run(run.parallel, run.kernels.gru_cell, cell);
}

void run_vector(const RunContext& run, const RecurrentBuffers& buffers, const float* w,
                const float* weights) {
  float* h = buffers.states[0];
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    const std::int64_t width = kGates * r.hidden;
    load_state(run, kInitialH, r, h);
    project_inputs(run, r, kGates, w, buffers.sums);
    const Products products{run, r,
                            weights + d * kGates * kernel::panel_elements(r.hidden, r.hidden)};
    float* y = output_data<float>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      vector_step(products, buffers.sums + (step * r.batch + first) * width, buffers.products,
                  h + first * r.hidden, buffers.states[1], rows);
      if (y) std::copy_n(h + first * r.hidden, rows * r.hidden, y + r.y_offset(step, first));
    });
    store_state(run, 1, r, h);
  }
}

using Vector = VectorRecurrence<kGates, true, run_vector>;

Choice choose(const NodeInfo& node) {
  const auto& p = node.as<RecurrentParams>();
  const bool usual = p.activations[0].op == Unary::kSigmoid && p.activations[1].op == Unary::kTanh;
  if (!usual) return {};
  return Vector::choose(node);
}

Status from_onnx(ImportContext& node) {
  return import_recurrent(node, "GRU", 2,
                          {{"linear_before_reset", node.attrs.integer("linear_before_reset", 0)}});
}

std::vector<Sample> samples() {
  std::vector<Sample> all = recurrent_samples(kGates, 2);
  for (Sample sample : recurrent_samples(kGates, 2)) {
    sample.name += ", linear before reset";
    sample.attrs.set("linear_before_reset", std::int64_t(1));
    all.push_back(std::move(sample));
  }
  return all;
}

constexpr OnnxRule kOnnx[] = {{"GRU", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "GRU",
    .min_inputs = 3,
    .max_inputs = 6,
    .max_outputs = 2,
    .parse = parser<RecurrentParams, parse>,
    .params_bytes = sizeof(RecurrentParams),
    .infer = infer,
    .reference = reference,
    .reference_workspace = reference_workspace,
    .choose = choose,
    .optional_outputs = 0b11,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .macs = recurrent_macs};

}  // namespace polder::ops::gru
