// Pooling, reductions, softmax and layer normalisation.

// A run of up to four vectors of channels, so that one loop over taps serves them all.
constexpr int kWideVectors = 4;

struct MaxPool {
  POLDER_INLINE static V start() { return splat(-std::numeric_limits<float>::infinity()); }
  POLDER_INLINE static V add(V sum, V x) { return sum != sum ? sum : vmax(sum, x); }
};
struct SumPool {
  POLDER_INLINE static V start() { return V{}; }
  POLDER_INLINE static V add(V sum, V x) { return sum + x; }
};

// The taps of one window that lie inside the input.
struct Window {
  const float* in;  // tap (0, 0, 0)
  std::int64_t stride[3];
  Range taps[3];
};

template <class F, int Vectors>
POLDER_INLINE void pool_vectors(const Window& w, std::int64_t c, std::int64_t count, V scale,
                                float* out) {
  V sum[Vectors];
  POLDER_UNROLL for (int j = 0; j < Vectors; ++j) sum[j] = F::start();
  for (std::int64_t z = w.taps[0].first; z < w.taps[0].last; ++z) {
    for (std::int64_t y = w.taps[1].first; y < w.taps[1].last; ++y) {
      const float* p = w.in + z * w.stride[0] + y * w.stride[1] + c;
      for (std::int64_t x = w.taps[2].first; x < w.taps[2].last; ++x) {
        const float* tap = p + x * w.stride[2];
        POLDER_UNROLL for (int j = 0; j < Vectors; ++j) {
          const V in = Vectors > 1 || count == kLanes ? load(tap + j * kLanes)
                                                      : load_part(tap, count);
          sum[j] = F::add(sum[j], in);
        }
      }
    }
  }
  POLDER_UNROLL for (int j = 0; j < Vectors; ++j) {
    if (Vectors > 1 || count == kLanes) store(out + c + j * kLanes, sum[j] * scale);
    else store_part(out + c, sum[j] * scale, count);
  }
}

template <class F>
void pool_pixel(const Window& w, std::int64_t channels, float scale, float* out) {
  std::int64_t c = 0;
  const V factor = splat(scale);
  for (; c + kWideVectors * kLanes <= channels; c += kWideVectors * kLanes) {
    pool_vectors<F, kWideVectors>(w, c, kLanes, factor, out);
  }
  for (; c < channels; c += kLanes) {
    pool_vectors<F, 1>(w, c, std::min<std::int64_t>(kLanes, channels - c), factor, out);
  }
}

// The window along one dimension; returns what an average divides by there.
POLDER_INLINE std::int64_t aim_window(const PoolArgs& args, int d, std::int64_t index, Window& w,
                                      std::int64_t pixel_stride) {
  const std::int64_t start = index * args.stride[d] - args.pad_begin[d];
  w.stride[d] = args.dilation[d] * pixel_stride;
  w.taps[d] = valid_taps(start, args.dilation[d], args.in_dims[d], args.kernel[d]);
  w.in += start * pixel_stride;
  if (args.mode != PoolArgs::Mode::kAverageWithPad) return w.taps[d].last - w.taps[d].first;
  const Range padded =
      valid_taps(start + args.pad_begin[d], args.dilation[d],
                 args.in_dims[d] + args.pad_begin[d] + args.pad_end[d], args.kernel[d]);
  return padded.last - padded.first;
}

void pool(const PoolArgs& args, int begin, int end) {
  const Range lines = split(args).task_range(begin, end);
  const std::int64_t row = args.in_dims[2] * args.in_stride, plane = args.in_dims[1] * row;
  for (std::int64_t line = lines.first; line < lines.last; ++line) {
    const std::int64_t y = line % args.out_dims[1];
    const std::int64_t z = line / args.out_dims[1] % args.out_dims[0];
    const std::int64_t b = line / args.out_dims[1] / args.out_dims[0];
    for (std::int64_t x = 0; x < args.out_dims[2]; ++x) {
      Window w{};
      w.in = args.in + b * args.in_dims[0] * plane;
      std::int64_t count = aim_window(args, 0, z, w, plane);
      count *= aim_window(args, 1, y, w, row);
      count *= aim_window(args, 2, x, w, args.in_stride);
      float* out = args.out + (line * args.out_dims[2] + x) * args.out_stride;
      if (args.mode == PoolArgs::Mode::kSum) count = 1;
      if (args.mode == PoolArgs::Mode::kMax) pool_pixel<MaxPool>(w, args.channels, 1, out);
      else pool_pixel<SumPool>(w, args.channels, count > 0 ? 1.0f / float(count) : 0, out);
    }
  }
}

struct SumOf {
  static constexpr float kNeutral = 0;
  POLDER_INLINE static V map(V x) { return x; }
  POLDER_INLINE static V join(V a, V b) { return a + b; }
};
struct SumSquareOf : SumOf {
  POLDER_INLINE static V map(V x) { return x * x; }
};
struct SumAbsOf : SumOf {
  POLDER_INLINE static V map(V x) { return vabs(x); }
};
struct ProductOf : SumOf {
  static constexpr float kNeutral = 1;
  POLDER_INLINE static V join(V a, V b) { return a * b; }
};
struct MaxOf : SumOf {
  static constexpr float kNeutral = -std::numeric_limits<float>::infinity();
  POLDER_INLINE static V join(V a, V b) { return a != a ? a : vmax(a, b); }
};
struct MinOf : SumOf {
  static constexpr float kNeutral = std::numeric_limits<float>::infinity();
  POLDER_INLINE static V join(V a, V b) { return a != a ? a : vmin(a, b); }
};

constexpr std::int64_t kReduceBlock = 128;  // terms that one accumulator takes before it is joined

// All of a row; four accumulators, joined every kReduceBlock vectors each.
template <class F>
float reduce_row(const float* in, std::int64_t n) {
  V total = splat(F::kNeutral);
  std::int64_t j = 0;
  while (j + 4 * kLanes <= n) {
    const std::int64_t stop = std::min(n, j + 4 * kLanes * kReduceBlock);
    V sum[4];
    POLDER_UNROLL for (int i = 0; i < 4; ++i) sum[i] = splat(F::kNeutral);
    for (; j + 4 * kLanes <= stop; j += 4 * kLanes) {
      POLDER_UNROLL for (int i = 0; i < 4; ++i) {
        sum[i] = F::join(sum[i], F::map(load(in + j + i * kLanes)));
      }
    }
    total = F::join(total, F::join(F::join(sum[0], sum[1]), F::join(sum[2], sum[3])));
  }
  for (; j + kLanes <= n; j += kLanes) total = F::join(total, F::map(load(in + j)));
  if (j < n) {
    float rest[kLanes];
    store(rest, splat(F::kNeutral));
    store_part(rest, F::map(load_part(in + j, n - j)), n - j);
    total = F::join(total, load(rest));
  }
  float lanes[2 * kLanes];
  store(lanes, total);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    store(lanes + kLanes, splat(F::kNeutral));
    for (int i = 0; i < width; ++i) lanes[kLanes + i] = lanes[width + i];
    store(lanes, F::join(load(lanes), load(lanes + kLanes)));
  }
  return lanes[0];
}

constexpr std::int64_t power_of_block(int exponent) {
  return exponent == 0 ? 1 : kReduceBlock * power_of_block(exponent - 1);
}

// Joins n rows of Vectors vectors of columns (of `count` columns, when that is less than a vector).
// Blocks of kReduceBlock rows are joined by themselves, then blocks of blocks.
template <class F, int Vectors, int Level>
POLDER_INLINE void reduce_span(const float* in, std::int64_t n, std::int64_t stride,
                               std::int64_t count, V (&sum)[Vectors]) {
  POLDER_UNROLL for (int i = 0; i < Vectors; ++i) sum[i] = splat(F::kNeutral);
  constexpr std::int64_t kSpan = power_of_block(Level);
  for (std::int64_t j = 0; j < n; j += kSpan) {
    V part[Vectors];
    if constexpr (Level > 0) {
      reduce_span<F, Vectors, Level - 1>(in + j * stride, std::min(kSpan, n - j), stride, count,
                                         part);
    } else {
      POLDER_UNROLL for (int i = 0; i < Vectors; ++i) {
        const float* from = in + j * stride + i * kLanes;
        part[i] = F::map(Vectors > 1 || count == kLanes ? load(from) : load_part(from, count));
      }
    }
    POLDER_UNROLL for (int i = 0; i < Vectors; ++i) sum[i] = F::join(sum[i], part[i]);
  }
}

template <class F, int Vectors>
void reduce_columns(const float* in, std::int64_t n, std::int64_t stride, std::int64_t count,
                    V scale, float* out) {
  V sum[Vectors];
  reduce_span<F, Vectors, 2>(in, n, stride, count, sum);
  POLDER_UNROLL for (int i = 0; i < Vectors; ++i) {
    if (Vectors > 1 || count == kLanes) store(out + i * kLanes, sum[i] * scale);
    else store_part(out, sum[i] * scale, count);
  }
}

template <class F>
void reduce_units(const ReduceArgs& args, Range units, float scale) {
  if (args.inner == 1) {
    for (std::int64_t o = units.first; o < units.last; ++o) {
      args.out[o] = reduce_row<F>(args.in + o * args.n, args.n) * scale;
    }
    return;
  }
  const std::int64_t chunks = (args.inner + kInnerChunk - 1) / kInnerChunk;
  for (std::int64_t unit = units.first; unit < units.last; ++unit) {
    const std::int64_t o = unit / chunks;
    const Range columns = range_of(unit % chunks, kInnerChunk, args.inner);
    const float* in = args.in + o * args.n * args.inner;
    float* out = args.out + o * args.inner;
    std::int64_t c = columns.first;
    for (; c + 4 * kLanes <= columns.last; c += 4 * kLanes) {
      reduce_columns<F, 4>(in + c, args.n, args.inner, kLanes, splat(scale), out + c);
    }
    for (; c < columns.last; c += kLanes) {
      const std::int64_t count = std::min<std::int64_t>(kLanes, columns.last - c);
      reduce_columns<F, 1>(in + c, args.n, args.inner, count, splat(scale), out + c);
    }
  }
}

void reduce(const ReduceArgs& args, int begin, int end) {
  const Range units = split(args).task_range(begin, end);
  switch (args.op) {
    case Reduction::kSum: return reduce_units<SumOf>(args, units, 1);
    case Reduction::kMean: {
      const float scale = args.n > 0 ? 1.0f / float(args.n)
                                     : std::numeric_limits<float>::quiet_NaN();
      return reduce_units<SumOf>(args, units, scale);
    }
    case Reduction::kMax: return reduce_units<MaxOf>(args, units, 1);
    case Reduction::kMin: return reduce_units<MinOf>(args, units, 1);
    case Reduction::kProduct: return reduce_units<ProductOf>(args, units, 1);
    case Reduction::kSumSquare: return reduce_units<SumSquareOf>(args, units, 1);
    case Reduction::kSumAbs: return reduce_units<SumAbsOf>(args, units, 1);
  }
}

// out = exp(x scale - shift); returns the sum.
float exp_row(const float* in, std::int64_t n, float scale, float shift, float* out) {
  V sum{};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const V y = vexp(load(in + j) * scale - shift);
    if (out) store(out + j, y);
    sum += y;
  }
  float total = sum_lanes(sum);
  if (j < n) {
    float rest[kLanes];
    store(rest, vexp(load_part(in + j, n - j) * scale - shift));
    for (std::int64_t i = 0; i < n - j; ++i) {
      total += rest[i];
      if (out) out[j + i] = rest[i];
    }
  }
  return total;
}

void softmax_row(const SoftmaxArgs& args, const float* in, float* out) {
  const std::int64_t n = args.n;
  const float extreme = args.scale >= 0 ? reduce_row<MaxOf>(in, n) : reduce_row<MinOf>(in, n);
  const float shift = extreme * args.scale;
  const float sum = exp_row(in, n, args.scale, shift, args.log ? nullptr : out);
  if (args.log) {
    // The shift first: added to it, a small logarithm would lose its last digits.
    apply(Activation{Unary::kLinear, args.scale, -shift}, in, out, n);
    apply(Activation{Unary::kLinear, 1, -std::log(sum)}, out, out, n);
  } else {
    apply(Activation{Unary::kLinear, 1 / sum, 0}, out, out, n);
  }
}

// `count` neighbouring columns at once.
void softmax_columns(const SoftmaxArgs& args, const float* in, float* out, std::int64_t count) {
  const std::int64_t n = args.n, stride = args.inner;
  V shift = splat(-std::numeric_limits<float>::infinity());
  for (std::int64_t j = 0; j < n; ++j) {
    shift = MaxOf::join(shift, load_part(in + j * stride, count) * args.scale);
  }
  V sum{};
  for (std::int64_t j = 0; j < n; ++j) {
    const V x = load_part(in + j * stride, count) * args.scale - shift;
    const V y = vexp(x);
    store_part(out + j * stride, args.log ? x : y, count);
    sum += y;
  }
  const V scale = 1.0f / sum, offset = vlog(sum);
  for (std::int64_t j = 0; j < n; ++j) {
    const V x = load_part(out + j * stride, count);
    store_part(out + j * stride, args.log ? x - offset : x * scale, count);
  }
}

void softmax(const SoftmaxArgs& args, int begin, int end) {
  const Range units = split(args).task_range(begin, end);
  if (args.inner == 1) {
    for (std::int64_t o = units.first; o < units.last; ++o) {
      softmax_row(args, args.in + o * args.n, args.out + o * args.n);
    }
    return;
  }
  const std::int64_t chunks = (args.inner + kInnerChunk - 1) / kInnerChunk;
  for (std::int64_t unit = units.first; unit < units.last; ++unit) {
    const std::int64_t row = unit / chunks * args.n * args.inner;
    const Range columns = range_of(unit % chunks, kInnerChunk, args.inner);
    for (std::int64_t c = columns.first; c < columns.last; c += kLanes) {
      softmax_columns(args, args.in + row + c, args.out + row + c,
                      std::min<std::int64_t>(kLanes, columns.last - c));
    }
  }
}

// Sum of (x - mean)^2
float deviation_row(const float* in, std::int64_t n, float mean) {
  V sum{};
  std::int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    const V d = load(in + j) - mean;
    sum += d * d;
  }
  float total = sum_lanes(sum);
  for (; j < n; ++j) total += (in[j] - mean) * (in[j] - mean);
  return total;
}

POLDER_INLINE V normalised(const LayerNormArgs& args, V x, V mean, V scale, std::int64_t j,
                           std::int64_t count) {
  V y = (x - mean) * scale;
  if (args.gamma) y *= count == kLanes ? load(args.gamma + j) : load_part(args.gamma + j, count);
  if (args.beta) y += count == kLanes ? load(args.beta + j) : load_part(args.beta + j, count);
  return y;
}

void layer_norm(const LayerNormArgs& args, int begin, int end) {
  const Range rows = split(args).task_range(begin, end);
  const std::int64_t n = args.n;
  for (std::int64_t row = rows.first; row < rows.last; ++row) {
    const float* in = args.in + row * n;
    float* out = args.out + row * n;
    const float mean = args.rms ? 0 : reduce_row<SumOf>(in, n) / float(n);
    const float variance = deviation_row(in, n, mean) / float(n);
    const float scale = 1 / std::sqrt(variance + args.epsilon);
    if (args.mean) args.mean[row] = mean;
    if (args.inverse_deviation) args.inverse_deviation[row] = scale;
    std::int64_t j = 0;
    for (; j + kLanes <= n; j += kLanes) {
      store(out + j, normalised(args, load(in + j), splat(mean), splat(scale), j, kLanes));
    }
    if (j < n) {
      const V x = load_part(in + j, n - j);
      store_part(out + j, normalised(args, x, splat(mean), splat(scale), j, n - j), n - j);
    }
  }
}
