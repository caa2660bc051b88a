// The kernels of each instruction set as a table of function pointers, and the choice among them.
//
//   const kernel::Kernels& k = *kernel::kernels_for(kernel::best_isa());
//   kernel::GemmArgs args{...};
//   kernel::run(parallel, k.gemm, args);
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernel/conv.h"
#include "kernel/elementwise.h"
#include "kernel/gemm.h"
#include "kernel/layout.h"
#include "kernel/pack.h"
#include "kernel/parallel.h"
#include "kernel/recurrent.h"
#include "kernel/reduce.h"

namespace polder::kernel {

// Numbers are stable: plan files hold them.
enum class Isa : std::uint8_t {
  kGeneric = 0,    // what the compiler's default target gives
  kX86V3 = 1,      // AVX2, FMA, F16C, BMI2
  kX86V4 = 2,      // v3 and AVX-512 F, BW, CD, DQ, VL
  kArm64Neon = 3,  // any arm64
};
inline constexpr Isa kAllIsas[] = {Isa::kGeneric, Isa::kX86V3, Isa::kX86V4, Isa::kArm64Neon};

// "generic", "x86-64-v3", "x86-64-v4", "arm64"
std::string_view isa_name(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);
// Whether this CPU and its operating system can run it.
bool cpu_supports(Isa isa);
// The same, and this build holds it.
bool machine_runs(Isa isa);
// The fastest of these.
Isa best_isa();

template <class Args>
using Kernel = void (*)(const Args& args, int begin, int end);

struct Kernels {
  Isa isa;
  Kernel<ConvArgs> conv;
  Kernel<DepthwiseArgs> depthwise;
  Kernel<GemmArgs> gemm;
  Kernel<MatMulArgs> matmul;
  Kernel<UnaryArgs> unary;
  Kernel<BinaryArgs> binary;
  Kernel<F16ToF32Args> f16_to_f32;
  Kernel<F32ToF16Args> f32_to_f16;
  Kernel<PoolArgs> pool;
  Kernel<ReduceArgs> reduce;
  Kernel<SoftmaxArgs> softmax;
  Kernel<LayerNormArgs> layer_norm;
  Kernel<CopyArgs> copy;
  Kernel<ResizeArgs> resize;
  Kernel<LstmCellArgs> lstm_cell;
  Kernel<GruCellArgs> gru_cell;
};

// Null when this build is for another architecture. Lives as long as the program. Running it
// requires cpu_supports(isa).
const Kernels* kernels_for(Isa isa);

// Runs all tasks of a kernel over the threads of `parallel`.
template <class Args>
void run(Parallel& parallel, Kernel<Args> kernel, const Args& args) {
  const int count = tasks(args);
  if (count <= 1 || parallel.width() == 1) return kernel(args, 0, count);
  parallel.for_each(count, [&](int i) { kernel(args, i, i + 1); });
}

}  // namespace polder::kernel
