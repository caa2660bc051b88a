// Where pictures land in tiles, pixel by pixel.
#include "pipeline/imaging/fit.h"

#include <gtest/gtest.h>

#include <cmath>

namespace polder::pipeline {
namespace {

// Red grows with x, green with y.
void paint(Image& image, int width, int height) {
  image.resize(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      std::uint8_t* rgb = image.pixels.data() + y * image.stride + x * 3;
      rgb[0] = std::uint8_t(2 * x);
      rgb[1] = std::uint8_t(2 * y);
    }
}

// Each pixel of the tile shows the source at first + (its centre) * scale, or the border.
void expect_shown(int image_width, int image_height, int width, int height, Fit fit) {
  Image image;
  paint(image, image_width, image_height);
  Resizer resizer;
  std::vector<std::uint8_t> pixels;
  const Placement placed = fit_picture(image, width, height, fit, 255, resizer, pixels);
  const auto source = [](float first, float extent, int i, int count, int limit) {
    const double at = first + (i + 0.5) * double(extent) / count - 0.5;
    return 2 * std::clamp(at, 0.0, limit - 1.0);
  };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      SCOPED_TRACE(testing::Message() << image_width << "x" << image_height << " in " << width
                                      << "x" << height << " at " << x << "," << y);
      const std::uint8_t* rgb = pixels.data() + (y * width + x) * 3;
      const int column = x - placed.left, row = y - placed.top;
      if (column < 0 || column >= placed.width || row < 0 || row >= placed.height) {
        EXPECT_EQ(rgb[0], 255);
        continue;
      }
      const Rect& from = placed.from;
      EXPECT_NEAR(rgb[0], source(from.x, from.w, column, placed.width, image_width), 1);
      EXPECT_NEAR(rgb[1], source(from.y, from.h, row, placed.height, image_height), 1);
    }
}

}  // namespace

TEST(Fit, CropIsTheMiddle) {
  const Placement wide = place(100, 40, 20, 20, Fit::kCrop);
  EXPECT_EQ(wide.from.x, 30);
  EXPECT_EQ(wide.from.y, 0);
  EXPECT_EQ(wide.from.w, 40);
  EXPECT_EQ(wide.from.h, 40);
  const Placement tall = place(40, 100, 20, 20, Fit::kCrop);
  EXPECT_EQ(tall.from.x, 0);
  EXPECT_EQ(tall.from.y, 30);
  EXPECT_EQ(tall.from.w, 40);
  EXPECT_EQ(tall.from.h, 40);
  EXPECT_EQ(tall.width, 20);
  EXPECT_EQ(tall.height, 20);
}

TEST(Fit, LetterboxIsAllOfItWithBorders) {
  const Placement wide = place(80, 40, 40, 40, Fit::kLetterbox);
  EXPECT_EQ(wide.from.w, 80);
  EXPECT_EQ(wide.left, 0);
  EXPECT_EQ(wide.top, 10);
  EXPECT_EQ(wide.width, 40);
  EXPECT_EQ(wide.height, 20);
  EXPECT_EQ(place(1000, 1, 10, 10, Fit::kLetterbox).height, 1);
}

TEST(Fit, EveryPixelShowsItsPlace) {
  constexpr int kSizes[][4] = {{100, 40, 20, 20}, {40, 100, 20, 20}, {100, 40, 100, 30},
                               {33, 77, 64, 48},  {7, 5, 64, 64},    {1, 100, 9, 9}};
  for (const auto& [image_width, image_height, width, height] : kSizes)
    for (const Fit fit : {Fit::kStretch, Fit::kCrop, Fit::kLetterbox})
      expect_shown(image_width, image_height, width, height, fit);
}

TEST(Fit, CropsOfAnyProportionsLieWithin) {
  for (int width = 1; width < 200; width += 7)
    for (int height = 1; height < 200; height += 11)
      for (const auto& [w, h] : {std::pair(1, 1), {3, 7}, {224, 224}, {4096, 1}, {1, 4096}}) {
        const Rect from = place(width, height, w, h, Fit::kCrop).from;
        EXPECT_GE(from.x, 0);
        EXPECT_GE(from.y, 0);
        EXPECT_GT(from.w, 0);
        EXPECT_GT(from.h, 0);
        EXPECT_LE(from.right(), float(width));
        EXPECT_LE(from.bottom(), float(height));
      }
}

TEST(ResizerDeathTest, RefusesWhatLiesOutside) {
  Image image;
  paint(image, 10, 10);
  std::vector<std::uint8_t> pixels(3 * 4 * 4);
  const auto resize = [&](Rect region) {
    Resizer().resize(image, region, 4, 4, pixels.data(), 12);
  };
  resize({2, 3, 8, 7});
  EXPECT_DEATH(resize({2, 3, 9, 7}), "internal error");
  EXPECT_DEATH(resize({2, 3, 8, 8}), "internal error");
  EXPECT_DEATH(resize({-1, 0, 4, 4}), "internal error");
  EXPECT_DEATH(resize({0, 0, 0, 4}), "internal error");
  EXPECT_DEATH(resize({0, 0, NAN, 4}), "internal error");
}

}  // namespace polder::pipeline
