// Events, detections or tracks as JSON, one object to a line. The file appears when the run is
// done.
#include "base/fail.h"
#include "base/json_text.h"
#include "pipeline/sinks/sinks.h"

namespace polder::pipeline {
namespace {

constexpr std::size_t kFlushBytes = 64 * 1024;

constexpr Option kOptions[] = {
    {.name = "path",
     .type = OptionType::kString,
     .fallback = "\"events.jsonl\"",
     .doc = "The file, below the output folder."},
};

std::string seconds(std::int64_t t_us) { return fmt::format("{:.3f}", double(t_us) * 1e-6); }

std::string box_text(const Rect& box) {
  return fmt::format("[{:.1f},{:.1f},{:.1f},{:.1f}]", box.x, box.y, box.w, box.h);
}

std::string label_text(const Labels& labels, int label) {
  if (labels && std::size_t(label) < labels->size())
    return json_quote((*labels)[std::size_t(label)]);
  return fmt::format("\"{}\"", label);
}

std::string event_line(const Event& event) {
  std::string line = fmt::format("{{\"t_s\":{},\"frame\":{},\"event\":{}", seconds(event.t_us),
                                 event.seq, json_quote(event.kind));
  if (!event.where.empty()) line += ",\"where\":" + json_quote(event.where);
  if (!event.direction.empty()) line += ",\"direction\":" + json_quote(event.direction);
  if (!event.label.empty()) line += ",\"label\":" + json_quote(event.label);
  if (event.track) line += fmt::format(",\"track\":{}", event.track);
  if (event.value != 0) line += fmt::format(",\"value\":{:.3f}", event.value);
  return line + "}\n";
}

class JsonLinesSink final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings,
                                            const Environment& environment) {
    auto sink = std::make_unique<JsonLinesSink>();
    TRY_VALUE(const std::string path, output_path(environment, settings, "path"));
    TRY_VALUE(sink->file_, environment.files->create_lines(path));
    sink->flush_bytes_ = environment.realtime ? 1 : kFlushBytes;
    return std::unique_ptr<Node>(std::move(sink));
  }

  // The kinds of payload are those of the edges, which do not change.
  Status process(std::span<const Packet> inputs, Emitter&) override {
    for (const Packet& packet : inputs) {
      const Payload* payload = packet.payload.get();
      if (dynamic_cast<const Events*>(payload)) write_events(packet);
      else if (dynamic_cast<const Tracks*>(payload)) write_tracks(packet);
      else write_detections(packet);
    }
    return text_.size() >= flush_bytes_ ? flush() : Status();
  }

  Status finish(Emitter&) override { return flush(); }
  Status commit() override { return file_->commit(); }
  Traffic traffic() const override { return {.event_bytes = written_bytes_}; }

 private:
  Status flush() {
    TRY(file_->write(text_));
    written_bytes_ += text_.size();
    text_.clear();
    return {};
  }

  void write_events(const Packet& packet) {
    for (const Event& event : packet.as<Events>().items) text_ += event_line(event);
  }

  void write_tracks(const Packet& packet) {
    const auto& tracks = packet.as<Tracks>();
    text_ += fmt::format("{{\"t_s\":{},\"frame\":{},\"tracks\":[", seconds(packet.t_capture_us),
                         packet.seq);
    for (const Track& track : tracks.items)
      text_ += fmt::format("{}{{\"id\":{},\"label\":{},\"score\":{:.3f},\"seen\":{},\"box\":{}}}",
                           &track == tracks.items.data() ? "" : ",", track.id,
                           label_text(tracks.labels, track.label), track.score, track.measured,
                           box_text(track.box));
    text_ += "]}\n";
  }

  void write_detections(const Packet& packet) {
    const auto& detections = packet.as<Detections>();
    if (!detections.measured) return;
    text_ += fmt::format("{{\"t_s\":{},\"frame\":{},\"detections\":[", seconds(packet.t_capture_us),
                         packet.seq);
    for (const Detection& detection : detections.items)
      text_ += fmt::format("{}{{\"label\":{},\"score\":{:.3f},\"box\":{}}}",
                           &detection == detections.items.data() ? "" : ",",
                           label_text(detections.labels, detection.label), detection.score,
                           box_text(detection.box));
    text_ += "]}\n";
  }

  std::unique_ptr<OutputFile> file_;
  std::string text_;
  std::size_t flush_bytes_ = kFlushBytes;
  std::uint64_t written_bytes_ = 0;
};

constexpr InputPort kInputs[] = {
    {"records",
     bit(PayloadKind::kEvents) | bit(PayloadKind::kTracks) | bit(PayloadKind::kDetections), true}};

}  // namespace

const NodeType kJsonLines{
    .name = "json_lines",
    .group = "sink",
    .doc =
        "Events, tracks or detections as JSON, one object to a line. The file appears when the run "
        "ends: whole, or up to where a source broke off (exit code 1).",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kNone,
    .stores = true,
    .make = JsonLinesSink::make,
};

}  // namespace polder::pipeline
