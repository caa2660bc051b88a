// What the decoders of detectors share: labels, the choice of classes, suppression of duplicates.
#pragma once

#include <polder/error.h>

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/node.h"

namespace polder::pipeline {

// A detection and the tile that it comes from.
struct Candidate {
  Detection detection;
  int tile = 0;
  bool cut = false;  // touches an edge of its tile that is not an edge of the covered area
};

inline constexpr std::size_t kMaxCandidates = 4096;

// Keeps, class by class and best score first, candidates that overlap no kept one by more than
// `max_iou`. Across tiles, a box that a tile's edge cuts also goes when another tile's box covers
// most of it. Ties keep the order of the input; at most `max_count` are kept.
std::vector<Candidate> suppress(std::vector<Candidate> candidates, float max_iou, int max_count);

// Marks the candidates that the inner edges of their tiles cut.
void mark_cut(std::span<const Crop> crops, std::span<Candidate> candidates);

// The options that decoders share.
struct DetectOptions {
  Labels labels;
  std::vector<bool> wanted;  // by class; empty: all
  float threshold = 0, max_iou = 0;
  int max_count = 0;

  static Result<DetectOptions> read(const Settings& settings, const Environment& environment);
  bool wants(int label) const {
    return wanted.empty() || (label < int(wanted.size()) && wanted[std::size_t(label)]);
  }
};

inline constexpr Option kLabelsOption = {
    .name = "labels",
    .type = OptionType::kString,
    .doc = "Text file with one class name to a line, first class 0; relative to the pipeline file.",
    .fixed = true};
inline constexpr Option kClassesOption = {
    .name = "classes",
    .type = OptionType::kStrings,
    .doc = "Names of the classes to keep; without it all. Needs `labels`."};
inline constexpr Option kThresholdOption = {.name = "threshold",
                                            .type = OptionType::kFloat,
                                            .fallback = "0.4",
                                            .min = 0,
                                            .max = 1,
                                            .doc = "Detections below this score are dropped."};
inline constexpr Option kNmsOption = {
    .name = "nms_iou",
    .type = OptionType::kFloat,
    .fallback = "0.5",
    .min = 0,
    .max = 1,
    .doc = "Of two boxes of one class that overlap more than this, the better stays."};
inline constexpr Option kMaxDetectionsOption = {.name = "max_detections",
                                                .type = OptionType::kInteger,
                                                .fallback = "100",
                                                .min = 1,
                                                .max = 1000,
                                                .doc = "Kept for one packet, best first."};

// Appends what a model found in one tile.
using DecodeTile =
    std::function<Status(const Tensors& in, int tile, std::vector<Candidate>& found)>;

// Decodes every tile of the packet, suppresses duplicates and emits what is left, clipped to the
// source. Boxes and scores that are not finite go.
Status detect(const Packet& packet, const DetectOptions& options, const DecodeTile& decode,
              Emitter& out);

}  // namespace polder::pipeline
