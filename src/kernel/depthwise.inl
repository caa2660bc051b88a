// Depthwise convolution, vectors of channels. The common kernels (3 or 5 wide, stride 1 or 2) make
// up to eight neighbouring output pixels at a time, so that weights and inputs are loaded once for
// all of them and there are enough independent sums to hide the latency of an FMA; taps outside the
// input read zeros, through the same pointers.

// Taps [first, last) of `kernel` at start + tap * dilation that lie in [0, extent).
POLDER_INLINE Range valid_taps(std::int64_t start, std::int64_t dilation, std::int64_t extent,
                               std::int64_t kernel) {
  const std::int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t last = start >= extent ? 0 : (extent - start + dilation - 1) / dilation;
  return {std::min(first, kernel), std::max(std::min(first, kernel), std::min(last, kernel))};
}

// Neighbouring output pixels of one line, channels [first, last).
struct DepthwiseStrip {
  const float* const* in;  // [kernel_h][in_columns]: the input under the pixels
  std::int64_t in_columns;
  int pixels;
  const float* weights;  // in taps layout, channel 0
  const float* bias;     // channel 0, or null
  float lo, hi;          // of the clamp; infinite for none
  std::int64_t first, last;
  float* out;  // pixel 0, channel `first`
  std::int64_t out_stride;
};

constexpr int kDepthwiseTile = 8;                // pixels of a whole tile
constexpr int kDepthwiseColumns = 64;            // pixels of a strip
constexpr std::int64_t kDepthwiseChannels = 64;  // of a strip

POLDER_INLINE const float* taps_of(const float* weights, std::int64_t channel, int taps) {
  return weights + channel / kPanelWidth * kPanelWidth * taps + channel % kPanelWidth;
}

// T pixels from pixel x, `count` channels from c; all of a vector when Whole.
template <int Width, int Stride, int T, bool Whole>
POLDER_INLINE void depthwise_vector(const DepthwiseStrip& s, int x, std::int64_t c,
                                    std::int64_t count) {
  constexpr int kColumns = (T - 1) * Stride + Width;
  const float* weights = taps_of(s.weights, c, Width * Width);
  const float* const* in = s.in + x * Stride;
  const V bias = s.bias ? load_lanes<Whole>(s.bias + c, count) : V{};
  V sum[T];
  POLDER_UNROLL for (int t = 0; t < T; ++t) sum[t] = bias;

  for (int ky = 0; ky < Width; ++ky, in += s.in_columns, weights += Width * kPanelWidth) {
    V w[Width];
    POLDER_UNROLL for (int kx = 0; kx < Width; ++kx) w[kx] = load(weights + kx * kPanelWidth);
    POLDER_UNROLL for (int i = 0; i < kColumns; ++i) {
      const V value = load_lanes<Whole>(in[i] + c, count);
      POLDER_UNROLL for (int t = 0; t < T; ++t) {
        const int kx = i - t * Stride;
        if (kx >= 0 && kx < Width) sum[t] += value * w[kx];
      }
    }
  }
  const V lo = splat(s.lo), hi = splat(s.hi);
  float* out = s.out + x * s.out_stride + (c - s.first);
  POLDER_UNROLL for (int t = 0; t < T; ++t, out += s.out_stride) {
    store_lanes<Whole>(out, vclamp(lo, hi, sum[t]), count);
  }
}

template <int Width, int Stride, int T>
__attribute__((noinline)) void depthwise_tile(const DepthwiseStrip& s, int x) {
  std::int64_t c = s.first;
  for (; c + kLanes <= s.last; c += kLanes) {
    depthwise_vector<Width, Stride, T, true>(s, x, c, kLanes);
  }
  if (c < s.last) depthwise_vector<Width, Stride, T, false>(s, x, c, s.last - c);
}

using DepthwiseTile = void (*)(const DepthwiseStrip&, int);

template <int Width, int Stride, int... T>
constexpr DepthwiseTile kDepthwiseTiles[] = {depthwise_tile<Width, Stride, T + 1>...};

template <int Width, int Stride, int... T>
POLDER_INLINE DepthwiseTile depthwise_tile_of(int pixels, std::integer_sequence<int, T...>) {
  return kDepthwiseTiles<Width, Stride, T...>[pixels - 1];
}

template <int Width, int Stride>
void depthwise_strip(const DepthwiseStrip& s) {
  int x = 0;
  for (int tiles = (s.pixels + kDepthwiseTile - 1) / kDepthwiseTile; tiles > 0; --tiles) {
    const int pixels = (s.pixels - x + tiles - 1) / tiles;  // of nearly equal width
    constexpr auto kWidths = std::make_integer_sequence<int, kDepthwiseTile>{};
    depthwise_tile_of<Width, Stride>(pixels, kWidths)(s, x);
    x += pixels;
  }
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
    store_part(s.out + (c - s.first), vclamp(splat(s.lo), splat(s.hi), sum), count);
  }
}

// What is more than a bias and a clamp is done afterwards, from sums on the stack.
POLDER_INLINE bool depthwise_staged(const Epilogue& e) {
  return e.residual || !in_registers(e.activation);
}

// Points the strip at channels [first, last) of the output pixels from `pixel`.
void aim(DepthwiseStrip& s, const DepthwiseArgs& args, std::int64_t pixel, Range channels,
         float* stage) {
  const bool staged = depthwise_staged(args.epilogue);
  s.first = channels.first;
  s.last = channels.last;
  s.out = staged ? stage : args.out + pixel * args.out_stride + channels.first;
  s.out_stride = staged ? whole_vectors(s.last - s.first) : args.out_stride;
}

void finish(const DepthwiseStrip& s, const DepthwiseArgs& args, std::int64_t pixel, float* stage) {
  const Epilogue& e = args.epilogue;
  if (!depthwise_staged(e)) return;
  const float* residual =
      e.residual ? e.residual + pixel * e.residual_stride + s.first : nullptr;
  const Stage sums{stage, s.pixels, s.out_stride};
  const std::int64_t count = s.last - s.first;
  if (residual && !e.residual_after) {
    add_rows(sums, residual, e.residual_stride, count);
    residual = nullptr;
  }
  finish_stage(sums, e.activation, residual, e.residual_stride,
               args.out + pixel * args.out_stride + s.first, args.out_stride, count);
}

// Pointers to the input under output pixels whose first tap is (top, left): args.kernel_h lines of
// `columns`; zeros where it is outside.
void gather_columns(const DepthwiseArgs& args, const float* image, int top, int left, int columns,
                    const float** in) {
  for (int ky = 0; ky < args.kernel_h; ++ky) {
    const int y = top + ky * args.dilation_h;
    const bool inside = unsigned(y) < unsigned(args.in_h);
    const int first = inside ? std::clamp(-left, 0, columns) : columns;
    const int last = inside ? std::clamp(args.in_w - left, first, columns) : columns;
    const std::int64_t from = std::int64_t(y) * args.in_w + left;
    for (int x = 0; x < first; ++x) *in++ = kZeros;
    for (int x = first; x < last; ++x) *in++ = image + (from + x) * args.in_stride;
    for (int x = last; x < columns; ++x) *in++ = kZeros;
  }
}

using DepthwiseLine = void (*)(const DepthwiseStrip&);

// For kernels that have one; null for others.
DepthwiseLine depthwise_strip_of(const DepthwiseArgs& args) {
  if (args.dilation_w != 1 || args.multiplier != 1 || args.channels > kZeroChannels) return nullptr;
  if (args.kernel_h != args.kernel_w) return nullptr;
  if (args.kernel_w == 3 && args.stride_w == 1) return depthwise_strip<3, 1>;
  if (args.kernel_w == 3 && args.stride_w == 2) return depthwise_strip<3, 2>;
  if (args.kernel_w == 5 && args.stride_w == 1) return depthwise_strip<5, 1>;
  if (args.kernel_w == 5 && args.stride_w == 2) return depthwise_strip<5, 2>;
  return nullptr;
}

// Line y of image b in strips.
void depthwise_line(const DepthwiseArgs& args, DepthwiseLine strip, DepthwiseStrip s,
                    const float* image, int b, int y) {
  constexpr int kMaxColumns = (kDepthwiseColumns - 1) * 2 + 5;
  const float* in[5 * kMaxColumns];
  float stage[kDepthwiseColumns * kDepthwiseChannels];
  if (depthwise_staged(args.epilogue)) std::fill(stage, stage + std::size(stage), 0.0f);
  s.in = in;
  for (int x = 0; x < args.out_w; x += kDepthwiseColumns) {
    s.pixels = std::min(kDepthwiseColumns, args.out_w - x);
    s.in_columns = (s.pixels - 1) * args.stride_w + args.kernel_w;
    gather_columns(args, image, y * args.stride_h - args.pad_top,
                   x * args.stride_w - args.pad_left, int(s.in_columns), in);
    const std::int64_t pixel = (std::int64_t(b) * args.out_h + y) * args.out_w + x;
    for (std::int64_t c = 0; c < args.channels; c += kDepthwiseChannels) {
      aim(s, args, pixel, {c, std::min<std::int64_t>(args.channels, c + kDepthwiseChannels)},
          stage);
      strip(s);
      finish(s, args, pixel, stage);
    }
  }
}

void depthwise_any_line(const DepthwiseArgs& args, DepthwiseStrip s, const float* image, int b,
                        int y) {
  const std::int64_t row_stride = args.in_w * args.in_stride;
  const std::int64_t top = std::int64_t(y) * args.stride_h - args.pad_top;
  const Range ys = valid_taps(top, args.dilation_h, args.in_h, args.kernel_h);
  const std::int64_t outputs = std::int64_t(args.channels) * args.multiplier;
  float stage[kDepthwiseChannels] = {};
  s.pixels = 1;
  for (int x = 0; x < args.out_w; ++x) {
    const std::int64_t left = std::int64_t(x) * args.stride_w - args.pad_left;
    const Range xs = valid_taps(left, args.dilation_w, args.in_w, args.kernel_w);
    const float* in = image + top * row_stride + left * args.in_stride;
    const std::int64_t pixel = (std::int64_t(b) * args.out_h + y) * args.out_w + x;
    for (std::int64_t c = 0; c < outputs; c += kDepthwiseChannels) {
      aim(s, args, pixel, {c, std::min(outputs, c + kDepthwiseChannels)}, stage);
      depthwise_pixel(args, s, in, args.dilation_h * row_stride, args.dilation_w * args.in_stride,
                      ys, xs);
      finish(s, args, pixel, stage);
    }
  }
}

void depthwise(const DepthwiseArgs& args, int begin, int end) {
  const Epilogue& e = args.epilogue;
  const bool clamp = e.activation.op == Unary::kClamp && !depthwise_staged(e);
  DepthwiseStrip s{};
  s.weights = args.weights;
  s.bias = e.bias;
  s.lo = clamp ? e.activation.alpha : -std::numeric_limits<float>::infinity();
  s.hi = clamp ? e.activation.beta : std::numeric_limits<float>::infinity();
  const DepthwiseLine strip = depthwise_strip_of(args);
  const Range lines = split(args).task_range(begin, end);
  for (std::int64_t i = lines.first; i < lines.last; ++i) {
    const int b = int(i / args.out_h), y = int(i % args.out_h);
    const float* image = args.in + std::int64_t(b) * args.in_h * args.in_w * args.in_stride;
    if (strip) depthwise_line(args, strip, s, image, b, y);
    else depthwise_any_line(args, s, image, b, y);
  }
}
