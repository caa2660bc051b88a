// The element-wise half of a recurrent step: what follows the two matrix products. The products
// W x (for all steps at once) and R h are gemm kernels; their sums, biases included, come in here.
// Conventions: see conv.h.
#pragma once

#include <cstdint>

namespace polder::kernel {

// c = sigmoid(f) * c_before + sigmoid(i) * tanh(g);  h = sigmoid(o) * tanh(c)
// with peepholes: i += p_i c_before, f += p_f c_before, o += p_o c. Each gate points at its own
// [batch, hidden] block, rows gate_stride apart, so any order of gates (ONNX iofc, TFLite ifco) is
// the same call. In place is allowed for c.
struct LstmCellArgs {
  const float* i = nullptr;
  const float* f = nullptr;
  const float* g = nullptr;  // the candidate ("c" in ONNX)
  const float* o = nullptr;
  std::int64_t gate_stride = 0;
  const float* c_before = nullptr;  // [batch, hidden], rows state_stride apart
  float* c = nullptr;               // as above
  float* h = nullptr;               // [batch, hidden], rows h_stride apart
  std::int64_t state_stride = 0, h_stride = 0;
  const float* peephole_i = nullptr;  // [hidden], or null
  const float* peephole_f = nullptr;
  const float* peephole_o = nullptr;
  int batch = 1, hidden = 1;
  float clip = 0;  // sums of gates are clamped to [-clip, clip] before the activation; 0: not
};
int tasks(const LstmCellArgs& args);

// z = sigmoid(xz + hz);  r = sigmoid(xr + hr);  h = (1 - z) * tanh(xn + r * hn) + z * h_before
// This is linear_before_reset = 1 (PyTorch); the x and h sums carry their own biases. For
// linear_before_reset = 0 call once with reset_out set, multiply r * h_before through R_n, and call
// again with hn_is_reset set: hn is then added as it is.
struct GruCellArgs {
  const float* xz = nullptr;  // [batch, hidden], rows x_stride apart; so are xr and xn
  const float* xr = nullptr;
  const float* xn = nullptr;
  const float* hz = nullptr;  // [batch, hidden], rows h_gate_stride apart; so are hr and hn
  const float* hr = nullptr;
  const float* hn = nullptr;
  std::int64_t x_stride = 0, h_gate_stride = 0;
  const float* h_before = nullptr;  // [batch, hidden], rows h_stride apart
  float* h = nullptr;               // as above; in place is allowed
  std::int64_t h_stride = 0;
  float* reset_out = nullptr;  // [batch, hidden] dense: when set, only r * h_before is written here
  bool hn_is_reset = false;
  int batch = 1, hidden = 1;
  float clip = 0;
};
int tasks(const GruCellArgs& args);

}  // namespace polder::kernel
