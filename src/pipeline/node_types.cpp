// The table of node types. A new type: one file in sources/, steps/ or sinks/, and a line here.
#include <algorithm>

#include "pipeline/sinks/sinks.h"
#include "pipeline/sources/sources.h"
#include "pipeline/steps/steps.h"

namespace polder::pipeline {

std::span<const NodeType* const> node_types() {
  static constexpr const NodeType* kTypes[] = {
      &kVideoFile,  &kImageFolder, &kWavFile,  // sources
      &kTile,       &kLetterbox,   &kNormalise,      &kAudioWindow,
      &kInfer,      &kSsdDecode,  // steps
      &kYoloDecode, &kTrack,       &kLine,           &kZone,
      &kVadSmooth,  &kJsonLines,   &kAnnotatedVideo, &kHtmlReport,  // sinks
  };
  return kTypes;
}

const NodeType* find_node_type(std::string_view name) {
  const auto types = node_types();
  const auto found =
      std::ranges::find(types, name, [](const NodeType* type) { return type->name; });
  return found == types.end() ? nullptr : *found;
}

}  // namespace polder::pipeline
