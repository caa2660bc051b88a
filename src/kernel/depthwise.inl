// Depthwise convolution, vectors of channels. The common kernels (3x3 and 5x5, stride 1 and 2) make
// four neighbouring output pixels at a time, so that weights and inputs are loaded once for all of
// them; taps outside the input read zeros, through the same pointers.

// Taps [first, last) of `kernel` at start + tap * dilation that lie in [0, extent).
POLDER_INLINE Range valid_taps(std::int64_t start, std::int64_t dilation, std::int64_t extent,
                               std::int64_t kernel) {
  const std::int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t last = start >= extent ? 0 : (extent - start + dilation - 1) / dilation;
  return {std::min(first, kernel), std::max(std::min(first, kernel), std::min(last, kernel))};
}

// Neighbouring output pixels of one line, channels [first, last).
struct DepthwiseStrip {
  const float* const* in;  // [kernel_h][in_columns]: the input under the tile
  std::int64_t in_columns;
  const float* weights;    // in taps layout, channel 0
  std::int64_t first, last;
  float* out;  // pixel 0, channel `first`
  std::int64_t out_stride;
  const float* bias;      // channel 0, or null
  const float* residual;  // as out, or null
  std::int64_t residual_stride;
  bool residual_after, clamp;
  float lo, hi;
};

constexpr int kDepthwiseTile = 4;       // output pixels of a whole tile
constexpr int kDepthwiseColumns = 64;   // output pixels whose input pointers are gathered at once
constexpr std::int64_t kDepthwiseChannels = 64;  // done for a line before the next ones

POLDER_INLINE const float* taps_of(const float* weights, std::int64_t channel, int taps) {
  return weights + channel / kPanelWidth * kPanelWidth * taps + channel % kPanelWidth;
}

// `count` channels from c; all of a vector when Whole.
template <int Kernel, int Stride, int T, bool Whole>
POLDER_INLINE void depthwise_vector(const DepthwiseStrip& s, std::int64_t c, std::int64_t count) {
  constexpr int kColumns = (T - 1) * Stride + Kernel;
  const float* weights = taps_of(s.weights, c, Kernel * Kernel);
  V sum[T];
  const V bias = !s.bias ? V{} : Whole ? load(s.bias + c) : load_part(s.bias + c, count);
  POLDER_UNROLL for (int t = 0; t < T; ++t) sum[t] = bias;
  POLDER_UNROLL for (int ky = 0; ky < Kernel; ++ky) {
    V w[Kernel];
    POLDER_UNROLL for (int kx = 0; kx < Kernel; ++kx) {
      w[kx] = load(weights + (ky * Kernel + kx) * kPanelWidth);
    }
    POLDER_UNROLL for (int x = 0; x < kColumns; ++x) {
      const float* p = s.in[ky * s.in_columns + x] + c;
      const V in = Whole ? load(p) : load_part(p, count);
      POLDER_UNROLL for (int t = 0; t < T; ++t) {
        const int kx = x - t * Stride;
        if (kx >= 0 && kx < Kernel) sum[t] += in * w[kx];
      }
    }
  }
  const std::int64_t at = c - s.first;
  V residual[T];
  if (s.residual) {
    POLDER_UNROLL for (int t = 0; t < T; ++t) {
      const float* p = s.residual + t * s.residual_stride + at;
      residual[t] = Whole ? load(p) : load_part(p, count);
    }
    if (!s.residual_after) {
      POLDER_UNROLL for (int t = 0; t < T; ++t) sum[t] += residual[t];
    }
  }
  if (s.clamp) {
    POLDER_UNROLL for (int t = 0; t < T; ++t) sum[t] = vclamp(splat(s.lo), splat(s.hi), sum[t]);
  }
  if (s.residual && s.residual_after) {
    POLDER_UNROLL for (int t = 0; t < T; ++t) sum[t] += residual[t];
  }
  POLDER_UNROLL for (int t = 0; t < T; ++t) {
    if (Whole) store(s.out + t * s.out_stride + at, sum[t]);
    else store_part(s.out + t * s.out_stride + at, sum[t], count);
  }
}

template <int Kernel, int Stride, int T>
__attribute__((noinline)) void depthwise_tile(const DepthwiseStrip& s) {
  std::int64_t c = s.first;
  for (; c + kLanes <= s.last; c += kLanes) {
    depthwise_vector<Kernel, Stride, T, true>(s, c, kLanes);
  }
  if (c < s.last) depthwise_vector<Kernel, Stride, T, false>(s, c, s.last - c);
}

// Any kernel: one output pixel, taps inside the input only. `in` is the tap (0, 0), rows row_stride
// and taps tap_stride apart; ys and xs are the taps inside.
void depthwise_pixel(const DepthwiseArgs& args, const DepthwiseStrip& s, const float* in,
                     std::int64_t row_stride, std::int64_t tap_stride, Range ys, Range xs) {
  const int taps = args.kernel_h * args.kernel_w;
  for (std::int64_t c = s.first; c < s.last; c += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, s.last - c);
    const float* weights = taps_of(s.weights, c, taps);
    std::int64_t channel[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      channel[i] = (c + std::min<std::int64_t>(i, count - 1)) / args.multiplier;
    }
    V sum = s.bias ? load_part(s.bias + c, count) : V{};
    for (std::int64_t ky = ys.first; ky < ys.last; ++ky) {
      for (std::int64_t kx = xs.first; kx < xs.last; ++kx) {
        const float* p = in + ky * row_stride + kx * tap_stride;
        const V w = load(weights + (ky * args.kernel_w + kx) * kPanelWidth);
        if (args.multiplier == 1) {
          sum += w * (count == kLanes ? load(p + c) : load_part(p + c, count));
        } else if (args.channels == 1) {
          sum += w * splat(*p);
        } else {
          float lanes[kLanes];
          for (int i = 0; i < kLanes; ++i) lanes[i] = p[channel[i]];
          sum += w * load(lanes);
        }
      }
    }
    const std::int64_t at = c - s.first;
    const V residual = s.residual ? load_part(s.residual + at, count) : V{};
    if (!s.residual_after) sum += residual;
    if (s.clamp) sum = vclamp(splat(s.lo), splat(s.hi), sum);
    if (s.residual_after) sum += residual;
    store_part(s.out + at, sum, count);
  }
}

// Points the strip at channels [first, last) of the output pixels from `pixel`. An activation that
// costs more than a clamp is done afterwards, from `stage`.
void aim(DepthwiseStrip& s, const DepthwiseArgs& args, std::int64_t pixel, Range channels,
         float* stage) {
  const Epilogue& e = args.epilogue;
  s.first = channels.first;
  s.last = channels.last;
  s.residual =
      e.residual ? e.residual + pixel * e.residual_stride + channels.first : nullptr;
  s.out = args.out + pixel * args.out_stride + channels.first;
  s.out_stride = args.out_stride;
  if (in_registers(e.activation)) return;
  s.out = stage;
  s.out_stride = whole_vectors(s.last - s.first);
  if (e.residual_after) s.residual = nullptr;
}

// What aim() left for afterwards, for `pixels` pixels.
void finish(const DepthwiseStrip& s, const DepthwiseArgs& args, std::int64_t pixel, int pixels,
            float* stage) {
  const Epilogue& e = args.epilogue;
  if (in_registers(e.activation)) return;
  const bool add = e.residual && e.residual_after;
  finish_stage({stage, pixels, s.out_stride}, e.activation,
               add ? e.residual + pixel * e.residual_stride + s.first : nullptr, e.residual_stride,
               args.out + pixel * args.out_stride + s.first, args.out_stride, s.last - s.first);
}

// Pointers to the input under output pixels whose first tap is (top, left): args.kernel_h lines of
// `columns`; zeros where it is outside.
void gather_columns(const DepthwiseArgs& args, const float* image, int top, int left, int columns,
                    const float** in) {
  for (int ky = 0; ky < args.kernel_h; ++ky) {
    const bool row_inside = unsigned(top + ky) < unsigned(args.in_h);
    const std::int64_t row = std::int64_t(top + ky) * args.in_w;
    for (int x = left; x < left + columns; ++x) {
      const bool inside = row_inside && unsigned(x) < unsigned(args.in_w);
      *in++ = inside ? image + (row + x) * args.in_stride : kZeros;
    }
  }
}

using DepthwiseTile = void (*)(const DepthwiseStrip&);

template <int Kernel, int Stride>
constexpr DepthwiseTile kDepthwiseTiles[kDepthwiseTile] = {
    depthwise_tile<Kernel, Stride, 1>, depthwise_tile<Kernel, Stride, 2>,
    depthwise_tile<Kernel, Stride, 3>, depthwise_tile<Kernel, Stride, 4>};

// Tiles of 1 to kDepthwiseTile pixels for this kernel; null when there are none.
const DepthwiseTile* depthwise_tiles(const DepthwiseArgs& args) {
  const bool square = args.kernel_h == args.kernel_w && args.dilation_h == 1 &&
                      args.dilation_w == 1 && args.multiplier == 1 &&
                      args.channels <= kZeroChannels;
  if (square && args.kernel_w == 3 && args.stride_w == 1) return kDepthwiseTiles<3, 1>;
  if (square && args.kernel_w == 3 && args.stride_w == 2) return kDepthwiseTiles<3, 2>;
  if (square && args.kernel_w == 5 && args.stride_w == 1) return kDepthwiseTiles<5, 1>;
  if (square && args.kernel_w == 5 && args.stride_w == 2) return kDepthwiseTiles<5, 2>;
  return nullptr;
}

// Line y of image b in tiles. Channels are the outer loop, so that the lines of input that the next
// line needs again are still near.
void depthwise_line(const DepthwiseArgs& args, const DepthwiseTile* tiles, DepthwiseStrip& s,
                    const float* image, int b, int y) {
  constexpr int kMaxColumns = (kDepthwiseColumns - 1) * 2 + 5;
  const float* in[5 * kMaxColumns];
  float stage[kDepthwiseTile * kDepthwiseChannels] = {};
  for (int first = 0; first < args.out_w; first += kDepthwiseColumns) {
    const int pixels = std::min(kDepthwiseColumns, args.out_w - first);
    const int columns = (pixels - 1) * args.stride_w + args.kernel_w;
    gather_columns(args, image, y * args.stride_h - args.pad_top,
                   first * args.stride_w - args.pad_left, columns, in);
    s.in_columns = columns;
    const std::int64_t line = (std::int64_t(b) * args.out_h + y) * args.out_w + first;
    for (std::int64_t c = 0; c < args.channels; c += kDepthwiseChannels) {
      const Range channels{c, std::min<std::int64_t>(args.channels, c + kDepthwiseChannels)};
      for (int x = 0; x < pixels; x += kDepthwiseTile) {
        const int count = std::min(kDepthwiseTile, pixels - x);
        aim(s, args, line + x, channels, stage);
        s.in = in + x * args.stride_w;
        tiles[count - 1](s);
        finish(s, args, line + x, count, stage);
      }
    }
  }
}

void depthwise_any_line(const DepthwiseArgs& args, DepthwiseStrip& s, const float* image, int b,
                        int y) {
  const std::int64_t row_stride = args.in_w * args.in_stride;
  const std::int64_t top = std::int64_t(y) * args.stride_h - args.pad_top;
  const Range ys = valid_taps(top, args.dilation_h, args.in_h, args.kernel_h);
  const std::int64_t outputs = std::int64_t(args.channels) * args.multiplier;
  float stage[kDepthwiseChannels] = {};
  for (int x = 0; x < args.out_w; ++x) {
    const std::int64_t left = std::int64_t(x) * args.stride_w - args.pad_left;
    const Range xs = valid_taps(left, args.dilation_w, args.in_w, args.kernel_w);
    const float* in = image + top * row_stride + left * args.in_stride;
    const std::int64_t pixel = (std::int64_t(b) * args.out_h + y) * args.out_w + x;
    for (std::int64_t c = 0; c < outputs; c += kDepthwiseChannels) {
      aim(s, args, pixel, {c, std::min(outputs, c + kDepthwiseChannels)}, stage);
      depthwise_pixel(args, s, in, args.dilation_h * row_stride, args.dilation_w * args.in_stride,
                      ys, xs);
      finish(s, args, pixel, 1, stage);
    }
  }
}

void depthwise(const DepthwiseArgs& args, int begin, int end) {
  const Epilogue& e = args.epilogue;
  DepthwiseStrip s{};
  s.weights = args.weights;
  s.bias = e.bias;
  s.residual_stride = e.residual_stride;
  s.residual_after = e.residual_after;
  s.clamp = e.activation.op == Unary::kClamp;
  s.lo = e.activation.alpha;
  s.hi = e.activation.beta;
  const DepthwiseTile* tiles = depthwise_tiles(args);
  const Range lines = split(args).task_range(begin, end);
  for (std::int64_t i = lines.first; i < lines.last; ++i) {
    const int b = int(i / args.out_h), y = int(i % args.out_h);
    const float* image = args.in + std::int64_t(b) * args.in_h * args.in_w * args.in_stride;
    if (tiles) depthwise_line(args, tiles, s, image, b, y);
    else depthwise_any_line(args, s, image, b, y);
  }
}
