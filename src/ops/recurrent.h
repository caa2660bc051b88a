// What LSTM, GRU and RNN share. Inputs and outputs are ONNX's: x [steps, batch, input], W
// [directions, gates * hidden, input], R [directions, gates * hidden, hidden], B [directions,
// 2 * gates * hidden] (of W, then of R), sequence_lens i32 [batch], initial_h [directions, batch,
// hidden]; y [steps, directions, batch, hidden], y_h [directions, batch, hidden]. A row of the
// batch whose sequence has ended keeps its state and gives zeros.
#pragma once

#include <algorithm>

#include "kernel/activation.h"
#include "ops/tools.h"

namespace polder::ops {

// Attributes: direction (forward, reverse, bidirectional), clip, activation_f, activation_g,
// activation_h with alphas and betas in that order.
struct RecurrentParams {
  enum class Direction : std::uint8_t { kForward, kReverse, kBidirectional };
  Direction direction = Direction::kForward;
  bool input_forget = false;         // LSTM: the forget gate is 1 - the input gate
  bool linear_before_reset = false;  // GRU
  double clip = 0;                   // sums of gates are clamped to [-clip, clip]; 0: not
  kernel::Activation activations[3];
};
enum : int { kRecurrentX, kRecurrentW, kRecurrentR, kRecurrentB, kRecurrentLengths, kInitialH };

// `defaults` are the operator's activations f, g, h.
void parse_recurrent(AttrReader& attrs, RecurrentParams& p,
                     std::initializer_list<kernel::Unary> defaults);
// Checks the inputs above and sets outputs y, y_h and, of an LSTM, y_c.
Status infer_recurrent(InferContext& context, int gates);

// One direction of a node whose extents are known.
struct Recurrence {
  std::int64_t steps, batch, input, hidden, directions;
  std::int64_t direction = 0;
  bool reverse = false;
  const std::int32_t* lengths;  // null: all rows take all steps

  Recurrence(const RunContext& run, int d);
  bool active(std::int64_t row, std::int64_t step) const {
    return !lengths || step < std::int64_t(lengths[row]);
  }
  // Element offset of a row in y.
  std::int64_t y_offset(std::int64_t step, std::int64_t row) const {
    return ((step * directions + direction) * batch + row) * hidden;
  }
  // Element offset of this direction in y_h, y_c and the initial states.
  std::int64_t state_offset() const { return direction * batch * hidden; }
};

// Calls f(step, first row, rows) for each run of rows that have not ended, in order of time; rows
// that have ended get zeros in y.
template <class T, class F>
void for_each_step(const Recurrence& r, T* y, F&& f) {
  for (std::int64_t i = 0; i < r.steps; ++i) {
    const std::int64_t step = r.reverse ? r.steps - 1 - i : i;
    for (std::int64_t row = 0; row < r.batch;) {
      const bool active = r.active(row, step);
      std::int64_t end = row + 1;
      while (end < r.batch && r.active(end, step) == active) ++end;
      if (active) f(step, row, end - row);
      else if (y) std::fill_n(y + r.y_offset(step, row), (end - row) * r.hidden, T(0));
      row = end;
    }
  }
}

// A state buffer [batch, hidden] from input `input` or zeros, and back to output `output`.
template <class T>
void load_state(const RunContext& run, int input, const Recurrence& r, T* state) {
  const std::int64_t count = r.batch * r.hidden;
  if (run.has(input)) std::copy_n(run.in(input).as<T>() + r.state_offset(), count, state);
  else std::fill_n(state, count, T(0));
}
template <class T>
T* output_data(const RunContext& run, int output) {
  return std::size_t(output) < run.outputs.size() ? run.out(output).as<T>() : nullptr;
}
template <class T>
void store_state(const RunContext& run, int output, const Recurrence& r, const T* state) {
  if (T* to = output_data<T>(run, output)) {
    std::copy_n(state, r.batch * r.hidden, to + r.state_offset());
  }
}

// Sum of one gate's element in double: bias, x times W and h times R. `gate_row` counts over the
// gates of a direction; use_h false leaves R's part out, use_x false the others.
template <class T>
struct GateSums {
  const RunContext& run;
  const Recurrence& r;
  std::int64_t gates;

  double x_part(std::int64_t gate_row, std::int64_t step, std::int64_t row) const;
  double h_part(std::int64_t gate_row, const T* h) const;
};

template <class T>
double GateSums<T>::x_part(std::int64_t gate_row, std::int64_t step, std::int64_t row) const {
  const std::int64_t at = r.direction * gates * r.hidden + gate_row;
  const T* x = run.in(kRecurrentX).as<T>() + (step * r.batch + row) * r.input;
  const T* w = run.in(kRecurrentW).as<T>() + at * r.input;
  double sum = 0;
  if (run.has(kRecurrentB)) {
    sum = double(run.in(kRecurrentB).as<T>()[2 * r.direction * gates * r.hidden + gate_row]);
  }
  for (std::int64_t k = 0; k < r.input; ++k) sum += double(x[k]) * double(w[k]);
  return sum;
}

template <class T>
double GateSums<T>::h_part(std::int64_t gate_row, const T* h) const {
  const std::int64_t at = r.direction * gates * r.hidden + gate_row;
  const T* w = run.in(kRecurrentR).as<T>() + at * r.hidden;
  double sum = 0;
  if (run.has(kRecurrentB)) {
    sum = double(run.in(kRecurrentB).as<T>()[(2 * r.direction + 1) * gates * r.hidden + gate_row]);
  }
  for (std::int64_t k = 0; k < r.hidden; ++k) sum += double(h[k]) * double(w[k]);
  return sum;
}

inline double clip_sum(const RecurrentParams& p, double sum) {
  return p.clip > 0 ? std::clamp(sum, -p.clip, p.clip) : sum;
}

// --- The vector path: x W for all steps by one product, then a product and a cell for each ---

// Buffers in the workspace, each 64-byte aligned; sizes from the bounds, so the same function
// plans and runs. `states` further buffers [batch, hidden] follow.
struct RecurrentBuffers {
  float* sums;      // x W + its bias: [steps, batch, gates * hidden]
  float* products;  // h R: [batch, gates * hidden]
  float* states[3];
  float* w;  // packed here when only the run knows them
  float* r;
  std::size_t bytes;
};
RecurrentBuffers recurrent_buffers(std::byte* workspace, const Shape& x, const Shape& w,
                                   const Shape& r, const Packing& r_packing, bool pack_weights);
// Panels of W and R: one block for each direction, or for each gate.
Packing packing_of_w(const Shape& w);
Packing packing_of_r(const Shape& r, int gates, bool by_gate);
// Whether the vector path can run this node.
bool has_vector_recurrence(const NodeInfo& node);
// Fills buffers.sums for direction r.direction. `w`: all directions' panels.
void project_inputs(const RunContext& run, const Recurrence& r, int gates, const float* w,
                    float* sums);

// Packs W and R into the buffers.
void pack_recurrent(const RunContext& run, const RecurrentBuffers& buffers,
                    const Packing& r_packing);
Choice choose_recurrence(const NodeInfo& node, Kernel packed, Kernel packing,
                         const Packing& r_packing);

// The kernels of one operator around its f(run, buffers, W, R), for weights that the compiler has
// packed and for those that only the run knows.
template <int gates, bool by_gate,
          void (*f)(const RunContext&, const RecurrentBuffers&, const float*, const float*)>
struct VectorRecurrence {
  template <bool pack_weights>
  static Status run(const RunContext& context) {
    const TensorView& w = context.in(kRecurrentW);
    const TensorView& r = context.in(kRecurrentR);
    const Packing r_packing = packing_of_r(r.shape, gates, by_gate);
    const RecurrentBuffers buffers =
        recurrent_buffers(context.workspace, context.in(kRecurrentX).shape, w.shape, r.shape,
                          r_packing, pack_weights);
    if (pack_weights) pack_recurrent(context, buffers, r_packing);
    f(context, buffers, pack_weights ? buffers.w : w.as<float>(),
      pack_weights ? buffers.r : r.as<float>());
    return {};
  }
  static Choice choose(const NodeInfo& node) {
    if (!has_vector_recurrence(node)) return {};
    return choose_recurrence(node, run<false>, run<true>,
                             packing_of_r(node.in(kRecurrentR).dims.bounds(), gates, by_gate));
  }
};

double recurrent_macs(const NodeInfo& node);

// --- Import (host only) ---

// Maps ONNX attributes and inputs, turns layout 1 into ours, and makes `outputs` outputs. `attrs`
// are further attributes of the operator's own.
Status import_recurrent(ImportContext& node, std::string_view op, int activations, Attrs attrs);
// Samples for an operator of so many gates.
std::vector<Sample> recurrent_samples(std::int64_t gates, int outputs);

}  // namespace polder::ops
