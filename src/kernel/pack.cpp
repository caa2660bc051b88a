#include "kernel/pack.h"

#include <algorithm>

namespace polder::kernel {

void pack_panels(const float* weights, std::int64_t output_stride, std::int64_t k_stride,
                 std::int64_t outputs, std::int64_t k, float* panels) {
  for (std::int64_t first = 0; first < outputs; first += kPanelWidth) {
    const std::int64_t filled = std::min<std::int64_t>(kPanelWidth, outputs - first);
    const float* from = weights + first * output_stride;
    for (std::int64_t p = 0; p < k; ++p, panels += kPanelWidth) {
      for (std::int64_t o = 0; o < filled; ++o) panels[o] = from[o * output_stride + p * k_stride];
      std::fill(panels + filled, panels + kPanelWidth, 0.0f);
    }
  }
}

void pack_taps(const float* weights, std::int64_t channel_stride, std::int64_t tap_stride,
               std::int64_t channels, std::int64_t kernel_taps, float* taps) {
  pack_panels(weights, channel_stride, tap_stride, channels, kernel_taps, taps);
}

}  // namespace polder::kernel
