// The sources, one file each, for the table in node_types.cpp.
#pragma once

#include "pipeline/node.h"

namespace polder::pipeline {

extern const NodeType kVideoFile, kImageFolder, kWavFile;

}  // namespace polder::pipeline
