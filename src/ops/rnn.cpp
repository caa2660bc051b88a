// RNN: h = f(x W + h R + both biases), f tanh unless activation_f says otherwise.
#include "kernel/table.h"
#include "ops/fused.h"
#include "ops/recurrent.h"

namespace polder::ops::rnn {
namespace {

using kernel::Unary;
constexpr int kGates = 1;

void parse(AttrReader& attrs, RecurrentParams& p) { parse_recurrent(attrs, p, {Unary::kTanh}); }

Status infer(InferContext& context) { return infer_recurrent(context, kGates); }

template <class T>
void step_row(const RunContext& run, const Recurrence& r, std::int64_t step, std::int64_t row, T* h,
              T* next) {
  const auto& p = run.as<RecurrentParams>();
  const GateSums<T> sums{run, r, kGates};
  for (std::int64_t k = 0; k < r.hidden; ++k) {
    next[k] =
        T(activate(p.activations[0], clip_sum(p, sums.x_part(k, step, row) + sums.h_part(k, h))));
  }
  std::copy_n(next, r.hidden, h);
}

template <class T>
void reference_of(const RunContext& run) {
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    T* h = reinterpret_cast<T*>(run.workspace);
    load_state(run, kInitialH, r, h);
    T* y = output_data<T>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      for (std::int64_t row = first; row < first + rows; ++row) {
        step_row(run, r, step, row, h + row * r.hidden, h + r.batch * r.hidden);
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
  return std::size_t((batch + 1) * hidden) * sizeof(double);
}

void run_vector(const RunContext& run, const RecurrentBuffers& buffers, const float* w,
                const float* weights) {
  float* h = buffers.states[0];
  float* next = buffers.states[1];
  for (int d = 0; d < int(run.in(kRecurrentR).shape[0]); ++d) {
    const Recurrence r(run, d);
    load_state(run, kInitialH, r, h);
    project_inputs(run, r, kGates, w, buffers.sums);
    float* y = output_data<float>(run, 0);
    for_each_step(r, y, [&](std::int64_t step, std::int64_t first, std::int64_t rows) {
      const std::int64_t count = rows * r.hidden;
      kernel::GemmArgs gemm;
      gemm.a = h + first * r.hidden;
      gemm.weights = weights + d * kernel::panel_elements(r.hidden, r.hidden);
      gemm.c = next;
      gemm.m = int(rows), gemm.n = int(r.hidden), gemm.k = int(r.hidden);
      gemm.a_stride = gemm.c_stride = r.hidden;
      gemm.epilogue.residual = buffers.sums + (step * r.batch + first) * r.hidden;
      gemm.epilogue.residual_stride = r.hidden;
      gemm.epilogue.activation = run.as<RecurrentParams>().activations[0];
      if (run.has(kRecurrentB)) {
        gemm.epilogue.bias = run.in(kRecurrentB).as<float>() + (2 * d + 1) * r.hidden;
      }
      kernel::run(run.parallel, run.kernels.gemm, gemm);
      std::copy_n(next, count, h + first * r.hidden);
      if (y) std::copy_n(next, count, y + r.y_offset(step, first));
    });
    store_state(run, 1, r, h);
  }
}

using Vector = VectorRecurrence<kGates, false, run_vector>;

Choice choose(const NodeInfo& node) {
  if (node.as<RecurrentParams>().clip > 0) return {};
  return Vector::choose(node);
}

Status from_onnx(ImportContext& node) { return import_recurrent(node, "RNN", 1, {}); }

std::vector<Sample> samples() {
  std::vector<Sample> all = recurrent_samples(kGates, 2);
  for (Sample sample : recurrent_samples(kGates, 2)) {
    sample.name += ", relu";
    sample.attrs.set("activation_f", std::string("clamp"));
    sample.attrs.set("betas", std::vector<double>{AttrReader::kInf});
    all.push_back(std::move(sample));
  }
  return all;
}

constexpr OnnxRule kOnnx[] = {{"RNN", from_onnx}};

}  // namespace

extern const OpDef def = {
    .name = "RNN",
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

}  // namespace polder::ops::rnn
