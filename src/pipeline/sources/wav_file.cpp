// A WAVE file as blocks of mono samples.
#include "base/fail.h"
#include "pipeline/sources/sources.h"
#include "pipeline/sources/wav.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .required = true,
     .doc = "The file (PCM 16, 24, 32 bits or float); relative to the pipeline file."},
    {.name = "block",
     .type = OptionType::kInteger,
     .fallback = "512",
     .unit = "samples",
     .min = 1,
     .max = 1 << 20,
     .doc = "Samples of a packet; the last one is filled up with silence."},
    {.name = "sample_rate_hz",
     .type = OptionType::kInteger,
     .fallback = "16000",
     .unit = "Hz",
     .min = 1,
     .max = 768000,
     .doc = "What the model wants; a file of another rate is an error."},
    {.name = "repeat",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "times",
     .min = 0,
     .max = 1e9,
     .doc = "Plays it so often, one after the other, numbers and times going on; 0: without end."},
};

class WavFileSource final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto source = std::make_unique<WavFileSource>();
    source->path_ = path_in(environment.input_folder, settings.string("path"));
    TRY_VALUE(source->file_, MappedFile::open(source->path_));
    TRY_VALUE(source->wav_, parse_wav(source->file_.bytes(), source->path_));
    const auto wanted = settings.integer("sample_rate_hz");
    if (source->wav_.sample_rate_hz != wanted)
      return fail(Code::kInvalid, "{}: {} Hz; {} Hz are expected ({}); resample the file",
                  source->path_, source->wav_.sample_rate_hz, wanted,
                  settings.place("sample_rate_hz"));
    if (source->wav_.frames() == 0)
      return fail(Code::kCorrupt, "{}: the file {}", source->path_,
                  source->wav_.cut_short ? "is cut short: it ends before the first sample"
                                         : "holds no samples");
    source->block_ = std::uint64_t(settings.integer("block"));
    source->repeat_ = std::uint64_t(settings.integer("repeat"));
    return std::unique_ptr<Node>(std::move(source));
  }

  Status process(std::span<const Packet>, Emitter& out) override {
    const std::uint64_t total = wav_.frames();
    if (at_ >= total) {
      if (wav_.cut_short)
        return fail(Code::kCorrupt,
                    "{}: the file is cut short: it ends after {} samples. What came "
                    "before it has been processed",
                    path_, total);
      if (++round_ == repeat_) return out.end(), Status();
      at_ = 0;
    }
    const std::uint64_t begin = at_;
    auto& audio = out.acquire<Audio>();
    audio.sample_rate_hz = wav_.sample_rate_hz;
    audio.samples.assign(block_, 0);
    const std::uint64_t count = std::min(block_, total - begin);
    for (std::uint64_t i = 0; i < count; ++i) audio.samples[i] = wav_.mono(begin + i);
    traffic_.encoded_bytes += count * wav_.frame_bytes();
    traffic_.decoded_bytes += count * sizeof(float);
    const auto time_of = [&](std::uint64_t sample) {
      return std::int64_t(double(round_ * total + sample) * 1e6 / wav_.sample_rate_hz);
    };
    out.emit(next_++, time_of(begin), time_of(begin + count) - time_of(begin));
    at_ += count;
    return {};
  }

  std::optional<std::uint64_t> expected_packets() const override {
    if (repeat_ == 0) return {};
    return repeat_ * ((wav_.frames() + block_ - 1) / block_);
  }
  Traffic traffic() const override { return traffic_; }

 private:
  std::string path_;
  MappedFile file_;
  Wav wav_;
  std::uint64_t next_ = 0, block_ = 1;
  std::uint64_t repeat_ = 1, round_ = 0, at_ = 0;  // the next sample, of this round
  Traffic traffic_;
};

}  // namespace

const NodeType kWavFile{
    .name = "wav_file",
    .group = "source",
    .doc = "A WAVE file as blocks of mono samples.",
    .options = kOptions,
    .inputs = {},
    .output = PayloadKind::kAudio,
    .output_is_raw = true,
    .make = WavFileSource::make,
};

}  // namespace polder::pipeline
