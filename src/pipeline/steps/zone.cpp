// Watches a polygon: who enters, who leaves, who stays, how many are in it.
#include <map>

#include "base/fail.h"
#include "pipeline/steps/outline.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "polygon",
     .type = OptionType::kPoints,
     .required = true,
     .doc = "Corners in source pixels, at least three."},
    {.name = "zone", .type = OptionType::kString, .doc = "Name in events; without it \"zone\"."},
    {.name = "anchor",
     .type = OptionType::kString,
     .fallback = "\"bottom\"",
     .choices = "bottom|centre",
     .doc = "The point of the box that counts."},
    {.name = "min_packets",
     .type = OptionType::kInteger,
     .fallback = "3",
     .unit = "packets",
     .min = 1,
     .max = 1000,
     .doc = "In a row on the other side before a track has entered or left."},
    {.name = "dwell_s",
     .type = OptionType::kFloat,
     .fallback = "10",
     .unit = "s",
     .min = 0,
     .max = 86400,
     .doc = "A track that stays this long causes one `dwell` event."},
    {.name = "lost_s",
     .type = OptionType::kFloat,
     .fallback = "2",
     .unit = "s",
     .min = 0,
     .max = 3600,
     .doc = "A track out of sight for this long has left."},
};
constexpr std::size_t kMaxCorners = 256;

class ZoneStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<ZoneStep>();
    step->corners_ = settings.points("polygon");
    if (step->corners_.size() < 3 || step->corners_.size() > kMaxCorners)
      return fail(Code::kInvalid, "{}: 'polygon' has {} corners; expected 3 to {}",
                  settings.place("polygon"), step->corners_.size(), kMaxCorners);
    step->name_ = settings.has("zone") ? settings.string("zone") : "zone";
    step->centre_ = settings.string("anchor") == "centre";
    step->min_packets_ = int(settings.integer("min_packets"));
    step->dwell_us_ = std::int64_t(settings.number("dwell_s") * 1e6);
    step->lost_us_ = std::int64_t(settings.number("lost_s") * 1e6);
    auto outlines = std::make_shared<std::vector<Outline>>();
    outlines->push_back({step->name_, {}, true});
    for (const auto& [x, y] : step->corners_)
      outlines->back().points.emplace_back(float(x), float(y));
    step->outlines_ = std::move(outlines);
    step->place_ = settings.place("polygon");
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& tracks = inputs[0].as<Tracks>();
    TRY(expect_in_picture((*outlines_)[0], tracks, place_));
    auto& events = out.acquire<Events>();
    events.items.clear();
    events.outlines = outlines_;
    for (const Track& track : tracks.items) follow(track, tracks, inputs[0], events);
    leave_lost(inputs[0], events);
    events.counters = counters();
    out.emit(inputs[0]);
    return {};
  }

  std::vector<Counter> counters() const override {
    return {{name_ + " now", double(inside_)}, {name_ + " entered", double(entered_)}};
  }

 private:
  struct Visitor {
    bool inside = false, dwelt = false;
    int other_side = 0;  // packets in a row on the other side
    std::int64_t since_us = 0, seen_us = 0;
    std::string label;
  };

  // Even-odd rule.
  bool contains(double x, double y) const {
    bool in = false;
    for (std::size_t i = 0, j = corners_.size() - 1; i < corners_.size(); j = i++) {
      const auto& [xi, yi] = corners_[i];
      const auto& [xj, yj] = corners_[j];
      if ((yi > y) != (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi) in = !in;
    }
    return in;
  }

  void add(const char* kind, std::int64_t id, const Visitor& visitor, const Packet& packet,
           Events& events) {
    Event event{.t_us = packet.t_capture_us,
                .seq = packet.seq,
                .kind = kind,
                .where = name_,
                .direction = {},
                .label = visitor.label};
    event.track = id;
    if (event.kind != "enter") event.value = double(packet.t_capture_us - visitor.since_us) * 1e-6;
    events.items.push_back(std::move(event));
  }

  void follow(const Track& track, const Tracks& tracks, const Packet& packet, Events& events) {
    const Rect& box = track.box;
    const bool in = contains(box.x + box.w / 2, centre_ ? box.y + box.h / 2 : box.bottom());
    Visitor& visitor = visitors_[track.id];
    visitor.seen_us = packet.t_capture_us;
    if (visitor.label.empty() && tracks.labels && std::size_t(track.label) < tracks.labels->size())
      visitor.label = (*tracks.labels)[std::size_t(track.label)];
    visitor.other_side = in == visitor.inside ? 0 : visitor.other_side + 1;
    if (visitor.other_side >= min_packets_) turn(track.id, visitor, packet, events);
    if (visitor.inside && !visitor.dwelt && packet.t_capture_us - visitor.since_us >= dwell_us_) {
      visitor.dwelt = true;
      add("dwell", track.id, visitor, packet, events);
    }
  }

  void turn(std::int64_t id, Visitor& visitor, const Packet& packet, Events& events) {
    visitor.inside = !visitor.inside;
    visitor.other_side = 0;
    if (visitor.inside) {
      visitor.since_us = packet.t_capture_us;
      visitor.dwelt = false;
      ++entered_;
      ++inside_;
      add("enter", id, visitor, packet, events);
    } else {
      --inside_;
      add("leave", id, visitor, packet, events);
    }
  }

  void leave_lost(const Packet& packet, Events& events) {
    for (auto entry = visitors_.begin(); entry != visitors_.end();) {
      auto& [id, visitor] = *entry;
      if (packet.t_capture_us - visitor.seen_us <= lost_us_) {
        ++entry;
        continue;
      }
      if (visitor.inside) turn(id, visitor, packet, events);
      entry = visitors_.erase(entry);
    }
  }

  std::vector<std::pair<double, double>> corners_;
  std::string name_;
  bool centre_ = false;
  int min_packets_ = 1;
  std::int64_t dwell_us_ = 0, lost_us_ = 0;
  std::shared_ptr<const std::vector<Outline>> outlines_;
  std::string place_;  // where the file says so
  std::map<std::int64_t, Visitor> visitors_;
  std::int64_t inside_ = 0, entered_ = 0;
};

constexpr InputPort kInputs[] = {{"tracks", bit(PayloadKind::kTracks)}};

}  // namespace

const NodeType kZone{
    .name = "zone",
    .group = "step",
    .doc = "Watches a polygon. Events: `enter`, `leave` and `dwell`; counters: in it now, entered.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kEvents,
    .make = ZoneStep::make,
};

}  // namespace polder::pipeline
