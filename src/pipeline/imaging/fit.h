// A whole picture, or its middle, in a tile of another size.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/imaging/resize.h"

namespace polder::pipeline {

enum class Fit {
  kStretch,    // all of it, over all of the tile
  kCrop,       // its middle in the tile's proportions, over all of the tile
  kLetterbox,  // all of it in its own proportions, with borders
};

// The grey that detectors are trained with.
inline constexpr std::uint8_t kBorderGrey = 114;

// The part of a picture that is shown, and the part of the tile that shows it.
struct Placement {
  Rect from;
  int left = 0, top = 0, width = 0, height = 0;
};

// All sizes are at least 1.
Placement place(int image_width, int image_height, int width, int height, Fit fit);

// Fills `pixels` with `width` × `height` RGB pixels: the picture, and `border` around it.
Placement fit_picture(const Image& image, int width, int height, Fit fit, std::uint8_t border,
                      Resizer& resizer, std::vector<std::uint8_t>& pixels);

}  // namespace polder::pipeline
