// Bilinear resize of a part of an RGB image into a tile.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/packet.h"

namespace polder::pipeline {

// Resizes regions to one size; keeps its tables and row buffer between calls, so that repeating the
// same region allocates nothing. One user at a time.
class Resizer {
 public:
  // Writes `width` × `height` RGB pixels to `out`, rows `out_stride` bytes apart: output pixel
  // centres map to `region` of `image`, which must lie inside the image and not be empty. Two taps
  // in each direction (half-pixel centres, edges repeated), as TensorFlow's and OpenCV's bilinear.
  void resize(const Image& image, const Rect& region, int width, int height, std::uint8_t* out,
              int out_stride);

 private:
  struct Tap {
    int at = 0;      // first of two neighbours
    int step = 0;    // to the second: 0 at the edge
    int weight = 0;  // of the second, of 256
  };
  static void make_taps(float offset, float extent, int limit, int count, std::vector<Tap>& taps);
  std::vector<Tap> columns_, rows_;
  std::vector<std::uint16_t> row_;
};

}  // namespace polder::pipeline
