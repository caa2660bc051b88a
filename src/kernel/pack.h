// The layouts in which kernels read weights. They are the same for every instruction set, so a
// plan is packed once. Packing runs at compile time, or at load, on plain loops.
#pragma once

#include <cstdint>

namespace polder::kernel {

enum class Layout : std::uint8_t {
  kPlain = 0,   // row-major, as the format says
  kPanels = 1,  // [ceil(outputs / 16)][k][16], zero-filled: conv, gemm
  kTaps = 2,    // [ceil(channels / 16)][kernel_h * kernel_w][16], zero-filled: depthwise
};

inline constexpr int kPanelWidth = 16;

// Elements (floats) of `outputs` x `k` weights in panels.
constexpr std::int64_t panel_elements(std::int64_t outputs, std::int64_t k) {
  return (outputs + kPanelWidth - 1) / kPanelWidth * kPanelWidth * k;
}

// panels[o / 16][p][o % 16] = weights[o * output_stride + p * k_stride], zero where o >= outputs.
// OHWI convolution weights: output_stride = k = kernel_h * kernel_w * in_c / groups, k_stride = 1,
// once for each group, panel_elements() apart. A row-major [k, n] matrix: output_stride 1,
// k_stride n. `panels` holds panel_elements(outputs, k) floats.
void pack_panels(const float* weights, std::int64_t output_stride, std::int64_t k_stride,
                 std::int64_t outputs, std::int64_t k, float* panels);

// Elements (floats) of depthwise weights in taps.
constexpr std::int64_t tap_elements(std::int64_t channels, std::int64_t kernel_taps) {
  return panel_elements(channels, kernel_taps);
}

// taps[c / 16][t][c % 16] = weights[c * channel_stride + t * tap_stride], zero where c >= channels;
// `channels` counts outputs. ONNX [C, 1, kh, kw]: channel_stride kh * kw, tap_stride 1. TFLite
// [1, kh, kw, C]: channel_stride 1, tap_stride C. `taps` holds tap_elements() floats.
void pack_taps(const float* weights, std::int64_t channel_stride, std::int64_t tap_stride,
               std::int64_t channels, std::int64_t kernel_taps, float* taps);

}  // namespace polder::kernel
