// What MaxPool and AveragePool share: the parameters, inference and the vector kernel.
#pragma once

#include "kernel/reduce.h"
#include "ops/import_window.h"
#include "ops/window.h"

namespace polder::ops {

// Attributes: those of the window, kernel_shape, ceil_mode.
struct PoolParams {
  WindowParams window;
  std::int64_t kernel[kMaxSpatial] = {1, 1, 1};
  int kernel_count = 0;
  bool count_include_pad = false;  // AveragePool
  bool sum = false;                // AveragePool: does not divide
  bool column_major = false;       // MaxPool: indices count columns first
};
void parse_pool(AttrReader& attrs, PoolParams& p);

// [N, spatial..., C] -> [N, smaller spatial..., C].
Status infer_pool(InferContext& context, std::initializer_list<DataType> types, Dims& out);
Status vector_pool(const RunContext& run, kernel::PoolArgs::Mode mode);
bool has_vector_pool(const NodeInfo& node);
inline Window window_of(const RunContext& run) {
  const auto& p = run.as<PoolParams>();
  return window_of(p.window, run.in(0).shape, run.out(0).shape, p.kernel);
}

// Calls f(output index, first element of the image's channel, coordinates of the output).
template <class T, class F>
void for_each_window(const RunContext& run, const Window& win, F&& f) {
  const Shape& out = run.out(0).shape;
  const std::int64_t channels = out[out.rank() - 1], pixels = win.out_pixels();
  const std::int64_t count = out.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t c = i % channels, pixel = i / channels % pixels;
    const std::int64_t image = i / channels / pixels;
    const std::int64_t at[3] = {pixel / (win.out[1] * win.out[2]), pixel / win.out[2] % win.out[1],
                                pixel % win.out[2]};
    f(i, image, run.in(0).as<T>() + image * win.in_pixels() * channels + c, at);
  }
}

// Calls f(z, y, x) for each element of the input in the window at `at`.
template <class F>
void for_each_inside(const Window& win, const std::int64_t (&at)[3], F&& f) {
  Window::Taps taps[3];
  for (int axis = 0; axis < 3; ++axis) taps[axis] = win.taps(axis, at[axis], 0, win.in[axis]);
  for (std::int64_t kz = taps[0].begin; kz < taps[0].end; ++kz) {
    for (std::int64_t ky = taps[1].begin; ky < taps[1].end; ++ky) {
      for (std::int64_t kx = taps[2].begin; kx < taps[2].end; ++kx) {
        f(win.source(0, at[0], kz), win.source(1, at[1], ky), win.source(2, at[2], kx));
      }
    }
  }
}

// Import (host only): attributes of a pool.
Result<Attrs> pool_from_onnx(const ImportContext& node);
Result<Attrs> pool_from_tflite(const ImportContext& node);
std::vector<Sample> pool_samples();

}  // namespace polder::ops
