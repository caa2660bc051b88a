// Matrix products in f32: with a matrix packed ahead (weights) and with two plain matrices.
// Conventions: see conv.h.
#pragma once

#include <cstdint>

#include "kernel/activation.h"

namespace polder::kernel {

// C = epilogue(A B) with B packed by pack_panels(). One row (m = 1) streams the weights at the
// speed of memory.
struct GemmArgs {
  const float* a = nullptr;        // [m, k], rows a_stride apart
  const float* weights = nullptr;  // pack_panels() of B: k rows, n outputs
  float* c = nullptr;              // [m, n], rows c_stride apart
  int m = 1, n = 1, k = 1;
  std::int64_t a_stride = 0, c_stride = 0;  // in elements
  Epilogue epilogue;
};
int tasks(const GemmArgs& args);

// C = epilogue(alpha A B) of two plain matrices, each with a stride for both axes, so that either
// may be transposed. A batch is a loop of the caller's. k may be 0 (the sum is then 0).
struct MatMulArgs {
  const float* a = nullptr;  // A[i][p] = a[i * a_row_stride + p * a_k_stride]
  const float* b = nullptr;  // B[p][j] = b[p * b_k_stride + j * b_column_stride]
  float* c = nullptr;        // [m, n], rows c_stride apart
  int m = 1, n = 1, k = 1;
  std::int64_t a_row_stride = 0, a_k_stride = 1;
  std::int64_t b_k_stride = 0, b_column_stride = 1;
  std::int64_t c_stride = 0;
  float alpha = 1;
  Epilogue epilogue;
};
int tasks(const MatMulArgs& args);

}  // namespace polder::kernel
