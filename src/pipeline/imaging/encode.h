// RGB to JPEG, and bytes to base64.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "pipeline/packet.h"

namespace polder::pipeline {

// `quality` in 1…100.
Result<std::string> encode_jpeg(const Image& image, int quality);
std::string base64(std::string_view bytes);

}  // namespace polder::pipeline
