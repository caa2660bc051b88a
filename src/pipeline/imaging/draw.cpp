#include "pipeline/imaging/draw.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace polder::pipeline {
namespace {

struct Glyph {
  char sign;
  const char* rows;  // 7 rows of 5 dots
};

constexpr Glyph kGlyphs[] = {
    {'0', ".###.#...##..###.#.###..##...#.###."}, {'1', "..#...##....#....#....#....#...###."},
    {'2', ".###.#...#....#..##..#...#....#####"}, {'3', "####.....#....#.###.....#....#####."},
    {'4', "...#...##..#.#.#..#.#####...#....#."}, {'5', "######....####.....#....##...#.###."},
    {'6', ".###.#....#....####.#...##...#.###."}, {'7', "#####....#...#...#...#....#....#..."},
    {'8', ".###.#...##...#.###.#...##...#.###."}, {'9', ".###.#...##...#.####....#....#.###."},
    {'A', ".###.#...##...#######...##...##...#"}, {'B', "####.#...##...#####.#...##...#####."},
    {'C', ".###.#...##....#....#....#...#.###."}, {'D', "####.#...##...##...##...##...#####."},
    {'E', "######....#....####.#....#....#####"}, {'F', "######....#....####.#....#....#...."},
    {'G', ".###.#...##....#.####...##...#.###."}, {'H', "#...##...##...#######...##...##...#"},
    {'I', ".###...#....#....#....#....#...###."}, {'J', "..###...#....#....#....#.#..#..##.."},
    {'K', "#...##..#.#.#..##...#.#..#..#.#...#"}, {'L', "#....#....#....#....#....#....#####"},
    {'M', "#...###.###.#.##.#.##...##...##...#"}, {'N', "#...###..##.#.##..###...##...##...#"},
    {'O', ".###.#...##...##...##...##...#.###."}, {'P', "####.#...##...#####.#....#....#...."},
    {'Q', ".###.#...##...##...##.#.##..#..##.#"}, {'R', "####.#...##...#####.#.#..#..#.#...#"},
    {'S', ".#####....#.....###.....#....#####."}, {'T', "#####..#....#....#....#....#....#.."},
    {'U', "#...##...##...##...##...##...#.###."}, {'V', "#...##...##...##...##...#.#.#...#.."},
    {'W', "#...##...##...##.#.##.#.###.###...#"}, {'X', "#...##...#.#.#...#...#.#.#...##...#"},
    {'Y', "#...##...#.#.#...#....#....#....#.."}, {'Z', "#####....#...#...#...#...#....#####"},
    {' ', "..................................."}, {'.', "..........................##...##.."},
    {',', "..........................##...#..."}, {':', "......##...##........##...##......."},
    {'-', "................###................"}, {'+', ".......#....#..#####..#....#......."},
    {'/', ".........#...#...#...#...#........."}, {'#', ".#.#..#.#.#####.#.#.#####.#.#..#.#."},
    {'%', "##..###..#...#...#...#...#..###..##"}, {'(', "...#...#...#....#....#.....#.....#."},
    {')', ".#.....#.....#....#....#...#...#..."}, {'_', "..............................#####"},
    {'>', ".#.....#.....#.....#...#...#...#..."}, {'<', "...#...#...#...#.....#.....#.....#."},
};
constexpr const char* kUnknown = "######...##...##...##...##...######";

// Of the bytes of a UTF-8 character, all but the first.
bool continues_character(char byte) { return (std::uint8_t(byte) & 0xC0U) == 0x80U; }

const char* rows_of(char sign) {
  if (sign >= 'a' && sign <= 'z') sign = char(sign - 'a' + 'A');
  const auto* found = std::ranges::find(kGlyphs, sign, &Glyph::sign);
  return found == std::end(kGlyphs) ? kUnknown : found->rows;
}

// Fills whole pixels [x0, x1) × [y0, y1).
void fill(Image& image, int x0, int y0, int x1, int y1, Colour colour) {
  x0 = std::max(x0, 0);
  y0 = std::max(y0, 0);
  x1 = std::min(x1, image.width);
  y1 = std::min(y1, image.height);
  for (int y = y0; y < y1; ++y) {
    std::uint8_t* row = image.pixels.data() + std::size_t(y) * std::size_t(image.stride);
    for (int x = x0; x < x1; ++x) {
      row[x * 3] = colour.r;
      row[x * 3 + 1] = colour.g;
      row[x * 3 + 2] = colour.b;
    }
  }
}

}  // namespace

Colour colour_of(std::int64_t id) {
  static constexpr std::array<Colour, 10> kColours = {{{255, 99, 71},
                                                       {64, 196, 255},
                                                       {255, 202, 40},
                                                       {102, 217, 120},
                                                       {224, 128, 255},
                                                       {255, 145, 77},
                                                       {77, 232, 206},
                                                       {255, 120, 180},
                                                       {180, 210, 70},
                                                       {140, 160, 255}}};
  return kColours[std::size_t(id % std::int64_t(kColours.size()))];
}

void draw_line(Image& image, float x0, float y0, float x1, float y1, int thickness, Colour colour) {
  const float limit = 4.0F * float(std::max(image.width, image.height));
  const auto bound = [&](float v) { return std::clamp(v, -limit, limit); };
  x0 = bound(x0), y0 = bound(y0), x1 = bound(x1), y1 = bound(y1);
  const int steps = std::max(1, int(std::ceil(std::max(std::abs(x1 - x0), std::abs(y1 - y0)))));
  for (int i = 0; i <= steps; ++i) {
    const float t = float(i) / float(steps);
    const int x = int(std::lround(x0 + (x1 - x0) * t)) - thickness / 2;
    const int y = int(std::lround(y0 + (y1 - y0) * t)) - thickness / 2;
    fill(image, x, y, x + thickness, y + thickness, colour);
  }
}

void draw_box(Image& image, const Rect& box, int thickness, Colour colour) {
  const int x0 = int(std::lround(box.x)), y0 = int(std::lround(box.y));
  const int x1 = int(std::lround(box.right())), y1 = int(std::lround(box.bottom()));
  fill(image, x0, y0, x1, y0 + thickness, colour);
  fill(image, x0, y1 - thickness, x1, y1, colour);
  fill(image, x0, y0, x0 + thickness, y1, colour);
  fill(image, x1 - thickness, y0, x1, y1, colour);
}

void fill_box(Image& image, const Rect& box, Colour colour, float opacity) {
  const int x0 = std::max(0, int(box.x)), x1 = std::min(image.width, int(box.right()));
  const int y0 = std::max(0, int(box.y)), y1 = std::min(image.height, int(box.bottom()));
  const int share = int(opacity * 256);
  const int paint[3] = {colour.r * share, colour.g * share, colour.b * share};
  for (int y = y0; y < y1; ++y) {
    std::uint8_t* row = image.pixels.data() + std::size_t(y) * std::size_t(image.stride);
    for (int i = x0 * 3; i < x1 * 3; ++i)
      row[i] = std::uint8_t((row[i] * (256 - share) + paint[i % 3]) >> 8);
  }
}

void draw_text(Image& image, int x, int y, std::string_view text, int scale, Colour colour) {
  for (const char sign : text) {
    if (continues_character(sign)) continue;
    const char* rows = rows_of(sign);
    for (int dot = 0; dot < 35; ++dot)
      if (rows[dot] == '#') {
        const int left = x + dot % 5 * scale, top = y + dot / 5 * scale;
        fill(image, left, top, left + scale, top + scale, colour);
      }
    x += 6 * scale;
  }
}

int text_width(std::string_view text, int scale) {
  return int(text.size() - std::size_t(std::ranges::count_if(text, continues_character))) * 6 *
         scale;
}

}  // namespace polder::pipeline
