// Follows objects from packet to packet, after ByteTrack (Zhang et al. 2021): predict, assign the
// sure detections to the tracks, then the unsure ones to the tracks that are left; only sure
// detections start tracks. Packets without a detection in between are bridged by prediction.
#include <algorithm>
#include <optional>

#include "pipeline/steps/steps.h"
#include "pipeline/tracking/assignment.h"
#include "pipeline/tracking/kalman.h"

namespace polder::pipeline {
namespace {

constexpr Option kOptions[] = {
    {.name = "high",
     .type = OptionType::kFloat,
     .fallback = "0.5",
     .min = 0,
     .max = 1,
     .doc = "Detections from this score on are sure: they may start a track."},
    {.name = "match_iou",
     .type = OptionType::kFloat,
     .fallback = "0.2",
     .min = 0,
     .max = 1,
     .doc = "Least overlap of a predicted box and a sure detection."},
    {.name = "low_match_iou",
     .type = OptionType::kFloat,
     .fallback = "0.4",
     .min = 0,
     .max = 1,
     .doc = "Least overlap of a predicted box and an unsure detection."},
    {.name = "min_hits",
     .type = OptionType::kInteger,
     .fallback = "3",
     .unit = "detections",
     .min = 1,
     .max = 100,
     .doc = "Detections in a row before a track is reported."},
    {.name = "coast",
     .type = OptionType::kInteger,
     .fallback = "1",
     .unit = "misses",
     .min = 0,
     .max = 1000,
     .doc = "A track is still reported while the detector missed it this often in a row."},
    {.name = "max_lost",
     .type = OptionType::kInteger,
     .fallback = "15",
     .unit = "misses",
     .min = 0,
     .max = 10000,
     .doc = "A track ends when the detector missed it more often than this in a row."},
    {.name = "max_tracks",
     .type = OptionType::kInteger,
     .fallback = "256",
     .min = 1,
     .max = 1000,
     .doc = "Tracks at once; further detections start none."},
};

struct Followed {
  Track track;
  BoxFilter filter;
  int hits = 1, misses = 0;
  bool confirmed = false;
};

class TrackStep final : public Node {
 public:
  static Result<std::unique_ptr<Node>> make(const Settings& settings, const Environment&) {
    auto step = std::make_unique<TrackStep>();
    step->high_ = float(settings.number("high"));
    step->match_iou_ = float(settings.number("match_iou"));
    step->low_match_iou_ = float(settings.number("low_match_iou"));
    step->min_hits_ = int(settings.integer("min_hits"));
    step->coast_ = int(settings.integer("coast"));
    step->max_lost_ = int(settings.integer("max_lost"));
    step->max_tracks_ = std::size_t(settings.integer("max_tracks"));
    return std::unique_ptr<Node>(std::move(step));
  }

  Status process(std::span<const Packet> inputs, Emitter& out) override {
    const auto& detections = inputs[0].as<Detections>();
    const std::uint64_t frames = frames_since_last(inputs[0].seq);
    for (Followed& followed : tracks_) {
      for (std::uint64_t i = 0; i < frames; ++i) followed.filter.predict();
      followed.track.box = followed.filter.box();
      followed.track.measured = false;
    }
    if (detections.measured) measure(detections, inputs[0].t_capture_us);

    auto& tracks = out.acquire<Tracks>();
    tracks.source_width = detections.source_width;
    tracks.source_height = detections.source_height;
    tracks.labels = detections.labels;
    tracks.items.clear();
    for (const Followed& followed : tracks_)
      if (followed.confirmed && followed.misses <= coast_) tracks.items.push_back(followed.track);
    out.emit(inputs[0]);
    return {};
  }

  std::vector<Counter> counters() const override { return {{"tracks", double(confirmed_count_)}}; }

 private:
  // Those that an edge dropped and pictures that were left out count: velocities are per frame.
  std::uint64_t frames_since_last(std::uint64_t seq) {
    constexpr std::uint64_t kMostFrames = 1000;  // after those no prediction is worth anything
    const bool rises = last_seq_ && seq > *last_seq_;
    const std::uint64_t frames = rises ? std::min(seq - *last_seq_, kMostFrames) : 1;
    last_seq_ = seq;
    return frames;
  }

  void measure(const Detections& detections, std::int64_t now_us) {
    std::vector<const Detection*> sure, unsure;
    for (const Detection& detection : detections.items)
      (detection.score >= high_ ? sure : unsure).push_back(&detection);
    std::vector<Followed*> open;
    for (Followed& followed : tracks_) open.push_back(&followed);
    match(open, sure, match_iou_);
    // An unsure detection is no reason to keep a track that has been out of sight.
    std::vector<Followed*> seen;
    for (Followed* followed : open)
      if (followed->misses == 0 && followed->confirmed) seen.push_back(followed);
    match(seen, unsure, low_match_iou_);
    for (Followed& followed : tracks_) {
      if (followed.track.measured) continue;
      ++followed.misses;
      followed.hits = 0;
      followed.filter.hold_size();
    }
    std::erase_if(tracks_, [&](const Followed& followed) {
      return followed.misses > (followed.confirmed ? max_lost_ : 0);
    });
    for (const Detection* detection : sure) start(*detection, now_us);
  }

  // Assigns detections to tracks; removes from both lists what found its partner.
  void match(std::vector<Followed*>& open, std::vector<const Detection*>& detections,
             float least_iou) {
    std::vector<float> costs;
    for (const Followed* followed : open)
      for (const Detection* detection : detections)
        costs.push_back(followed->track.label == detection->label
                            ? 1 - iou(followed->track.box, detection->box)
                            : 2.0F);
    const std::vector<int> partner =
        assign(costs, int(open.size()), int(detections.size()), 1 - least_iou);
    std::vector<Followed*> left;
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (partner[i] < 0) {
        left.push_back(open[i]);
        continue;
      }
      const Detection*& detection = detections[std::size_t(partner[i])];
      take(*open[i], *detection);
      detection = nullptr;
    }
    open = std::move(left);
    std::erase(detections, nullptr);
  }

  void take(Followed& followed, const Detection& detection) {
    followed.filter.update(detection.box);
    followed.track.box = followed.filter.box();
    followed.track.score = detection.score;
    followed.track.measured = true;
    followed.misses = 0;
    if (++followed.hits >= min_hits_) confirm(followed);
  }

  void start(const Detection& detection, std::int64_t now_us) {
    if (tracks_.size() >= max_tracks_) return;
    Followed followed{.track = {}, .filter = BoxFilter(detection.box)};
    followed.track.box = detection.box;
    followed.track.score = detection.score;
    followed.track.label = detection.label;
    followed.track.first_seen_us = now_us;
    followed.track.measured = true;
    if (min_hits_ == 1) confirm(followed);
    tracks_.push_back(followed);
  }

  // A track gets its number when it is first reported, so the numbers have no holes.
  void confirm(Followed& followed) {
    if (followed.confirmed) return;
    followed.confirmed = true;
    followed.track.id = ++confirmed_count_;
  }

  float high_ = 0, match_iou_ = 0, low_match_iou_ = 0;
  int min_hits_ = 1, coast_ = 0, max_lost_ = 0;
  std::size_t max_tracks_ = 0;
  std::vector<Followed> tracks_;  // oldest first
  std::int64_t confirmed_count_ = 0;
  std::optional<std::uint64_t> last_seq_;
};

constexpr InputPort kInputs[] = {{"detections", bit(PayloadKind::kDetections)}};

}  // namespace

const NodeType kTrack{
    .name = "track",
    .group = "step",
    .doc =
        "Follows objects: constant-velocity Kalman filter, least-cost assignment in two stages as "
        "in "
        "ByteTrack. Packets that the detector passed over are bridged by prediction, and frames "
        "that do not come at all as many times.",
    .options = kOptions,
    .inputs = kInputs,
    .output = PayloadKind::kTracks,
    .make = TrackStep::make,
};

}  // namespace polder::pipeline
