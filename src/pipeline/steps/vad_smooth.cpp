// Probabilities of speech to segments: hysteresis, least lengths and padding, as in silero-vad.
#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "output",
     .type = OptionType::kInteger,
     .fallback = "0",
     .min = 0,
     .max = 15,
     .doc = "Which output of the model holds the probability."},
    {.name = "on",
     .type = OptionType::kFloat,
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .doc = "Speech may begin at this probability."},
    {.name = "off",
     .type = OptionType::kFloat,
     .fallback = "0.35",
     .min = 0,
     .max = 1,
     .doc = "Speech may end below this one."},
    {.name = "min_speech_ms",
     .type = OptionType::kFloat,
     .fallback = "250",
     .unit = "ms",
     .min = 0,
     .max = 60000,
     .doc = "Shorter speech is ignored."},
    {.name = "min_silence_ms",
     .type = OptionType::kFloat,
     .fallback = "100",
     .unit = "ms",
     .min = 0,
     .max = 60000,
     .doc = "Shorter pauses do not end it."},
    {.name = "pad_ms",
     .type = OptionType::kFloat,
     .fallback = "30",
     .unit = "ms",
     .min = 0,
     .max = 5000,
     .doc = "Added before and after a segment."},
};

class VadSmoothStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<VadSmoothStep>();
    step->output_ = std::size_t(settings.integer("output"));
    step->on_ = float(settings.number("on"));
    step->off_ = float(settings.number("off"));
    if (step->off_ > step->on_)
      return fail(Code::kInvalid, "{}: 'off' is above 'on'", settings.place("off"));
    step->min_speech_us_ = std::int64_t(settings.number("min_speech_ms") * 1000);
    step->min_silence_us_ = std::int64_t(settings.number("min_silence_ms") * 1000);
    step->pad_us_ = std::int64_t(settings.number("pad_ms") * 1000);
    step->place_ = settings.place("output");
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& tensors = inputs[0].as<Tensors>();
    auto& events = out.acquire<Events>();
    events.items.clear();
    events.outlines.reset();
    last_ = inputs[0];
    last_.payload = {};
    if (tensors.run_count > 0) {
      const std::vector<Tensor>& run = tensors.runs[0];
      if (output_ >= run.size() || run[output_].type != DataType::kF32 || run[output_].data.empty())
        return fail(Code::kInvalid, "{}: output {} of the model must be f32 with one probability",
                    place_, output_);
      probability_ = run[output_].f32()[0];
      if (!std::isfinite(probability_))
        return fail(Code::kInvalid, "{}: the model gives {} as the probability of packet {}",
                    place_, probability_, last_.seq);
      follow(events);
    }
    events.counters = counters();
    out.emit(inputs[0]);
    return {};
  }

  Status finish(Emitter& out) override {
    if (begin_us_ < 0) return {};
    auto& events = out.acquire<Events>();
    events.items.clear();
    events.outlines.reset();
    announce(events);
    if (announced_) end(events);
    events.counters = counters();
    last_.t_capture_us += 1;  // times rise strictly
    out.emit(last_);
    return {};
  }

  std::vector<Counter> counters() const override {
    return {{"speech segments", double(segments_)}, {"speech seconds", double(speech_us_) * 1e-6}};
  }

 private:
  std::int64_t now_us() const { return last_.t_capture_us + last_.duration_us; }
  std::int64_t speech_end_us() const { return silent_since_us_ >= 0 ? silent_since_us_ : now_us(); }

  void follow(Events& events) {
    if (probability_ >= on_) {
      silent_since_us_ = -1;
      if (begin_us_ < 0) begin_us_ = last_.t_capture_us;
    }
    if (begin_us_ < 0) return;
    if (probability_ < off_ && silent_since_us_ < 0) silent_since_us_ = last_.t_capture_us;
    announce(events);
    if (silent_since_us_ >= 0 && now_us() - silent_since_us_ >= min_silence_us_) {
      if (announced_) end(events);
      begin_us_ = silent_since_us_ = -1;
      announced_ = false;
    }
  }

  void announce(Events& events) {
    if (announced_ || speech_end_us() - begin_us_ < min_speech_us_) return;
    announced_ = true;
    add("speech_start", std::max<std::int64_t>(begin_us_ - pad_us_, 0), probability_, events);
  }

  void end(Events& events) {
    ++segments_;
    const std::int64_t length_us = speech_end_us() - begin_us_;
    speech_us_ += length_us;
    add("speech_end", speech_end_us() + pad_us_, double(length_us) * 1e-6, events);
  }

  void add(const char* kind, std::int64_t t_us, double value, Events& events) {
    Event event{
        .t_us = t_us, .seq = last_.seq, .kind = kind, .where = {}, .direction = {}, .label = {}};
    event.value = value;
    events.items.push_back(std::move(event));
  }

  std::size_t output_ = 0;
  float on_ = 0, off_ = 0;
  std::int64_t min_speech_us_ = 0, min_silence_us_ = 0, pad_us_ = 0;
  std::string place_;
  Packet last_;  // header only
  float probability_ = 0;
  std::int64_t begin_us_ = -1, silent_since_us_ = -1;
  bool announced_ = false;
  std::uint64_t segments_ = 0;
  std::int64_t speech_us_ = 0;
};

constexpr InputPort kInputs[] = {{"tensors", bit(PayloadKind::kTensors)}};

}  // namespace

const NodeType kVadSmooth{
    .name = "vad_smooth",
    .group = "step",
    .doc =
        "Makes segments of speech from probabilities. Events: `speech_start` with the probability, "
        "and `speech_end` with the seconds of speech, without the padding.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kEvents,
    .make = VadSmoothStep::make,
};

}  // namespace polder::pipeline
