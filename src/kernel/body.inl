// All kernel bodies, compiled once for each instruction set inside a namespace of its own. What the
// including file defines first is listed in simd.inl and, for register tiles:
//   kTileVectors       vectors of outputs in a usual tile
//   kWideTileVectors   vectors in the tile that takes an odd end, or kTileVectors
//   kMaxTileVectors    the larger of the two
//   kFetchAhead        tiles of kTileVectors fetch the weights that come next
//   tile_rows(vectors) rows of a whole tile
#include "kernel/simd.inl"
#include "kernel/math.inl"
#include "kernel/product.inl"
#include "kernel/conv.inl"
#include "kernel/matmul.inl"
#include "kernel/depthwise.inl"
#include "kernel/elementwise.inl"
#include "kernel/reduce.inl"
#include "kernel/layout.inl"
#include "kernel/recurrent.inl"

constexpr Kernels kTable = {
    .isa = kIsa,
    .conv = conv,
    .depthwise = depthwise,
    .gemm = gemm,
    .matmul = matmul,
    .unary = unary,
    .binary = binary,
    .f16_to_f32 = f16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .pool = pool,
    .reduce = reduce,
    .softmax = softmax,
    .layer_norm = layer_norm,
    .copy = copy,
    .resize = resize,
    .lstm_cell = lstm_cell,
    .gru_cell = gru_cell,
};
