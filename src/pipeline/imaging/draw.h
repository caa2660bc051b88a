// Lines, boxes and text on RGB images.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/packet.h"

namespace polder::pipeline {

struct Colour {
  std::uint8_t r = 0, g = 0, b = 0;
};

// A colour that tells neighbouring track numbers apart.
Colour colour_of(std::int64_t id);

// All clip to the image.
void draw_line(Image& image, float x0, float y0, float x1, float y1, int thickness, Colour colour);
void draw_box(Image& image, const Rect& box, int thickness, Colour colour);
void fill_box(Image& image, const Rect& box, Colour colour, float opacity);
// Upper-left corner at x, y; `scale` image pixels to a dot of the 5 × 7 font. Capitals, digits and
// common signs; small letters are drawn as capitals, other characters (UTF-8) as one box each.
void draw_text(Image& image, int x, int y, std::string_view text, int scale, Colour colour);
int text_width(std::string_view text, int scale);
inline constexpr int kTextDots = 7;  // height of the font

}  // namespace polder::pipeline
