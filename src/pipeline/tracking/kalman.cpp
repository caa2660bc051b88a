#include "pipeline/tracking/kalman.h"

#include <algorithm>

namespace polder::pipeline {
namespace {

constexpr double kPosition = 1.0 / 20, kVelocity = 1.0 / 160;  // of the height

std::array<double, 4> measured(const Rect& box) {
  return {box.x + box.w / 2.0, box.y + box.h / 2.0, box.w, box.h};
}

double square(double x) { return x * x; }

}  // namespace

BoxFilter::BoxFilter(const Rect& box) {
  const auto values = measured(box);
  for (std::size_t i = 0; i < 4; ++i)
    axes_[i] = {values[i], 0, square(2 * kPosition * box.h), 0, square(10 * kVelocity * box.h)};
}

void BoxFilter::predict() {
  const double q0 = square(kPosition * height()), q1 = square(kVelocity * height());
  for (Axis& axis : axes_) {
    axis.value += axis.velocity;
    axis.p00 += 2 * axis.p01 + axis.p11 + q0;
    axis.p01 += axis.p11;
    axis.p11 += q1;
  }
  for (std::size_t i = 2; i < 4; ++i) axes_[i].value = std::max(axes_[i].value, 1.0);
}

void BoxFilter::update(const Rect& box) {
  const double r = square(kPosition * height());
  const auto values = measured(box);
  for (std::size_t i = 0; i < 4; ++i) {
    Axis& axis = axes_[i];
    const double total = axis.p00 + r;
    const double gain0 = axis.p00 / total, gain1 = axis.p01 / total;
    const double error = values[i] - axis.value;
    axis.value += gain0 * error;
    axis.velocity += gain1 * error;
    axis.p11 -= gain1 * axis.p01;
    axis.p01 *= 1 - gain0;
    axis.p00 *= 1 - gain0;
  }
}

Rect BoxFilter::box() const {
  const double w = axes_[2].value, h = axes_[3].value;
  return {float(axes_[0].value - w / 2), float(axes_[1].value - h / 2), float(w), float(h)};
}

}  // namespace polder::pipeline
