// SSD heads to boxes: anchors as in the TensorFlow object detection API's ssd_anchor_generator
// (and MediaPipe's SsdAnchorsCalculator), Faster R-CNN box coder with scales 10, 10, 5, 5.
#include <algorithm>
#include <cmath>

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
    {.name = "boxes",
     .type = OptionType::kInteger,
     .fallback = "0",
     .min = 0,
     .max = 15,
     .doc = "Which output holds the boxes, f32 [1,N,4] as y, x, height, width."},
    {.name = "scores",
     .type = OptionType::kInteger,
     .fallback = "1",
     .min = 0,
     .max = 15,
     .doc = "Which output holds the scores, f32 [1,N,classes]."},
    {.name = "sigmoid",
     .type = OptionType::kBool,
     .fallback = "true",
     .doc = "The scores are logits."},
    {.name = "background",
     .type = OptionType::kBool,
     .fallback = "true",
     .doc = "Class 0 is the background and never a detection."},
    {.name = "strides",
     .type = OptionType::kNumbers,
     .fallback = "[16, 32, 64, 128, 256, 512]",
     .unit = "pixels",
     .min = 1,
     .max = 4096,
     .doc = "Step of the anchors of each layer."},
    {.name = "min_scale",
     .type = OptionType::kFloat,
     .fallback = "0.2",
     .min = 0.001,
     .max = 1,
     .doc = "Size of the first layer's anchors, of the input."},
    {.name = "max_scale",
     .type = OptionType::kFloat,
     .fallback = "0.95",
     .min = 0.001,
     .max = 1,
     .doc = "Size of the last layer's anchors."},
};

struct Anchor {
  float x = 0, y = 0, w = 0, h = 0;  // centre and size, of the input
};

// Three anchors for each cell of the first layer, six for each of the others.
std::vector<Anchor> make_anchors(int width, int height, std::span<const double> strides,
                                 double min_scale, double max_scale) {
  struct Form {
    double aspect, scale;
  };
  std::vector<Anchor> anchors;
  const auto layers = int(strides.size());
  const auto scale_of = [&](int layer) {
    if (layer >= layers) return 1.0;
    return layers == 1 ? (min_scale + max_scale) / 2
                       : min_scale + (max_scale - min_scale) * layer / (layers - 1);
  };
  for (int layer = 0; layer < layers; ++layer) {
    const double scale = scale_of(layer);
    std::vector<Form> forms;
    if (layer == 0) forms = {{1, 0.1}, {2, scale}, {0.5, scale}};
    else
      forms = {{1, scale}, {2, scale},      {0.5, scale},
               {3, scale}, {0.3333, scale}, {1, std::sqrt(scale * scale_of(layer + 1))}};
    const int rows = int(std::ceil(height / strides[std::size_t(layer)]));
    const int columns = int(std::ceil(width / strides[std::size_t(layer)]));
    for (int y = 0; y < rows; ++y)
      for (int x = 0; x < columns; ++x)
        for (const Form& form : forms) {
          const double root = std::sqrt(form.aspect);
          anchors.push_back({float((x + 0.5) / columns), float((y + 0.5) / rows),
                             float(form.scale * root), float(form.scale / root)});
        }
  }
  return anchors;
}

float logit(float probability) {
  const double p = std::clamp(double(probability), 1e-7, 1 - 1e-7);
  return float(std::log(p / (1 - p)));
}

class SsdDecodeStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto step = std::make_unique<SsdDecodeStep>();
    TRY_VALUE(step->options_, DetectOptions::read(settings, environment));
    step->boxes_ = std::size_t(settings.integer("boxes"));
    step->scores_ = std::size_t(settings.integer("scores"));
    step->sigmoid_ = settings.flag("sigmoid");
    step->first_class_ = settings.flag("background") ? 1 : 0;
    step->strides_ = settings.numbers("strides");
    step->min_scale_ = settings.number("min_scale");
    step->max_scale_ = settings.number("max_scale");
    step->place_ = settings.place("boxes");
    if (step->strides_.empty() || step->strides_.size() > 16)
      return fail(Code::kInvalid, "{}: 'strides' needs 1 to 16 numbers", settings.place("strides"));
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto decode_tile = [this](const Tensors& in, int tile, std::vector<Candidate>& found) {
      return decode(in, tile, found);
    };
    return detect(inputs[0], options_, decode_tile, out);
  }

 private:
  Status check(const Tensors& in, const std::vector<Tensor>& run) {
    if (anchors_.empty())
      anchors_ = make_anchors(in.tile_width, in.tile_height, strides_, min_scale_, max_scale_);
    const auto n = std::int64_t(anchors_.size());
    if (std::max(boxes_, scores_) >= run.size())
      return fail(Code::kInvalid, "{}: the model has {} outputs; 'boxes' is {} and 'scores' is {}",
                  place_, run.size(), boxes_, scores_);
    const Shape& boxes = run[boxes_].shape;
    const Shape& scores = run[scores_].shape;
    const bool fits = boxes == Shape{1, n, 4} && scores.rank() == 3 && scores[0] == 1 &&
                      scores[1] == n && scores[2] > first_class_ &&
                      run[boxes_].type == DataType::kF32 && run[scores_].type == DataType::kF32;
    if (fits) return {};
    return fail(Code::kInvalid,
                "{}: boxes f32 [1,{},4] and scores f32 [1,{},classes] are expected for "
                "{} anchors of a {}x{} input; the model gives {} {} and {} {}",
                place_, n, n, n, in.tile_width, in.tile_height, type_name(run[boxes_].type),
                boxes.text(), type_name(run[scores_].type), scores.text());
  }

  Status decode(const Tensors& in, int tile, std::vector<Candidate>& candidates) {
    const std::vector<Tensor>& run = in.runs[std::size_t(tile)];
    TRY(check(in, run));
    const float* boxes = run[boxes_].f32();
    const float* scores = run[scores_].f32();
    const auto classes = int(run[scores_].shape[2]);
    const float least = sigmoid_ ? logit(options_.threshold) : options_.threshold;
    for (std::size_t i = 0; i < anchors_.size(); ++i) {
      const float* row = scores + i * std::size_t(classes);
      int best = -1;
      float best_score = least;
      for (int c = first_class_; c < classes; ++c)
        if (row[c] >= best_score) {
          best = c;
          best_score = row[c];
        }
      if (best < 0 || !options_.wants(best)) continue;
      const float score = sigmoid_ ? 1 / (1 + std::exp(-best_score)) : best_score;
      const Rect box = to_source(boxes + i * 4, anchors_[i], in, in.crops[std::size_t(tile)]);
      candidates.push_back({{box, score, best}, tile, false});
    }
    return {};
  }

  static Rect to_source(const float* code, const Anchor& anchor, const Tensors& in,
                        const Crop& crop) {
    const float cy = code[0] / 10 * anchor.h + anchor.y;
    const float cx = code[1] / 10 * anchor.w + anchor.x;
    const float h = std::exp(code[2] / 5) * anchor.h;
    const float w = std::exp(code[3] / 5) * anchor.w;
    const float tw = float(in.tile_width), th = float(in.tile_height);
    return {crop.offset_x + crop.scale_x * (cx - w / 2) * tw,
            crop.offset_y + crop.scale_y * (cy - h / 2) * th, crop.scale_x * w * tw,
            crop.scale_y * h * th};
  }

  DetectOptions options_;
  std::size_t boxes_ = 0, scores_ = 1;
  bool sigmoid_ = true;
  int first_class_ = 1;
  std::vector<double> strides_;
  double min_scale_ = 0, max_scale_ = 0;
  std::string place_;
  std::vector<Anchor> anchors_;
};

constexpr InputPort kInputs[] = {{"tensors", bit(PayloadKind::kTensors)}};

}  // namespace

const NodeType kSsdDecode{
    .name = "ssd_decode",
    .group = "step",
    .doc = "Decodes an SSD's boxes and scores and suppresses duplicates, also across tiles.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kDetections,
    .make = SsdDecodeStep::make,
};

}  // namespace polder::pipeline
