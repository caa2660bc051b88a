// Counts tracks that cross a line. A track counts when its anchor point has come clearly onto the
// other side, so one that lingers on the line is not counted again and again.
#include <cmath>
#include <map>
#include <optional>

#include "base/fail.h"
#include "pipeline/steps/outline.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "from",
     .type = OptionType::kNumbers,
     .required = true,
     .unit = "source pixels",
     .min = -16384,
     .max = 32768,
     .doc = "[x, y] where the line begins."},
    {.name = "to",
     .type = OptionType::kNumbers,
     .required = true,
     .unit = "source pixels",
     .min = -16384,
     .max = 32768,
     .doc = "[x, y] where it ends."},
    {.name = "line", .type = OptionType::kString, .doc = "Name in events; without it \"line\"."},
    {.name = "in",
     .type = OptionType::kString,
     .fallback = "\"left_to_right\"",
     .choices = "left_to_right|right_to_left",
     .doc = "Which way counts as in, for one who looks along the line from its beginning."},
    {.name = "anchor",
     .type = OptionType::kString,
     .fallback = "\"bottom\"",
     .choices = "bottom|centre",
     .doc = "The point of the box that must cross."},
    {.name = "hysteresis",
     .type = OptionType::kFloat,
     .fallback = "4",
     .unit = "source pixels",
     .min = 0,
     .max = 1000,
     .doc = "How far beyond the line the point must be."},
};

struct Point {
  double x = 0, y = 0;
};

class LineStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<LineStep>();
    const auto from = settings.numbers("from"), to = settings.numbers("to");
    if (from.size() != 2 || to.size() != 2)
      return fail(Code::kInvalid, "{}: 'from' and 'to' must be [x, y]", settings.place("from"));
    step->from_ = {from[0], from[1]};
    step->to_ = {to[0], to[1]};
    step->length_ = std::hypot(to[0] - from[0], to[1] - from[1]);
    if (step->length_ < 1)
      return fail(Code::kInvalid, "{}: 'from' and 'to' are the same point", settings.place("to"));
    step->name_ = settings.has("line") ? settings.string("line") : "line";
    step->in_side_ = settings.string("in") == "left_to_right" ? 1 : -1;
    step->centre_ = settings.string("anchor") == "centre";
    step->hysteresis_ = settings.number("hysteresis");
    auto outline = std::make_shared<std::vector<Outline>>();
    outline->push_back(
        {step->name_, {{float(from[0]), float(from[1])}, {float(to[0]), float(to[1])}}, false});
    step->outlines_ = std::move(outline);
    step->place_ = settings.place("from");
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& tracks = inputs[0].as<Tracks>();
    TRY(expect_in_picture((*outlines_)[0], tracks, place_));
    auto& events = out.acquire<Events>();
    events.items.clear();
    events.outlines = outlines_;
    for (const Track& track : tracks.items)
      if (const auto direction = follow(track)) {
        ++(*direction > 0 ? in_ : out_);
        Event event{.t_us = inputs[0].t_capture_us,
                    .seq = inputs[0].seq,
                    .kind = "cross",
                    .where = name_,
                    .direction = *direction > 0 ? "in" : "out",
                    .label = {}};
        event.track = track.id;
        if (tracks.labels && std::size_t(track.label) < tracks.labels->size())
          event.label = (*tracks.labels)[std::size_t(track.label)];
        events.items.push_back(std::move(event));
      }
    forget(inputs[0].t_capture_us, tracks);
    events.counters = counters();
    out.emit(inputs[0]);
    return {};
  }

  std::vector<Counter> counters() const override {
    return {{name_ + " in", double(in_)}, {name_ + " out", double(out_)}};
  }

 private:
  // Where a track was last clearly on a side: +1 is right of the line on the screen (y grows down).
  struct Place {
    Point point;
    int side = 0;
    std::int64_t seen_us = 0;
  };

  double distance(const Point& p) const {
    return ((to_.x - from_.x) * (p.y - from_.y) - (to_.y - from_.y) * (p.x - from_.x)) / length_;
  }

  // Whether the way from a to b, on different sides, meets the line between its ends.
  bool meets(const Point& a, const Point& b) const {
    const double da = distance(a), db = distance(b);
    const double share = da / (da - db);
    const Point at{a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share};
    const double along =
        ((at.x - from_.x) * (to_.x - from_.x) + (at.y - from_.y) * (to_.y - from_.y)) / length_;
    return along >= 0 && along <= length_;
  }

  // +1 when the track has just come in, -1 out.
  std::optional<int> follow(const Track& track) {
    const Rect& box = track.box;
    const Point point{box.x + box.w / 2.0, centre_ ? box.y + box.h / 2.0 : double(box.bottom())};
    const double d = distance(point);
    const int side = d > hysteresis_ ? 1 : d < -hysteresis_ ? -1 : 0;
    Place& place = places_[track.id];
    if (side == 0) return {};
    const bool crossed = place.side == -side && meets(place.point, point);
    place.point = point;
    place.side = side;
    if (!crossed) return {};
    return side * in_side_;
  }

  // Tracks that have not been seen for a minute will not come back.
  void forget(std::int64_t now_us, const Tracks& tracks) {
    for (const Track& track : tracks.items) places_[track.id].seen_us = now_us;
    std::erase_if(places_,
                  [&](const auto& entry) { return now_us - entry.second.seen_us > 60'000'000; });
  }

  Point from_, to_;
  double length_ = 1, hysteresis_ = 0;
  std::string name_;
  int in_side_ = 1;
  bool centre_ = false;
  std::shared_ptr<const std::vector<Outline>> outlines_;
  std::string place_;  // where the file says so
  std::map<std::int64_t, Place> places_;
  std::uint64_t in_ = 0, out_ = 0;
};

constexpr InputPort kInputs[] = {{"tracks", bit(PayloadKind::kTracks)}};

}  // namespace

const NodeType kLine{
    .name = "line",
    .group = "step",
    .doc = "Counts tracks that cross a line, by direction, with hysteresis. Events: `cross`.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kEvents,
    .make = LineStep::make,
};

}  // namespace polder::pipeline
