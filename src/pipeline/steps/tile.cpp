// Cuts overlapping tiles out of an image: a detector with a small input finds small objects far
// better in tiles than in the whole frame. The mapping back to source pixels travels along.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "pipeline/imaging/resize.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "size",
     .type = OptionType::kNumbers,
     .required = true,
     .unit = "pixels",
     .min = 1,
     .max = 4096,
     .doc = "Width and height of a tile as the model wants it."},
    {.name = "columns",
     .type = OptionType::kInteger,
     .fallback = "1",
     .min = 1,
     .max = 8,
     .doc = "Tiles side by side."},
    {.name = "rows",
     .type = OptionType::kInteger,
     .fallback = "1",
     .min = 1,
     .max = 8,
     .doc = "Tiles one above the other."},
    {.name = "tile",
     .type = OptionType::kNumbers,
     .unit = "source pixels",
     .min = 1,
     .max = 16384,
     .doc = "Width and height of the part of the source that a tile shows. Without it: the largest "
            "parts in the tile's own proportions."},
    {.name = "area",
     .type = OptionType::kNumbers,
     .unit = "source pixels",
     .min = 0,
     .max = 16384,
     .doc = "x, y, width, height of the part of the source to cover; without it all of it."},
    {.name = "every",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "packets",
     .min = 1,
     .max = 1000,
     .doc = "Cut only every n-th packet; the others are passed over."},
};

class TileStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<TileStep>();
    const auto size = settings.numbers("size"), tile = settings.numbers("tile"),
               area = settings.numbers("area");
    if (size.size() != 2)
      return fail(Code::kInvalid, "{}: 'size' must be [width, height]", settings.place("size"));
    if (!tile.empty() && tile.size() != 2)
      return fail(Code::kInvalid, "{}: 'tile' must be [width, height]", settings.place("tile"));
    if (!area.empty() && area.size() != 4)
      return fail(Code::kInvalid, "{}: 'area' must be [x, y, width, height]",
                  settings.place("area"));
    if (!area.empty() && (area[2] < 1 || area[3] < 1))
      return fail(Code::kInvalid, "{}: 'area' is {}x{} pixels; at least 1x1 is expected",
                  settings.place("area"), area[2], area[3]);
    step->width_ = int(size[0]);
    step->height_ = int(size[1]);
    step->columns_ = int(settings.integer("columns"));
    step->rows_ = int(settings.integer("rows"));
    step->every_ = std::uint64_t(settings.integer("every"));
    if (!tile.empty()) step->tile_ = {0, 0, float(tile[0]), float(tile[1])};
    if (!area.empty())
      step->area_ = {float(area[0]), float(area[1]), float(area[2]), float(area[3])};
    step->place_ = settings.place("tile");
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& image = inputs[0].as<Image>();
    auto& tiles = out.acquire<Tiles>();
    tiles.width = width_;
    tiles.height = height_;
    tiles.source_width = image.width;
    tiles.source_height = image.height;
    tiles.crops.clear();
    if (inputs[0].seq % every_ == 0) {
      TRY(place_crops(image, tiles));
      cut(image, tiles);
    } else {
      out.pass_over();
    }
    out.emit(inputs[0]);
    return {};
  }

 private:
  Status place_crops(const Image& image, Tiles& tiles) const {
    Rect area = area_.w > 0 ? area_ : Rect{0, 0, float(image.width), float(image.height)};
    if (area.right() > float(image.width) || area.bottom() > float(image.height))
      return fail(Code::kInvalid, "{}: the area ends at ({}, {}), outside the {}x{} source", place_,
                  area.right(), area.bottom(), image.width, image.height);
    Rect part = tile_;
    if (part.w <= 0) {
      const float scale = std::min(area.w / float(width_), area.h / float(height_));
      part = {0, 0, float(width_) * scale, float(height_) * scale};
    }
    part.w = std::min(part.w, area.w);
    part.h = std::min(part.h, area.h);
    if (part.w * float(columns_) < area.w - 1 || part.h * float(rows_) < area.h - 1)
      return fail(Code::kInvalid,
                  "{}: {}x{} tiles of {:.0f}x{:.0f} source pixels leave gaps in "
                  "{:.0f}x{:.0f}; use more or larger tiles",
                  place_, columns_, rows_, part.w, part.h, area.w, area.h);
    for (int row = 0; row < rows_; ++row)
      for (int column = 0; column < columns_; ++column) {
        const auto spread = [](float free, int i, int n) {
          return std::min(std::round(n > 1 ? free * float(i) / float(n - 1) : free / 2), free);
        };
        const Rect region{area.x + spread(area.w - part.w, column, columns_),
                          area.y + spread(area.h - part.h, row, rows_), part.w, part.h};
        tiles.crops.push_back(
            {region.w / float(width_), region.h / float(height_), region.x, region.y, region});
      }
    return {};
  }

  void cut(const Image& image, Tiles& tiles) {
    const std::size_t bytes = std::size_t(width_) * std::size_t(height_) * 3;
    tiles.pixels.resize(bytes * tiles.crops.size());
    for (std::size_t i = 0; i < tiles.crops.size(); ++i)
      resizer_.resize(image, tiles.crops[i].region, width_, height_,
                      tiles.pixels.data() + i * bytes, width_ * 3);
  }

  int width_ = 0, height_ = 0, columns_ = 1, rows_ = 1;
  std::uint64_t every_ = 1;
  Rect tile_, area_;
  std::string place_;
  Resizer resizer_;
};

constexpr InputPort kInputs[] = {{"image", bit(PayloadKind::kImage)}};

}  // namespace

const NodeType kTile{
    .name = "tile",
    .group = "step",
    .doc =
        "Cuts an image into overlapping tiles, resized for the model. Tiles are spread evenly from "
        "edge to edge.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTiles,
    .output_is_raw = true,
    .make = TileStep::make,
};

}  // namespace polder::pipeline
