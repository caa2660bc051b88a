// A constant-velocity Kalman filter of a box.
#pragma once

#include <array>

#include "pipeline/packet.h"

namespace polder::pipeline {

// Centre, width and height with their velocities per frame of the source. The noise is as in
// ByteTrack (Zhang et al. 2021): standard deviations in proportion to the height. It is diagonal,
// so the eight-dimensional filter falls apart into four of two dimensions, which is how it is
// computed.
class BoxFilter {
 public:
  explicit BoxFilter(const Rect& box);
  // One frame on.
  void predict();
  void update(const Rect& box);
  Rect box() const;
  // Forgets the velocities' share of growth: a person out of sight keeps its size.
  void hold_size() { axes_[2].velocity = axes_[3].velocity = 0; }

 private:
  struct Axis {
    double value = 0, velocity = 0;
    double p00 = 0, p01 = 0, p11 = 0;  // covariance
  };
  double height() const { return axes_[3].value; }
  std::array<Axis, 4> axes_;
};

}  // namespace polder::pipeline
