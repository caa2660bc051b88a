#include "pipeline/imaging/fit.h"

#include <algorithm>
#include <cmath>

namespace polder::pipeline {

Placement place(int image_width, int image_height, int width, int height, Fit fit) {
  const double x = double(width) / image_width, y = double(height) / image_height;
  Placement placed{{0, 0, float(image_width), float(image_height)}, 0, 0, width, height};
  if (fit == Fit::kCrop) {
    const double w = std::min(width / std::max(x, y), double(image_width));
    const double h = std::min(height / std::max(x, y), double(image_height));
    placed.from = {float((image_width - w) / 2), float((image_height - h) / 2), float(w), float(h)};
  } else if (fit == Fit::kLetterbox) {
    placed.width = std::clamp(int(std::lround(image_width * std::min(x, y))), 1, width);
    placed.height = std::clamp(int(std::lround(image_height * std::min(x, y))), 1, height);
    placed.left = (width - placed.width) / 2;
    placed.top = (height - placed.height) / 2;
  }
  return placed;
}

Placement fit_picture(const Image& image, int width, int height, Fit fit, std::uint8_t border,
                      Resizer& resizer, std::vector<std::uint8_t>& pixels) {
  const Placement placed = place(image.width, image.height, width, height, fit);
  const std::size_t row = std::size_t(width) * 3;
  pixels.assign(row * std::size_t(height), border);
  resizer.resize(image, placed.from, placed.width, placed.height,
                 pixels.data() + std::size_t(placed.top) * row + std::size_t(placed.left) * 3,
                 width * 3);
  return placed;
}

}  // namespace polder::pipeline
