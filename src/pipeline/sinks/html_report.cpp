// One self-contained HTML page about a run: counts over time, trails over the scene, latency per
// stage, traffic, drops. What it keeps is bounded however long the run is.
#include <algorithm>
#include <map>

#include "base/fail.h"
#include "base/json_text.h"
#include "pipeline/imaging/encode.h"
#include "pipeline/sinks/report_page.h"
#include "pipeline/sinks/sinks.h"
#include "pipeline/stats_json.h"

namespace polder::pipeline {
namespace {

constexpr std::size_t kMaxPoints = 1000, kMaxTrails = 1000, kMaxTrailPoints = 160, kMaxEvents = 500;
constexpr int kJpegQuality = 82;

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .fallback = "\"report.html\"",
     .doc = "The file, below the output folder."},
    {.name = "title",
     .type = OptionType::kString,
     .fallback = "\"Pipeline report\"",
     .doc = "Heading of the page."},
};

// Numbers over time; when there are too many points, every second one goes and the step doubles.
class Series {
 public:
  void add(double t_s, std::span<const Counter> counters) {
    if (t_s < next_s_) return;
    next_s_ = t_s + step_s_;
    if (lines_.empty())
      for (const Counter& counter : counters) lines_.push_back({counter.name, {}});
    t_s_.push_back(t_s);
    for (std::size_t i = 0; i < lines_.size(); ++i)
      lines_[i].second.push_back(i < counters.size() ? counters[i].value : 0);
    if (t_s_.size() > kMaxPoints) thin();
  }

  std::string json() const {
    std::string lines;
    for (const auto& [name, values] : lines_)
      lines += fmt::format("{}{{\"name\":{},\"values\":[{}]}}", lines.empty() ? "" : ",",
                           json_quote(name), fmt::join(values, ","));
    return fmt::format("{{\"t_s\":[{:.2f}],\"lines\":[{}]}}", fmt::join(t_s_, ","), lines);
  }

 private:
  template <class T>
  static void halve(std::vector<T>& values) {
    for (std::size_t i = 0; 2 * i < values.size(); ++i) values[i] = values[2 * i];
    values.resize((values.size() + 1) / 2);
  }
  void thin() {
    step_s_ = step_s_ > 0 ? step_s_ * 2 : 2 * (t_s_.back() - t_s_.front()) / double(t_s_.size());
    halve(t_s_);
    for (auto& [name, values] : lines_) halve(values);
  }

  double step_s_ = 0, next_s_ = 0;
  std::vector<double> t_s_;
  std::vector<std::pair<std::string, std::vector<double>>> lines_;
};

struct Trail {
  std::vector<std::pair<float, float>> points;
  int step = 1, skipped = 0;

  void add(float x, float y) {
    if (skipped++ % step != 0) return;
    points.emplace_back(x, y);
    if (points.size() <= kMaxTrailPoints) return;
    for (std::size_t i = 0; 2 * i < points.size(); ++i) points[i] = points[2 * i];
    points.resize((points.size() + 1) / 2);
    step *= 2;
  }
};

class HtmlReportSink final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto sink = std::make_unique<HtmlReportSink>();
    TRY_VALUE(const std::string path, output_path(environment, settings, "path"));
    TRY_VALUE(sink->file_, environment.files->create(path));
    sink->title_ = settings.string("title");
    return std::unique_ptr<Node>(std::move(sink));
  }

  Status process(std::span<const Packet> inputs, Emitter&) override {
    const auto& image = inputs[0].as<Image>();
    const auto& tracks = inputs[1].as<Tracks>();
    if (scene_width_ == 0) TRY(keep_scene(image));
    std::vector<Counter> now{{"in view", double(tracks.items.size())}};
    for (const Packet& packet : inputs.subspan(2)) {
      const auto& events = packet.as<Events>();
      for (const Event& event : events.items) keep_event(event, tracks);
      for (const Counter& counter : events.counters) now.push_back(counter);
      if (first_ && events.outlines)
        outlines_.insert(outlines_.end(), events.outlines->begin(), events.outlines->end());
    }
    first_ = false;
    series_.add(double(inputs[0].t_capture_us) * 1e-6, now);
    for (const Track& track : tracks.items) {
      const auto found = trails_.find(track.id);
      if (found == trails_.end() && trails_.size() >= kMaxTrails) continue;
      trails_[track.id].add(track.box.x + track.box.w / 2, track.box.bottom());
    }
    return {};
  }

  Status complete(const RunStats& stats) override {
    const std::string data = fmt::format(
        "{{\"title\":{},\"run\":{},\"series\":{},\"scene\":{},\"events\":[{}],\"more_events\":{}}}",
        json_quote(title_), stats_json(stats), series_.json(), scene_json(),
        fmt::join(events_, ","), more_events_);
    return file_->write(report_page(title_, data));
  }

  Status commit() override { return file_->commit(); }

 private:
  Status keep_scene(const Image& image) {
    scene_width_ = image.width;
    scene_height_ = image.height;
    TRY_VALUE(const std::string jpeg, encode_jpeg(image, kJpegQuality));
    scene_ = base64(jpeg);
    return {};
  }

  void keep_event(const Event& event, const Tracks& tracks) {
    if (events_.size() >= kMaxEvents) {
      ++more_events_;
      return;
    }
    events_.push_back(
        fmt::format("{{\"t_s\":{:.2f},\"event\":{},\"where\":{},\"direction\":{},\"track\":{}}}",
                    double(event.t_us) * 1e-6, json_quote(event.kind), json_quote(event.where),
                    json_quote(event.direction), event.track));
    const auto track = std::ranges::find(tracks.items, event.track, &Track::id);
    if (event.kind != "cross" || track == tracks.items.end()) return;
    marks_.push_back(fmt::format(
        "{{\"x\":{:.1f},\"y\":{:.1f},\"counter\":{},\"text\":{}}}", track->box.x + track->box.w / 2,
        track->box.bottom(), json_quote(event.where + " " + event.direction),
        json_quote(fmt::format("track {} {} at {:.1f} s", event.track, event.direction,
                               double(event.t_us) * 1e-6))));
  }

  static std::string points_json(std::span<const std::pair<float, float>> points) {
    std::string out;
    for (const auto& [x, y] : points)
      out += fmt::format("{}{:.0f},{:.0f}", out.empty() ? "" : ",", x, y);
    return out;
  }

  std::string scene_json() const {
    std::string trails, outlines;
    for (const auto& [id, trail] : trails_)
      trails += fmt::format("{}{{\"id\":{},\"points\":[{}]}}", trails.empty() ? "" : ",", id,
                            points_json(trail.points));
    for (const Outline& outline : outlines_)
      outlines += fmt::format("{}{{\"name\":{},\"closed\":{},\"points\":[{}]}}",
                              outlines.empty() ? "" : ",", json_quote(outline.name), outline.closed,
                              points_json(outline.points));
    return fmt::format(
        "{{\"width\":{},\"height\":{},\"image\":\"{}\",\"trails\":[{}],\"outlines\":[{}],\"marks\":"
        "[{}]}}",
        scene_width_, scene_height_, scene_, trails, outlines, fmt::join(marks_, ","));
  }

  std::unique_ptr<OutputFile> file_;
  std::string title_, scene_;
  int scene_width_ = 0, scene_height_ = 0;
  bool first_ = true;
  Series series_;
  std::map<std::int64_t, Trail> trails_;
  std::vector<Outline> outlines_;
  std::vector<std::string> events_, marks_;
  std::uint64_t more_events_ = 0;
};

constexpr InputPort kInputs[] = {{"image", bit(PayloadKind::kImage)},
                                 {"tracks", bit(PayloadKind::kTracks)},
                                 {"events", bit(PayloadKind::kEvents), true}};

}  // namespace

const NodeType kHtmlReport{
    .name = "html_report",
    .group = "sink",
    .doc =
        "A self-contained HTML page: counts over time, trails over the first frame, latency per "
        "stage, "
        "traffic, drops. It stores one picture, so the graph must allow raw data.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kNone,
    .stores = true,
    .make = HtmlReportSink::make,
};

}  // namespace polder::pipeline
