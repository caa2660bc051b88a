// Pixels to f32: (pixel - mean) * scale, through one table of 256 values per channel.
#include <array>

#include "base/fail.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "mean",
     .type = OptionType::kNumbers,
     .fallback = "[0]",
     .min = -1e6,
     .max = 1e6,
     .doc = "Subtracted from a pixel; one number, or one for each channel."},
    {.name = "scale",
     .type = OptionType::kNumbers,
     .fallback = "[0.00392156862745098]",
     .min = -1e6,
     .max = 1e6,
     .doc = "Multiplied after that; one number, or one for each channel."},
    {.name = "layout",
     .type = OptionType::kString,
     .fallback = "\"nhwc\"",
     .choices = "nhwc|nchw",
     .doc = "Order of the tensor's dimensions."},
    {.name = "channels",
     .type = OptionType::kString,
     .fallback = "\"rgb\"",
     .choices = "rgb|bgr",
     .doc = "Order of the colours."},
};

class NormaliseStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<NormaliseStep>();
    const auto mean = settings.numbers("mean"), scale = settings.numbers("scale");
    for (const auto* list : {&mean, &scale})
      if (list->size() != 1 && list->size() != 3)
        return fail(Code::kInvalid, "{}: 'mean' and 'scale' take 1 or 3 numbers, found {}",
                    settings.place(list == &mean ? "mean" : "scale"), list->size());
    for (std::size_t c = 0; c < 3; ++c) {
      const double m = mean[mean.size() == 3 ? c : 0], s = scale[scale.size() == 3 ? c : 0];
      for (std::size_t pixel = 0; pixel < 256; ++pixel)
        step->table_[c][pixel] = float((double(pixel) - m) * s);
    }
    step->planar_ = settings.string("layout") == "nchw";
    step->swapped_ = settings.string("channels") == "bgr";
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& tiles = inputs[0].as<Tiles>();
    auto& tensors = out.acquire<Tensors>();
    tensors.tile_width = tiles.width;
    tensors.tile_height = tiles.height;
    tensors.source_width = tiles.source_width;
    tensors.source_height = tiles.source_height;
    tensors.crops = tiles.crops;
    tensors.resize(int(tiles.crops.size()), 1);
    if (tiles.crops.empty()) out.pass_over();
    const std::int64_t w = tiles.width, h = tiles.height;
    const std::size_t pixels = std::size_t(w * h);
    for (std::size_t i = 0; i < tiles.crops.size(); ++i) {
      Tensor& tensor = tensors.runs[i][0];
      tensor.reset(DataType::kF32, planar_ ? Shape{1, 3, h, w} : Shape{1, h, w, 3});
      convert(tiles.pixels.data() + i * pixels * 3, pixels, tensor.f32());
    }
    out.emit(inputs[0]);
    return {};
  }

 private:
  void convert(const std::uint8_t* from, std::size_t pixels, float* to) const {
    const std::size_t step = planar_ ? 1 : 3, plane = planar_ ? pixels : 1;
    for (std::size_t c = 0; c < 3; ++c) {
      const std::array<float, 256>& table = table_[c];
      const std::uint8_t* source = from + (swapped_ ? 2 - c : c);
      float* target = to + c * plane;
      for (std::size_t i = 0; i < pixels; ++i) target[i * step] = table[source[i * 3]];
    }
  }

  std::array<std::array<float, 256>, 3> table_{};
  bool planar_ = false, swapped_ = false;
};

constexpr InputPort kInputs[] = {{"tiles", bit(PayloadKind::kTiles)}};

}  // namespace

const NodeType kNormalise{
    .name = "normalise",
    .group = "step",
    .doc = "Makes a f32 tensor of each tile: (pixel - mean) * scale.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTensors,
    .output_is_raw = true,
    .make = NormaliseStep::make,
};

}  // namespace polder::pipeline
