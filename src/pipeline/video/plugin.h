// Loads the video plug-in.
#pragma once

#include <polder/error.h>

#include <memory>
#include <string>

#include "pipeline/video/plugin_abi.h"

namespace polder::pipeline {

// The plug-in `polder_video_libav.so` from `folder`; with an empty folder from $POLDER_PLUGIN_PATH,
// beside the program, or ../lib/polder from there. Stays loaded while the pointer lives.
// Errors: kUnavailable with the places that were tried, kIncompatible for another ABI.
Result<std::shared_ptr<const PolderVideoPlugin>> load_video_plugin(const std::string& folder);

}  // namespace polder::pipeline
