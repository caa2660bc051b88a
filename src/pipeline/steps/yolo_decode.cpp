// YOLO heads to boxes: v5 rows of [x, y, w, h, objectness, classes…], v8 columns of [x, y, w, h,
// classes…].
#include "base/fail.h"
#include "pipeline/steps/detect.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    kLabelsOption,
    kClassesOption,
    kThresholdOption,
    kNmsOption,
    kMaxDetectionsOption,
    {.name = "layout",
     .type = OptionType::kString,
     .required = true,
     .choices = "v5|v8",
     .doc =
         "v5: f32 [1,N,5+classes]; v8: f32 [1,4+classes,N]. Boxes are centre and size in pixels of "
         "the model's input, scores are probabilities."},
};

class YoloDecodeStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto step = std::make_unique<YoloDecodeStep>();
    TRY_VALUE(step->options_, DetectOptions::read(settings, environment));
    step->v5_ = settings.string("layout") == "v5";
    step->place_ = settings.place("layout");
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto decode_tile = [this](const Tensors& in, int tile, std::vector<Candidate>& found) {
      return decode(in, tile, found);
    };
    return detect(inputs[0], options_, decode_tile, out);
  }

 private:
  Status decode(const Tensors& in, int tile, std::vector<Candidate>& candidates) const {
    const std::vector<Tensor>& run = in.runs[std::size_t(tile)];
    const int fixed = v5_ ? 5 : 4;
    if (run.empty() || run[0].type != DataType::kF32 || run[0].shape.rank() != 3 ||
        run[0].shape[0] != 1 || run[0].shape[v5_ ? 2 : 1] <= fixed)
      return fail(Code::kInvalid, "{}: the model's first output must be f32 {}; it is {} {}",
                  place_, v5_ ? "[1,N,5+classes]" : "[1,4+classes,N]",
                  run.empty() ? "nothing" : type_name(run[0].type),
                  run.empty() ? "" : run[0].shape.text());
    const std::int64_t count = run[0].shape[v5_ ? 1 : 2];
    const int classes = int(run[0].shape[v5_ ? 2 : 1]) - fixed;
    const std::int64_t row_step = v5_ ? classes + fixed : 1, value_step = v5_ ? 1 : count;
    if (!options_.labels->empty() && classes != int(options_.labels->size())) {
      return fail(Code::kInvalid, "{}: {} {} mean {} classes, and the labels name {}", place_,
                  v5_ ? "v5" : "v8", run[0].shape.text(), classes, options_.labels->size());
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const float* row = run[0].f32() + i * row_step;
      const auto at = [&](int k) { return row[k * value_step]; };
      const float object = v5_ ? at(4) : 1.0F;
      if (!(object >= options_.threshold)) continue;
      int best = -1;
      float best_score = options_.threshold;
      for (int c = 0; c < classes; ++c) {
        const float score = object * at(fixed + c);
        if (score >= best_score) {
          best = c;
          best_score = score;
        }
      }
      if (best < 0 || !options_.wants(best)) continue;
      const Crop& crop = in.crops[std::size_t(tile)];
      const Rect box{crop.offset_x + crop.scale_x * (at(0) - at(2) / 2),
                     crop.offset_y + crop.scale_y * (at(1) - at(3) / 2), crop.scale_x * at(2),
                     crop.scale_y * at(3)};
      candidates.push_back({{box, best_score, best}, tile, false});
    }
    return {};
  }

  DetectOptions options_;
  bool v5_ = false;
  std::string place_;
};

constexpr InputPort kInputs[] = {{"tensors", bit(PayloadKind::kTensors)}};

}  // namespace

const NodeType kYoloDecode{
    .name = "yolo_decode",
    .group = "step",
    .doc =
        "Decodes the output of a YOLO-style detector and suppresses duplicates, also across tiles.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kDetections,
    .make = YoloDecodeStep::make,
};

}  // namespace polder::pipeline
