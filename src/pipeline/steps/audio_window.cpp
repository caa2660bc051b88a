// Blocks of audio to tensors, each with the end of the block before it as context.
#include <algorithm>

#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "context",
     .type = OptionType::kInteger,
     .fallback = "64",
     .unit = "samples",
     .min = 0,
     .max = 65536,
     .doc = "Samples of the block before; zero at the start."},
};

class AudioWindowStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<AudioWindowStep>();
    step->context_.resize(std::size_t(settings.integer("context")));
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& audio = inputs[0].as<Audio>();
    auto& tensors = out.acquire<Tensors>();
    tensors.crops.clear();
    tensors.resize(1, 1);
    Tensor& tensor = tensors.runs[0][0];
    const std::size_t samples = audio.samples.size(), context = context_.size();
    tensor.reset(DataType::kF32, Shape{1, std::int64_t(context + samples)});
    std::ranges::copy(context_, tensor.f32());
    std::ranges::copy(audio.samples, tensor.f32() + context);
    std::copy_n(tensor.f32() + samples, context, context_.begin());
    out.emit(inputs[0]);
    return {};
  }

 private:
  std::vector<float> context_;
};

constexpr InputPort kInputs[] = {{"audio", bit(PayloadKind::kAudio)}};

}  // namespace

const NodeType kAudioWindow{
    .name = "audio_window",
    .group = "step",
    .doc = "Makes a f32 tensor [1, context + block] of each block of audio.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTensors,
    .output_is_raw = true,
    .make = AudioWindowStep::make,
};

}  // namespace polder::pipeline
