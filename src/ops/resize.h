// What the files of Resize share: its parameters and its kernels.
#pragma once

#include "ops/op.h"

namespace polder::ops::resize {

enum : int { kX, kScales, kSizes };
enum class Mode : std::uint8_t { kNearest, kLinear, kCubic };
enum class Coordinates : std::uint8_t {
  kHalfPixel,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfHalfPixelForNn,
  kCrop
};
enum class Rounding : std::uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil, kSimple };

struct Params {
  Mode mode;
  Coordinates coordinates;
  Rounding rounding;
  bool exclude_outside;
  double cubic_a, extrapolation_value;
  std::int64_t axes[kMaxRank];
  std::int64_t sizes[kMaxRank];
  float scales[kMaxRank];
  double roi[2 * kMaxRank];
  int axis_count, size_count, scale_count, roi_count;  // axis_count -1: all
};

inline int count_of(const Params& p, int rank) { return p.axis_count < 0 ? rank : p.axis_count; }
inline int axis_of(const Params& p, int i) { return p.axis_count < 0 ? i : int(p.axes[i]); }

inline bool cropped(const Params& p, int i, int count) {
  return p.coordinates == Coordinates::kCrop && p.roi_count &&
         (p.roi[i] != 0 || p.roi[count + i] != 1);
}

// The scale of axis i: attribute or element of the input; null when neither is known.
inline const float* scale_of(const Params& p, const void* scales, int i) {
  if (p.scale_count) return p.scales + i;
  return scales ? static_cast<const float*>(scales) + i : nullptr;
}

Status reference(const RunContext& run);
std::size_t workspace_of(const NodeInfo& node);
Choice choose(const NodeInfo& node);

}  // namespace polder::ops::resize
