// Frames of a video file, through the video plug-in.
#include <array>

#include "base/fail.h"
#include "pipeline/sources/sources.h"
#include "pipeline/video/plugin.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .required = true,
     .doc = "The video; relative to the pipeline file."},
    {.name = "start",
     .type = OptionType::kInteger,
     .fallback = "0",
     .unit = "frames",
     .min = 0,
     .max = 1e9,
     .doc = "Frames to skip at the beginning. Frame numbers and times count from the file's "
            "first frame all the same."},
    {.name = "frames",
     .type = OptionType::kInteger,
     .fallback = "0",
     .unit = "frames",
     .min = 0,
     .max = 1e9,
     .doc = "Ends after so many; 0: to the end."},
    {.name = "repeat",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "times",
     .min = 0,
     .max = 1e9,
     .doc = "Plays it so often, one after the other, numbers and times going on; 0: without end."},
};

class VideoFileSource final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto source = std::make_unique<VideoFileSource>();
    source->path_ = path_in(environment.input_folder, settings.string("path"));
    TRY_VALUE(source->plugin_, load_video_plugin(environment.plugin_folder));
    TRY_VALUE([[maybe_unused]] const MappedFile exists, MappedFile::open(source->path_));
    TRY(source->open());
    source->repeat_ = std::uint64_t(settings.integer("repeat"));
    source->start_ = std::uint64_t(settings.integer("start"));
    source->limit_ = std::uint64_t(settings.integer("frames"));
    source->start_place_ = settings.place("start");
    if (source->info_.frames > 0 && source->start_ >= std::uint64_t(source->info_.frames))
      return source->start_is_late(std::uint64_t(source->info_.frames));
    return std::unique_ptr<Node>(std::move(source));
  }

  Status process(std::span<const Packet>, Emitter& out) override {
    if (limit_ && next_ == start_ + limit_) {
      if (is_last_round()) return out.end(), Status();
      TRY(begin_again());
    }
    auto& image = out.acquire<Image>();
    image.resize(info_.width, info_.height);
    PolderVideoFrame frame{};
    do {
      const int got = plugin_->read(reader_.get(), image.pixels.data(), image.stride, &frame,
                                    error_.data(), error_.size());
      if (got < 0)
        return fail(Code::kCorrupt, "{}: after {} frames: {}", path_, next_, error_.data());
      if (got == 0) {
        TRY(check_end());
        if (is_last_round()) return out.end(), Status();
        TRY(begin_again());
        continue;
      }
      ++next_;
    } while (next_ <= start_);
    traffic_.encoded_bytes += std::uint64_t(frame.encoded_bytes);
    traffic_.decoded_bytes += image.pixels.size();
    // Another round goes on where the one before ended, by as much as its last frame took.
    if (is_first_) {
      before_ = last_ - (next_ - 1);
      before_us_ = last_us_ + period_us_ - frame.t_us;
      is_first_ = false;
    }
    const std::int64_t t_us = before_us_ + frame.t_us;
    if (t_us > last_us_) period_us_ = t_us - last_us_;
    last_us_ = t_us;
    last_ = before_ + next_;
    out.emit(last_ - 1, t_us);
    return {};
  }

  std::optional<std::uint64_t> expected_packets() const override {
    if (repeat_ == 0) return {};
    if (info_.frames <= 0) return limit_ ? std::optional(repeat_ * limit_) : std::nullopt;
    const auto total = std::uint64_t(info_.frames) - std::min(std::uint64_t(info_.frames), start_);
    return repeat_ * (limit_ ? std::min(total, limit_) : total);
  }
  Traffic traffic() const override { return traffic_; }

 private:
  Status open() {
    reader_ = {plugin_->open(path_.c_str(), &info_, error_.data(), error_.size()), plugin_->close};
    if (reader_) return {};
    return fail(Code::kCorrupt, "{}: {}", path_, error_.data());
  }
  bool is_last_round() const { return repeat_ != 0 && round_ + 1 == repeat_; }
  Status begin_again() {
    const std::int32_t width = info_.width, height = info_.height;
    TRY(open());
    if (info_.width != width || info_.height != height)
      return fail(Code::kCorrupt, "{}: is another video than before: {} x {}, not {} x {}", path_,
                  info_.width, info_.height, width, height);
    next_ = 0;
    ++round_;
    is_first_ = true;
    return {};
  }

  Error start_is_late(std::uint64_t frames) const {
    return fail(Code::kInvalid, "{}: start is {}, the video {} has {} frames", start_place_, start_,
                path_, frames);
  }

  // Containers may count a frame or two that the decoder merges; more missing means a broken file.
  Status check_end() const {
    const auto stated = std::uint64_t(info_.frames);
    if (stated > next_ + 2)
      return fail(Code::kCorrupt,
                  "{}: only {} of {} frames are there; the file is damaged or cut short. "
                  "What could be read has been processed",
                  path_, next_, stated);
    if (next_ == 0) return fail(Code::kCorrupt, "{}: the video has no frames", path_);
    if (next_ <= start_) return start_is_late(next_);
    return {};
  }

  std::shared_ptr<const PolderVideoPlugin> plugin_;
  std::unique_ptr<PolderVideoReader, void (*)(PolderVideoReader*)> reader_{nullptr, nullptr};
  PolderVideoInfo info_{};
  std::string path_, start_place_;
  std::uint64_t next_ = 0, start_ = 0, limit_ = 0;
  std::uint64_t repeat_ = 1, round_ = 0;
  bool is_first_ = false;                // of another round
  std::uint64_t before_ = 0, last_ = 0;  // frames of the rounds before, and with this one
  std::int64_t before_us_ = 0, last_us_ = 0, period_us_ = 0;
  Traffic traffic_;
  std::array<char, 512> error_{};
};

}  // namespace

const NodeType kVideoFile{
    .name = "video_file",
    .group = "source",
    .doc =
        "Frames of a video file. Needs the video plug-in. A file that lacks frames is an error "
        "where "
        "its container says how many or how long (AVI, MP4, Matroska, WebM); a cut of an MPEG-TS "
        "file cannot be seen.",
    .options = kOptions,
    .inputs = {},
    .output = PayloadKind::kImage,
    .output_is_raw = true,
    .make = VideoFileSource::make,
};

}  // namespace polder::pipeline
