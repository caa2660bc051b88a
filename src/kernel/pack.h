// The layouts in which kernels read weights: panels, [ceil(outputs / 16)][k][16] for convolutions
// and products, and taps, [ceil(channels / 16)][kernel_h * kernel_w][16] for depthwise
// convolutions, both filled up with zeros. They are the same for every instruction set, so a plan
// is packed once. Packing runs at compile time, or at load, on plain loops.
#pragma once

#include <cstdint>

namespace polder::kernel {

inline constexpr int kPanelWidth = 16;

// Elements (floats) of `outputs` x `k` weights in panels.
constexpr std::int64_t panel_elements(std::int64_t outputs, std::int64_t k) {
  return (outputs + kPanelWidth - 1) / kPanelWidth * kPanelWidth * k;
}

// Weights of `outputs` x (taps x channels), at any address; strides in elements.
struct PanelSource {
  const void* weights;
  std::int64_t outputs;
  std::int64_t taps, channels;
  std::int64_t output_stride, tap_stride, channel_stride;
};

// panels[o / 16][p][o % 16], p = tap * channels + channel, zero where o >= outputs; they hold
// panel_elements(outputs, taps * channels) floats. A convolution has them once for each group.
void pack_panels(const PanelSource& source, float* panels);

// The same for one tap: weights[o * output_stride + p * k_stride]. OHWI convolution weights:
// output_stride = k = kernel_h * kernel_w * in_c / groups, k_stride = 1. A row-major [k, n] matrix:
// output_stride 1, k_stride n.
void pack_panels(const void* weights, std::int64_t output_stride, std::int64_t k_stride,
                 std::int64_t outputs, std::int64_t k, float* panels);

// Elements (floats) of depthwise weights in taps.
constexpr std::int64_t tap_elements(std::int64_t channels, std::int64_t kernel_taps) {
  return panel_elements(channels, kernel_taps);
}

// taps[c / 16][t][c % 16] = weights[c * channel_stride + t * tap_stride], zero where c >= channels;
// `channels` counts outputs. ONNX [C, 1, kh, kw]: channel_stride kh * kw, tap_stride 1. TFLite
// [1, kh, kw, C]: channel_stride 1, tap_stride C. `taps` holds tap_elements() floats.
void pack_taps(const void* weights, std::int64_t channel_stride, std::int64_t tap_stride,
               std::int64_t channels, std::int64_t kernel_taps, float* taps);

}  // namespace polder::kernel
