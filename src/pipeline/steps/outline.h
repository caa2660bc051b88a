// Lines and polygons that steps watch.
#pragma once

#include <polder/error.h>

#include <string_view>

#include "pipeline/packet.h"

namespace polder::pipeline {

// Fails, naming `place`, where nothing of the outline lies in the picture of the tracks: what it is
// to watch is never seen there.
Status expect_in_picture(const Outline& outline, const Tracks& tracks, std::string_view place);

}  // namespace polder::pipeline
