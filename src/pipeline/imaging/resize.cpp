#include "pipeline/imaging/resize.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace polder::pipeline {

void Resizer::make_taps(float offset, float extent, int limit, int count, std::vector<Tap>& taps) {
  taps.resize(std::size_t(count));
  const float scale = extent / float(count);
  for (int i = 0; i < count; ++i) {
    const float position = offset + (float(i) + 0.5F) * scale - 0.5F;
    const float clamped = std::clamp(position, 0.0F, float(limit - 1));
    Tap& tap = taps[std::size_t(i)];
    tap.at = int(clamped);
    tap.step = tap.at + 1 < limit ? 1 : 0;
    tap.weight = int(std::lround((clamped - float(tap.at)) * 256));
  }
}

namespace {

// Rounding of a region's ends: a float has steps of 2^-10 at the largest sides.
constexpr float kRounding = 1.0F / 256;

// False for NaN.
bool lies_inside(const Rect& region, const Image& image) {
  return region.x >= 0 && region.y >= 0 && region.w > 0 && region.h > 0 &&
         region.right() <= float(image.width) + kRounding &&
         region.bottom() <= float(image.height) + kRounding;
}

}  // namespace

void Resizer::resize(const Image& image, const Rect& region, int width, int height,
                     std::uint8_t* out, int out_stride) {
  POLDER_CHECK(width > 0 && height > 0 && lies_inside(region, image));
  make_taps(region.x, region.w, image.width, width, columns_);
  make_taps(region.y, region.h, image.height, height, rows_);
  const int first = columns_.front().at;
  const int last = columns_.back().at + columns_.back().step;
  const int values = (last - first + 1) * 3;
  row_.resize(std::size_t(values));
  for (int y = 0; y < height; ++y) {
    const Tap& tap = rows_[std::size_t(y)];
    const std::uint8_t* above =
        image.pixels.data() + std::size_t(tap.at) * std::size_t(image.stride) + first * 3;
    const std::uint8_t* below = above + tap.step * image.stride;
    const int weight = tap.weight;
    std::uint16_t* __restrict row = row_.data();
    for (int i = 0; i < values; ++i)
      row[i] = std::uint16_t(above[i] * (256 - weight) + below[i] * weight);
    std::uint8_t* __restrict to = out + std::size_t(y) * std::size_t(out_stride);
    for (int x = 0; x < width; ++x) {
      const Tap& column = columns_[std::size_t(x)];
      const std::uint16_t* left = row_.data() + (column.at - first) * 3;
      const std::uint16_t* right = left + column.step * 3;
      const auto w = std::uint32_t(column.weight);
      for (int c = 0; c < 3; ++c)
        to[x * 3 + c] = std::uint8_t((left[c] * (256 - w) + right[c] * w + 32768) >> 16);
    }
  }
}

}  // namespace polder::pipeline
