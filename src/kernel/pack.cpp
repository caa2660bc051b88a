#include "kernel/pack.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace polder::kernel {
namespace {

// Floats at any address: files do not align them.
class Floats {
 public:
  explicit Floats(const void* data) : data_(static_cast<const std::byte*>(data)) {}
  float operator[](std::int64_t i) const {
    float value;
    std::memcpy(&value, data_ + i * std::int64_t(sizeof value), sizeof value);
    return value;
  }

 private:
  const std::byte* data_;
};

// One line of a panel: `filled` outputs, stride apart, and zeros.
inline void pack_line(Floats from, std::int64_t at, std::int64_t stride, std::int64_t filled,
                      float* line) {
  if (filled == kPanelWidth) {
    for (int o = 0; o < kPanelWidth; ++o) line[o] = from[at + o * stride];
    return;
  }
  for (std::int64_t o = 0; o < filled; ++o) line[o] = from[at + o * stride];
  std::fill(line + filled, line + kPanelWidth, 0.0f);
}

}  // namespace

void pack_panels(const PanelSource& source, float* panels) {
  const Floats from(source.weights);
  const std::int64_t stride = source.output_stride;
  for (std::int64_t first = 0; first < source.outputs; first += kPanelWidth) {
    const std::int64_t filled = std::min<std::int64_t>(kPanelWidth, source.outputs - first);
    // Channels outside: files that have channels first are read in order, and a line of each tap is
    // written.
    for (std::int64_t c = 0; c < source.channels; ++c) {
      std::int64_t at = first * stride + c * source.channel_stride;
      for (std::int64_t tap = 0; tap < source.taps; ++tap, at += source.tap_stride) {
        float* line = panels + (tap * source.channels + c) * kPanelWidth;
        pack_line(from, at, stride, filled, line);
      }
    }
    panels += source.taps * source.channels * kPanelWidth;
  }
}

void pack_panels(const void* weights, std::int64_t output_stride, std::int64_t k_stride,
                 std::int64_t outputs, std::int64_t k, float* panels) {
  pack_panels({weights, outputs, 1, k, output_stride, 0, k_stride}, panels);
}

void pack_taps(const void* weights, std::int64_t channel_stride, std::int64_t tap_stride,
               std::int64_t channels, std::int64_t kernel_taps, float* taps) {
  pack_panels(weights, channel_stride, tap_stride, channels, kernel_taps, taps);
}

}  // namespace polder::kernel
