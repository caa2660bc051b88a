// The sinks, one file each, for the table in node_types.cpp.
#pragma once

#include "pipeline/node.h"

namespace polder::pipeline {

extern const NodeType kJsonLines, kAnnotatedVideo, kHtmlReport;

}  // namespace polder::pipeline
