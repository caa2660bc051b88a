// The video with boxes, track numbers, trails, lines and counts drawn in, as an MP4 file.
#include <algorithm>
#include <array>
#include <cctype>
#include <deque>
#include <map>

#include "base/fail.h"
#include "pipeline/imaging/draw.h"
#include "pipeline/sinks/sinks.h"
#include "pipeline/video/plugin.h"

namespace polder::pipeline {
namespace {

constexpr Colour kWhite{255, 255, 255}, kBlack{0, 0, 0}, kLine{255, 235, 59};

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .fallback = "\"annotated.mp4\"",
     .doc = "The file, below the output folder: an MP4."},
    {.name = "frame_rate",
     .type = OptionType::kFloat,
     .fallback = "10",
     .unit = "frames a second",
     .min = 0.1,
     .max = 240,
     .doc = "Nominal; the frames are as far apart as when they were captured."},
    {.name = "quality",
     .type = OptionType::kInteger,
     .fallback = "26",
     .min = 1,
     .max = 51,
     .doc = "1 is best, 51 smallest."},
    {.name = "trail",
     .type = OptionType::kInteger,
     .fallback = "30",
     .unit = "packets",
     .min = 0,
     .max = 1000,
     .doc = "Length of the trail behind each track."},
};

class AnnotatedVideoSink final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto sink = std::make_unique<AnnotatedVideoSink>();
    TRY_VALUE(sink->path_, output_path(environment, settings, "path"));
    TRY(check_ending(sink->path_, settings));
    TRY_VALUE(sink->plugin_, load_video_plugin(environment.plugin_folder));
    sink->writer_ = {nullptr, sink->plugin_->discard};
    TRY_VALUE(sink->file_, environment.files->create(sink->path_));
    sink->format_.frame_rate = settings.number("frame_rate");
    sink->format_.quality = int(settings.integer("quality"));
    sink->format_.threads = 1;
    sink->trail_ = std::size_t(settings.integer("trail"));
    return std::unique_ptr<Node>(std::move(sink));
  }

  Status process(std::span<const Packet> inputs, Emitter&) override {
    const auto& image = inputs[0].as<Image>();
    if (!writer_) {
      TRY(open(image));
      first_us_ = inputs[0].t_capture_us;
    }
    if (image.width < format_.width || image.height < format_.height)
      return fail(Code::kInvalid,
                  "{}: frame {} is {}x{}, the first was {}x{}, and a video has one size; give "
                  "pictures of one size or take this sink out",
                  path_, inputs[0].seq, image.width, image.height, format_.width, format_.height);
    canvas_.width = image.width;
    canvas_.height = image.height;
    canvas_.stride = image.stride;
    canvas_.pixels = image.pixels;
    for (const Packet& packet : inputs.subspan(2)) draw_outlines(packet.as<Events>());
    draw_tracks(inputs[1].as<Tracks>());
    draw_counters(inputs.subspan(2), inputs[0].t_capture_us);
    const int code =
        plugin_->write(writer_.get(), canvas_.pixels.data(), canvas_.stride,
                       inputs[0].t_capture_us - first_us_, error_.data(), error_.size());
    return code == 0 ? Status() : problem();
  }

  Status finish(Emitter&) override {
    if (!writer_) return {};
    return plugin_->finish(writer_.get(), error_.data(), error_.size()) == 0 ? Status() : problem();
  }

  // Without a single frame there is no video to put in place.
  Status commit() override { return writer_ ? file_->commit() : Status(); }

 private:
  static Status check_ending(const std::string& path, const Settings& settings) {
    const std::size_t name = path.rfind('/') + 1;
    const std::size_t dot = path.find_last_of('.');
    if (dot == path.npos || dot < name) return {};
    std::string ending = path.substr(dot);
    std::ranges::transform(ending, ending.begin(),
                           [](unsigned char c) { return char(std::tolower(c)); });
    if (ending == ".mp4") return {};
    return fail(Code::kUnsupported, "{}: 'path' is '{}'; videos are MP4: let its name end in .mp4",
                settings.place("path"), settings.string("path"));
  }

  Status open(const Image& image) {
    format_.width = image.width & ~1;
    format_.height = image.height & ~1;
    if (format_.width == 0 || format_.height == 0)
      return fail(Code::kInvalid, "{}: a picture of {}x{} is too small for a video", path_,
                  image.width, image.height);
    const PolderVideoOutput output{this, write_bytes, seek_to};
    writer_.reset(plugin_->create(&format_, &output, error_.data(), error_.size()));
    return writer_ ? Status() : problem();
  }

  static int write_bytes(void* user, const uint8_t* bytes, int size) {
    auto& sink = *static_cast<AnnotatedVideoSink*>(user);
    return sink.note(sink.file_->write({reinterpret_cast<const char*>(bytes), std::size_t(size)}));
  }
  static int seek_to(void* user, int64_t offset) {
    auto& sink = *static_cast<AnnotatedVideoSink*>(user);
    return sink.note(sink.file_->seek(offset));
  }
  int note(Status status) {
    if (status.ok()) return 0;
    if (file_problem_.ok()) file_problem_ = std::move(status);
    return -1;
  }
  // What went wrong: the file's own words when it was the file.
  Status problem() {
    if (!file_problem_.ok())
      return fail(file_problem_.error().code, "{}", file_problem_.error().message);
    return fail(Code::kIo, "{}: cannot encode: {}", path_, error_.data());
  }

  void draw_outlines(const Events& events) {
    if (!events.outlines) return;
    for (const Outline& outline : *events.outlines) {
      const std::size_t n = outline.points.size();
      for (std::size_t i = 0; i + (outline.closed ? 0 : 1) < n; ++i) {
        const auto& [x0, y0] = outline.points[i];
        const auto& [x1, y1] = outline.points[(i + 1) % n];
        draw_line(canvas_, x0, y0, x1, y1, 3, kLine);
      }
      if (n)
        label(int(outline.points[0].first) + 6, int(outline.points[0].second) + 6, outline.name,
              kLine);
    }
  }

  void draw_tracks(const Tracks& tracks) {
    std::map<std::int64_t, std::deque<std::pair<float, float>>> trails;
    for (const Track& track : tracks.items) {
      auto& trail = trails[track.id];
      if (const auto old = trails_.find(track.id); old != trails_.end())
        trail = std::move(old->second);
      trail.emplace_back(track.box.x + track.box.w / 2, track.box.bottom());
      while (trail.size() > trail_ + 1) trail.pop_front();
      for (std::size_t i = 1; i < trail.size(); ++i)
        draw_line(canvas_, trail[i - 1].first, trail[i - 1].second, trail[i].first, trail[i].second,
                  2, colour_of(track.id));
    }
    trails_ = std::move(trails);
    for (const Track& track : tracks.items) {
      draw_box(canvas_, track.box, track.measured ? 2 : 1, colour_of(track.id));
      label(int(track.box.x), int(track.box.y) - 18, std::to_string(track.id), colour_of(track.id));
    }
  }

  void label(int x, int y, std::string_view text, Colour colour) {
    const float w = float(text_width(text, 2) + 6), h = kTextDots * 2 + 4;
    fill_box(canvas_, {float(x), float(y), w, h}, kBlack, 0.65F);
    draw_text(canvas_, x + 4, y + 2, text, 2, colour);
  }

  void draw_counters(std::span<const Packet> events, std::int64_t t_us) {
    std::vector<std::string> lines{fmt::format("{:.1f} s", double(t_us) * 1e-6)};
    int width = text_width(lines[0], 2);
    for (const Packet& packet : events)
      for (const Counter& counter : packet.as<Events>().counters) {
        lines.push_back(fmt::format("{}: {}", counter.name, counter.value));
        width = std::max(width, text_width(lines.back(), 2));
      }
    const int step = kTextDots * 2 + 6;
    fill_box(canvas_, {8, 8, float(width + 12), float(step * int(lines.size()) + 8)}, kBlack, 0.6F);
    for (std::size_t i = 0; i < lines.size(); ++i)
      draw_text(canvas_, 16, 14 + step * int(i), lines[i], 2, kWhite);
  }

  std::shared_ptr<const PolderVideoPlugin> plugin_;
  std::string path_;
  std::unique_ptr<OutputFile> file_;
  std::unique_ptr<PolderVideoWriter, void (*)(PolderVideoWriter*)> writer_{nullptr, nullptr};
  PolderVideoFormat format_{};
  Status file_problem_;
  std::array<char, 512> error_{};
  std::size_t trail_ = 0;
  std::int64_t first_us_ = 0;  // the video starts at 0
  Image canvas_;
  std::map<std::int64_t, std::deque<std::pair<float, float>>> trails_;
};

constexpr InputPort kInputs[] = {{"image", bit(PayloadKind::kImage)},
                                 {"tracks", bit(PayloadKind::kTracks)},
                                 {"events", bit(PayloadKind::kEvents), true}};

}  // namespace

const NodeType kAnnotatedVideo{
    .name = "annotated_video",
    .group = "sink",
    .doc =
        "The video with boxes, track numbers, trails, lines and counts drawn in (H.264, or MPEG-4 "
        "where "
        "there is no H.264 encoder). It stores pictures, so the graph must allow raw data. Needs "
        "the "
        "video plug-in.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kNone,
    .stores = true,
    .make = AnnotatedVideoSink::make,
};

}  // namespace polder::pipeline
