#include "pipeline/steps/outline.h"

#include <algorithm>

#include "base/fail.h"

namespace polder::pipeline {

Status expect_in_picture(const Outline& outline, const Tracks& tracks, std::string_view place) {
  float left = outline.points[0].first, right = left;
  float top = outline.points[0].second, bottom = top;
  for (const auto& [x, y] : outline.points) {
    left = std::min(left, x), right = std::max(right, x);
    top = std::min(top, y), bottom = std::max(bottom, y);
  }
  if (right >= 0 && bottom >= 0 && left <= float(tracks.source_width) &&
      top <= float(tracks.source_height))
    return {};
  return fail(Code::kInvalid, "{}: '{}', {}..{} x {}..{}, lies outside the picture of {}x{} pixels",
              place, outline.name, left, right, top, bottom, tracks.source_width,
              tracks.source_height);
}

}  // namespace polder::pipeline
