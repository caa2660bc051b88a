#include "pipeline/steps/detect.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/text.h"

namespace polder::pipeline {
namespace {

constexpr std::size_t kMaxLabelsBytes = 1 << 20;
constexpr float kCoveredShare = 0.6F;  // of a cut box, by another tile's box

Result<Labels> read_labels(const std::string& path) {
  TRY_VALUE(const std::string text, read_file(path, kMaxLabelsBytes));
  auto labels = std::make_shared<std::vector<std::string>>();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    labels->push_back(std::move(line));
    begin = end + 1;
  }
  return Labels(std::move(labels));
}

bool is_duplicate(const Candidate& kept, const Candidate& other, float max_iou) {
  if (kept.detection.label != other.detection.label) return false;
  if (iou(kept.detection.box, other.detection.box) > max_iou) return true;
  return kept.tile != other.tile && (kept.cut || other.cut) &&
         overlap_of_smaller(kept.detection.box, other.detection.box) > kCoveredShare;
}

void fill_detections(std::span<const Candidate> kept, const Tensors& in,
                     const DetectOptions& options, Detections& out) {
  out.measured = in.run_count > 0;
  out.source_width = in.source_width;
  out.source_height = in.source_height;
  out.labels = options.labels;
  out.items.clear();
  for (const Candidate& candidate : kept) {
    Detection detection = candidate.detection;
    Rect& box = detection.box;
    const float right = std::min(box.right(), float(in.source_width));
    const float bottom = std::min(box.bottom(), float(in.source_height));
    box.x = std::max(box.x, 0.0F);
    box.y = std::max(box.y, 0.0F);
    box.w = right - box.x;
    box.h = bottom - box.y;
    if (box.w > 0 && box.h > 0) out.items.push_back(detection);
  }
}

}  // namespace

Result<DetectOptions> DetectOptions::read(const Settings& settings,
                                          const Environment& environment) {
  DetectOptions options;
  options.threshold = float(settings.number("threshold"));
  options.max_iou = float(settings.number("nms_iou"));
  options.max_count = int(settings.integer("max_detections"));
  options.labels = std::make_shared<std::vector<std::string>>();
  if (settings.has("labels")) {
    auto labels = read_labels(path_in(environment.input_folder, settings.string("labels")));
    if (!labels.ok()) return std::move(labels).error().at(settings.place("labels"));
    options.labels = std::move(labels).value();
  }
  const std::vector<std::string> classes = settings.strings("classes");
  if (classes.empty()) return options;
  options.wanted.assign(options.labels->size(), false);
  for (const std::string& name : classes) {
    const auto found = std::ranges::find(*options.labels, name);
    if (found == options.labels->end()) {
      const std::vector<std::string_view> known(options.labels->begin(), options.labels->end());
      const std::string_view near = nearest_name(name, known);
      return fail(Code::kInvalid, "{}: the labels have no class '{}'{}", settings.place("classes"),
                  name, near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    options.wanted[std::size_t(found - options.labels->begin())] = true;
  }
  return options;
}

std::vector<Candidate> suppress(std::vector<Candidate> candidates, float max_iou, int max_count) {
  // Cut boxes come after whole ones: of a person that two tiles see, the whole view stays.
  std::ranges::stable_sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.cut != b.cut ? b.cut : a.detection.score > b.detection.score;
  });
  if (candidates.size() > kMaxCandidates) candidates.resize(kMaxCandidates);
  std::vector<Candidate> kept;
  for (const Candidate& candidate : candidates) {
    const auto duplicates = [&](const Candidate& other) {
      return is_duplicate(other, candidate, max_iou);
    };
    if (std::ranges::none_of(kept, duplicates)) kept.push_back(candidate);
  }
  std::ranges::stable_sort(kept, [](const Candidate& a, const Candidate& b) {
    return a.detection.score > b.detection.score;
  });
  if (int(kept.size()) > max_count) kept.resize(std::size_t(max_count));
  return kept;
}

void mark_cut(std::span<const Crop> crops, std::span<Candidate> candidates) {
  if (crops.empty()) return;
  Rect area = crops[0].region;
  float right = area.right(), bottom = area.bottom();
  for (const Crop& crop : crops) {
    area.x = std::min(area.x, crop.region.x);
    area.y = std::min(area.y, crop.region.y);
    right = std::max(right, crop.region.right());
    bottom = std::max(bottom, crop.region.bottom());
  }
  for (Candidate& candidate : candidates) {
    const Rect& box = candidate.detection.box;
    const Rect& tile = crops[std::size_t(candidate.tile)].region;
    const float dx = tile.w * 0.01F, dy = tile.h * 0.01F;
    candidate.cut = (tile.x > area.x && box.x < tile.x + dx) ||
                    (tile.y > area.y && box.y < tile.y + dy) ||
                    (tile.right() < right && box.right() > tile.right() - dx) ||
                    (tile.bottom() < bottom && box.bottom() > tile.bottom() - dy);
  }
}

Status detect(const Packet& packet, const DetectOptions& options, const DecodeTile& decode,
              Emitter& out) {
  const auto& in = packet.as<Tensors>();
  if (in.run_count == 0) out.pass_over();
  std::vector<Candidate> candidates;
  for (int tile = 0; tile < in.run_count; ++tile) TRY(decode(in, tile, candidates));
  std::erase_if(candidates, [](const Candidate& candidate) {
    const auto& [box, score, label] = candidate.detection;
    return !std::isfinite(box.x + box.y + box.w + box.h + score);
  });
  mark_cut(in.crops, candidates);
  const auto kept = suppress(std::move(candidates), options.max_iou, options.max_count);
  fill_detections(kept, in, options, out.acquire<Detections>());
  out.emit(packet);
  return {};
}

}  // namespace polder::pipeline
