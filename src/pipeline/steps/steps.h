// The steps, one file each, for the table in node_types.cpp.
#pragma once

#include "pipeline/node.h"

namespace polder::pipeline {

extern const NodeType kTile, kLetterbox, kNormalise, kAudioWindow, kInfer, kSsdDecode, kYoloDecode,
    kTrack, kLine, kZone, kVadSmooth;

}  // namespace polder::pipeline
