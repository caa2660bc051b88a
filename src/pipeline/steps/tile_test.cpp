#include "pipeline/imaging/fit.h"
#include "pipeline/steps/steps.h"
#include "pipeline/testing.h"

namespace polder::pipeline {
namespace {

// Red grows with x, green with y.
const Packet& ramp(PacketMaker& maker, int width, int height, std::uint64_t seq = 0) {
  auto& image = maker.make<Image>(seq, 0);
  image.resize(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      auto* pixel = &image.pixels[std::size_t(y * image.stride + x * 3)];
      pixel[0] = std::uint8_t(x);
      pixel[1] = std::uint8_t(y);
      pixel[2] = 7;
    }
  return maker.packet();
}

TEST(Tile, SpreadsFromEdgeToEdgeAndMapsBack) {
  NodeRunner tile(kTile, "size = [20, 20]\ntile = [60, 60]\ncolumns = 2");
  PacketMaker maker;
  ASSERT_TRUE(tile.run({ramp(maker, 100, 60)}).ok());
  const auto& tiles = tile.output<Tiles>();
  ASSERT_EQ(tiles.crops.size(), 2u);
  EXPECT_EQ(tiles.crops[0].region.x, 0);
  EXPECT_EQ(tiles.crops[1].region.x, 40);
  EXPECT_EQ(tiles.crops[1].scale_x, 3);
  // A pixel shows the source at offset + scale * (its centre).
  for (const int x : {1, 10, 18}) {
    const auto* pixel = &tiles.pixels[std::size_t((20 * 20 + 5 * 20 + x) * 3)];
    EXPECT_NEAR(pixel[0], 40 + 3 * (x + 0.5) - 0.5, 1);
    EXPECT_NEAR(pixel[1], 3 * 5.5 - 0.5, 1);
    EXPECT_EQ(pixel[2], 7);
  }
}

TEST(Tile, WithoutAPartTakesTheLargestInItsProportions) {
  NodeRunner tile(kTile, "size = [10, 10]");
  PacketMaker maker;
  ASSERT_TRUE(tile.run({ramp(maker, 30, 30)}).ok());
  EXPECT_EQ(tile.output<Tiles>().crops[0].region.w, 30);
}

TEST(Tile, EveryPassesTheOthersOver) {
  NodeRunner tile(kTile, "size = [10, 10]\nevery = 2");
  PacketMaker maker;
  ASSERT_TRUE(tile.run({ramp(maker, 30, 30, 1)}).ok());
  EXPECT_TRUE(tile.output<Tiles>().crops.empty());
  ASSERT_TRUE(tile.run({ramp(maker, 30, 30, 2)}).ok());
  EXPECT_EQ(tile.output<Tiles>().crops.size(), 1u);
}

// 21 of 21.6 pixels: the second tile ends where the picture does, not at a whole pixel beyond.
TEST(Tile, TheLastEndsAtTheEdge) {
  for (int width = 30; width < 60; ++width) {
    NodeRunner tile(kTile, "size = [30, 29]\ncolumns = 2");
    PacketMaker maker;
    ASSERT_TRUE(tile.run({ramp(maker, width, 30)}).ok()) << width;
    const Rect& last = tile.output<Tiles>().crops[1].region;
    EXPECT_LE(last.right(), float(width) + 0.001F);
  }
}

TEST(Tile, RefusesGapsAndAreasOutside) {
  NodeRunner gaps(kTile, "size = [10, 10]\ntile = [40, 60]\ncolumns = 2");
  PacketMaker maker;
  const Status gap = gaps.run({ramp(maker, 100, 60)});
  ASSERT_FALSE(gap.ok());
  EXPECT_NE(gap.error().message.find("leave gaps"), std::string::npos);
  NodeRunner outside(kTile, "size = [10, 10]\narea = [50, 0, 60, 60]");
  EXPECT_FALSE(outside.run({ramp(maker, 100, 60)}).ok());
  EXPECT_FALSE(make_node(kTile, "size = [10]").ok());
  const auto empty = make_node(kTile, "size = [10, 10]\narea = [100, 100, 0, 0]");
  ASSERT_FALSE(empty.ok());
  EXPECT_NE(empty.error().message.find("'area' is 0x0 pixels"), std::string::npos);
  EXPECT_FALSE(make_node(kTile, "size = [10, 10]\narea = [0, 0, 10, 0.5]").ok());
}

TEST(Letterbox, KeepsProportionsAndMapsBack) {
  NodeRunner letterbox(kLetterbox, "size = [40, 40]\nborder = 9");
  PacketMaker maker;
  ASSERT_TRUE(letterbox.run({ramp(maker, 80, 40)}).ok());
  const auto& tiles = letterbox.output<Tiles>();
  const Crop& crop = tiles.crops.at(0);
  EXPECT_EQ(crop.offset_y, -20);
  EXPECT_EQ(crop.scale_y, 2);
  EXPECT_EQ(tiles.pixels[0], 9);                             // border
  EXPECT_EQ(tiles.pixels[std::size_t(10 * 40 * 3 + 2)], 7);  // picture
  EXPECT_EQ(tiles.pixels[std::size_t(30 * 40 * 3)], 9);
}

TEST(Letterbox, BordersAreGreyAsDetectorsKnowThem) {
  NodeRunner letterbox(kLetterbox, "size = [8, 8]");
  PacketMaker maker;
  ASSERT_TRUE(letterbox.run({ramp(maker, 80, 40)}).ok());
  EXPECT_EQ(letterbox.output<Tiles>().pixels[0], kBorderGrey);
}

TEST(Normalise, SubtractsScalesAndOrders) {
  NodeRunner tile(kTile, "size = [4, 2]");
  PacketMaker maker;
  ASSERT_TRUE(tile.run({ramp(maker, 4, 2)}).ok());
  NodeRunner rgb(kNormalise, "mean = [1, 0, 7]\nscale = 0.5");
  ASSERT_TRUE(rgb.run({tile.packet()}).ok());
  const Tensor& nhwc = rgb.output<Tensors>().runs[0][0];
  EXPECT_EQ(nhwc.shape, (Shape{1, 2, 4, 3}));
  EXPECT_EQ(nhwc.f32()[3 * 3], 1.0F);   // x = 3: (3 - 1) / 2
  EXPECT_EQ(nhwc.f32()[12 + 1], 0.5F);  // y = 1
  EXPECT_EQ(nhwc.f32()[2], 0.0F);
  NodeRunner planar(kNormalise, "scale = 1\nlayout = 'nchw'\nchannels = 'bgr'");
  ASSERT_TRUE(planar.run({tile.packet()}).ok());
  const Tensor& nchw = planar.output<Tensors>().runs[0][0];
  EXPECT_EQ(nchw.shape, (Shape{1, 3, 2, 4}));
  EXPECT_EQ(nchw.f32()[0], 7.0F);
  EXPECT_EQ(nchw.f32()[16 + 3], 3.0F);
}

}  // namespace
}  // namespace polder::pipeline
