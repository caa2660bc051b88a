// Fits the whole image into the model's input, in its own proportions, with borders.
#include "base/fail.h"
#include "pipeline/imaging/fit.h"
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
     .doc = "Width and height as the model wants them."},
    {.name = "border",
     .type = OptionType::kInteger,
     .fallback = "114",
     .min = 0,
     .max = 255,
     .doc = "Grey value of the borders."},
    {.name = "every",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "packets",
     .min = 1,
     .max = 1000,
     .doc = "Fit only every n-th packet; the others are passed over."},
};

class LetterboxStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    const auto size = settings.numbers("size");
    if (size.size() != 2)
      return fail(Code::kInvalid, "{}: 'size' must be [width, height]", settings.place("size"));
    auto step = std::make_unique<LetterboxStep>();
    step->width_ = int(size[0]);
    step->height_ = int(size[1]);
    step->border_ = std::uint8_t(settings.integer("border"));
    step->every_ = std::uint64_t(settings.integer("every"));
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
    if (inputs[0].seq % every_ == 0) fit(image, tiles);
    else out.pass_over();
    out.emit(inputs[0]);
    return {};
  }

 private:
  void fit(const Image& image, Tiles& tiles) {
    const Placement placed =
        fit_picture(image, width_, height_, Fit::kLetterbox, border_, resizer_, tiles.pixels);
    const Rect& region = placed.from;
    const float sx = region.w / float(placed.width), sy = region.h / float(placed.height);
    tiles.crops.push_back({sx, sy, -float(placed.left) * sx, -float(placed.top) * sy, region});
  }

  int width_ = 0, height_ = 0;
  std::uint8_t border_ = 0;
  std::uint64_t every_ = 1;
  Resizer resizer_;
};

constexpr InputPort kInputs[] = {{"image", bit(PayloadKind::kImage)}};

}  // namespace

const NodeType kLetterbox{
    .name = "letterbox",
    .group = "step",
    .doc = "Fits the whole image into the model's input, in its own proportions, with borders.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTiles,
    .output_is_raw = true,
    .make = LetterboxStep::make,
};

}  // namespace polder::pipeline
