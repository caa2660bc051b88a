// JPEG (libturbojpeg) and PNG (libspng) files to RGB.
#pragma once

#include <polder/error.h>

#include <string_view>

#include "pipeline/packet.h"

namespace polder::pipeline {

inline constexpr std::size_t kMaxImageFileBytes = 256u << 20;
inline constexpr int kMaxImageSide = 16384;
inline constexpr std::int64_t kMaxImagePixels = 100'000'000;

// Decodes `bytes`, told apart by their first ones, into `image`. `name` is for errors.
// Errors: kUnsupported for another format, kCorrupt, kExhausted above the caps.
Status decode_image(std::string_view bytes, std::string_view name, Image& image);

}  // namespace polder::pipeline
