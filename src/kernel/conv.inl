// Convolution as a matrix product whose rows are output pixels. Nothing is copied: each row has one
// pointer per tap into the input, or to zeros outside it. Where channels are few and dense, a whole
// line of taps is one segment; only the lines that cross the input's left or right edge are copied.

constexpr int kMaxSegments = int(kMaxPointers / kMinBlockRows);
constexpr int kZeroChannels = 2048;
alignas(64) constexpr float kZeros[kZeroChannels] = {};
constexpr int kMaxLine = 160;                   // elements of a line of taps that is one segment
constexpr std::int64_t kLineElements = 8192;  // of copied lines

// One group of a convolution, with what every block of it needs.
struct ConvGroup {
  const ConvArgs* args;
  int channels, outputs;  // of this group
  std::int64_t depth;
  const float* in;        // the group's first channel
  const float* weights;
  Epilogue epilogue;
  Sink sink;
};

// An output pixel's place.
struct Pixel {
  int b, y, x;
};
POLDER_INLINE Pixel pixel_at(const ConvArgs& args, std::int64_t row) {
  const std::int64_t line = row / args.out_w;
  return {int(line / args.out_h), int(line % args.out_h), int(row % args.out_w)};
}
POLDER_INLINE void next_pixel(const ConvArgs& args, Pixel& p) {
  if (++p.x < args.out_w) return;
  p.x = 0;
  if (++p.y < args.out_h) return;
  p.y = 0;
  ++p.b;
}

// What the pointers of taps [first, last) have in common. Each tap is in chunks of at most
// kZeroChannels, as long as the zeros.
struct Taps {
  int first, last, chunks;
};

// The pointers of one pixel whose patch begins at (top, left); `inside`: all of it is in the input.
POLDER_INLINE const float** gather_pixel(const ConvArgs& args, const Taps& taps, const float* image,
                                         std::int64_t top, std::int64_t left, bool inside,
                                         const float** pointers) {
  int ky = taps.first / args.kernel_w, kx = taps.first % args.kernel_w;
  for (int tap = taps.first; tap < taps.last; ++tap) {
    const std::int64_t y = top + ky * args.dilation_h, x = left + kx * args.dilation_w;
    const bool in = inside || (std::uint64_t(y) < std::uint64_t(args.in_h) &&
                               std::uint64_t(x) < std::uint64_t(args.in_w));
    const std::int64_t pixel = (y * args.in_w + x) * args.in_stride;
    for (int chunk = 0; chunk < taps.chunks; ++chunk) {
      *pointers++ = in ? image + pixel + chunk * kZeroChannels : kZeros;
    }
    if (++kx == args.kernel_w) {
      kx = 0;
      ++ky;
    }
  }
  return pointers;
}

POLDER_INLINE const float* image_of(const ConvGroup& g, int b) {
  return g.in + std::int64_t(b) * g.args->in_h * g.args->in_w * g.args->in_stride;
}

// Pointers for `rows` rows. Pixels inside reuse the offsets of the taps.
void gather_pointers(const ConvGroup& g, const Taps& taps, std::int64_t row, std::int64_t rows,
                     const float** pointers) {
  const ConvArgs& args = *g.args;
  const std::int64_t bottom = args.in_h - std::int64_t(args.kernel_h - 1) * args.dilation_h;
  const std::int64_t right = args.in_w - std::int64_t(args.kernel_w - 1) * args.dilation_w;
  const int segments = (taps.last - taps.first) * taps.chunks;
  const float* previous = nullptr;  // a patch inside, and its pointers
  const float** known = nullptr;
  Pixel p = pixel_at(args, row);
  for (std::int64_t i = 0; i < rows; ++i, next_pixel(args, p)) {
    const std::int64_t top = std::int64_t(p.y) * args.stride_h - args.pad_top;
    const std::int64_t left = std::int64_t(p.x) * args.stride_w - args.pad_left;
    const float* image = image_of(g, p.b);
    const bool inside = top >= 0 && left >= 0 && top < bottom && left < right;
    const float* patch = inside ? image + (top * args.in_w + left) * args.in_stride : nullptr;
    if (inside && known) {
      const std::int64_t shift = patch - previous;
      for (int t = 0; t < segments; ++t) pointers[t] = known[t] + shift;
      pointers += segments;
      continue;
    }
    if (inside) {
      previous = patch;
      known = pointers;
    }
    pointers = gather_pixel(args, taps, image, top, left, inside, pointers);
  }
}

// The line of taps whose first is pixel `left` of line `in` of the input, with the zeros outside.
// Out of line, as the next: inside of their callers the compiler runs out of registers.
__attribute__((noinline)) void copy_taps(const ConvArgs& args, const float* in, int left, int line,
                                         float* copy) {
  const int channels = line / args.kernel_w;
  const int first = std::clamp(-left, 0, args.kernel_w) * channels;
  const int last = std::clamp(args.in_w - left, 0, args.kernel_w) * channels;
  for (int j = 0; j < line; ++j) {
    copy[j] = j >= first && j < last ? in[std::int64_t(left) * channels + j] : 0.0f;
  }
}

// One pointer per line of taps; `copies` holds what crosses an edge, `line` elements each. The
// pixels of a line of output are done together, line of taps by line of taps.
__attribute__((noinline)) void gather_lines(const ConvGroup& g, std::int64_t row,
                                            std::int64_t rows, int line, const float** pointers,
                                            float* copies) {
  const ConvArgs& args = *g.args;
  for (const std::int64_t end = row + rows; row < end;) {
    const Pixel p = pixel_at(args, row);
    const int count = int(std::min<std::int64_t>(args.out_w - p.x, end - row));
    const int left = p.x * args.stride_w - args.pad_left;
    for (int ky = 0; ky < args.kernel_h; ++ky) {
      const int y = p.y * args.stride_h - args.pad_top + ky * args.dilation_h;
      const float** to = pointers + ky;
      if (unsigned(y) >= unsigned(args.in_h)) {
        for (int i = 0; i < count; ++i) to[i * args.kernel_h] = kZeros;
        continue;
      }
      const float* in = image_of(g, p.b) + std::int64_t(y) * args.in_w * g.channels;
      for (int i = 0, x = left; i < count; ++i, x += args.stride_w, to += args.kernel_h) {
        if (x >= 0 && x + args.kernel_w <= args.in_w) {
          *to = in + std::int64_t(x) * g.channels;
          continue;
        }
        copy_taps(args, in, x, line, copies);
        *to = copies;
        copies += line;
      }
    }
    pointers += std::int64_t(count) * args.kernel_h;
    row += count;
  }
}

Strip conv_strip(const ConvGroup& g) {
  Strip s{};
  s.a_step = 1;
  s.panel_stride = g.depth * kPanelWidth;
  s.first = s.last = true;
  s.fetch = g.outputs * g.depth > kCached;
  return s;
}

void conv_lines(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last) {
  const int line = g.args->kernel_w * g.channels, segments = g.args->kernel_h;
  float copies[kLineElements];
  const float* pointers[kMaxPointers];
  int lengths[kMaxSegments];
  std::fill(lengths, lengths + segments, line);
  Strip s = conv_strip(g);
  s.a = pointers;
  s.lengths = lengths;
  s.segments = segments;
  const std::int64_t fit = std::min(kMaxPointers / segments, kLineElements / g.depth);
  const std::int64_t step = std::min(kBlockRows, fit / kMinBlockRows * kMinBlockRows);
  for (std::int64_t row = rows.first; row < rows.last; row += step) {
    s.rows = std::min(step, rows.last - row);
    gather_lines(g, row, s.rows, line, pointers, copies);
    run_panels(s, g.sink, g.weights, row, first, last);
  }
}

// Kernels with more taps than pointers fit: sums are kept on the stack between groups of taps.
void conv_passes(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last, int chunks,
                 const int* chunk_lengths) {
  const int taps = g.args->kernel_h * g.args->kernel_w;
  const int per_pass = std::max(1, kMaxSegments / chunks);
  const float* pointers[kMaxPointers];
  int lengths[kMaxSegments];
  float partial[kMinBlockRows * kStageWidth], stage[kStageRows * kStageWidth];
  for (int i = 0; i < per_pass * chunks; ++i) lengths[i] = chunk_lengths[i % chunks];
  Strip s = conv_strip(g);
  s.a = pointers;
  s.lengths = lengths;
  s.partial = partial;
  const std::int64_t end = (last + kLanes - 1) / kLanes;
  for (std::int64_t row = rows.first; row < rows.last; row += kMinBlockRows) {
    s.rows = std::min(kMinBlockRows, rows.last - row);
    for (std::int64_t vector = first / kLanes; vector < end;) {
      const int vectors = next_vectors(end - vector);
      const std::int64_t column = vector * kLanes;
      aim(s, g.sink, row, column, vectors, stage);
      const float* b = g.weights + column / kPanelWidth * s.panel_stride + column % kPanelWidth;
      for (int tap = 0; tap < taps; tap += per_pass) {
        const int until = std::min(taps, tap + per_pass);
        gather_pointers(g, {tap, until, chunks}, row, s.rows, pointers);
        s.segments = (until - tap) * chunks;
        s.b = b + std::int64_t(tap) * g.channels * kPanelWidth;
        s.first = tap == 0;
        s.last = until == taps;
        run_strip(s, vectors);
      }
      finish_strip(s, g.sink, row, column, stage);
      vector += vectors;
    }
  }
}

void conv_pointers(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last) {
  const int taps = g.args->kernel_h * g.args->kernel_w;
  const int chunks = (g.channels + kZeroChannels - 1) / kZeroChannels;
  int lengths[kMaxSegments];
  const int segments = taps * chunks;
  for (int i = 0; i < std::min(segments, kMaxSegments); ++i) {
    const int chunk = i % chunks;
    lengths[i] = std::min(kZeroChannels, g.channels - chunk * kZeroChannels);
  }
  if (segments > kMaxSegments) return conv_passes(g, rows, first, last, chunks, lengths);
  const float* pointers[kMaxPointers];
  Strip s = conv_strip(g);
  s.a = pointers;
  s.lengths = lengths;
  s.segments = segments;
  const std::int64_t fit = kMaxPointers / segments / kMinBlockRows * kMinBlockRows;
  // Patches overlap: of each, only what the one before did not have counts.
  const std::int64_t fresh = std::int64_t(g.args->stride_h) * g.args->stride_w * g.channels;
  const std::int64_t step = std::min(fit, block_rows(std::min(g.depth, fresh)));
  for (std::int64_t row = rows.first; row < rows.last; row += step) {
    s.rows = std::min(step, rows.last - row);
    gather_pointers(g, {0, taps, chunks}, row, s.rows, pointers);
    run_panels(s, g.sink, g.weights, row, first, last);
  }
}

ConvGroup conv_group(const ConvArgs& args, int group) {
  ConvGroup g;
  g.args = &args;
  g.channels = args.in_c / args.groups;
  g.outputs = args.out_c / args.groups;
  g.depth = std::int64_t(args.kernel_h) * args.kernel_w * g.channels;
  g.in = args.in + std::int64_t(group) * g.channels;
  g.weights = args.weights + group * panel_elements(g.outputs, g.depth);
  g.epilogue = args.epilogue;
  const std::int64_t first = std::int64_t(group) * g.outputs;
  if (g.epilogue.bias) g.epilogue.bias += first;
  if (g.epilogue.residual) g.epilogue.residual += first;
  g.sink = {nullptr, args.out + first, args.out_stride, g.outputs, 1};
  return g;
}

void conv_block(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last) {
  const ConvArgs& args = *g.args;
  if (is_pointwise(args)) {
    if (output_pixels(args) > 1) {
      return product_rows(g.in, args.in_stride, g.channels, g.weights, g.sink, rows, first, last);
    }
    return gemv(g.in, g.channels, g.weights, g.sink, first / kPanelWidth,
                (last + kPanelWidth - 1) / kPanelWidth);
  }
  const bool lines = args.in_stride == g.channels && args.dilation_w == 1 &&
                     args.kernel_w * g.channels <= kMaxLine && args.kernel_h <= kMaxSegments &&
                     g.depth <= kLineElements / kMinBlockRows;
  if (lines) conv_lines(g, rows, first, last);
  else conv_pointers(g, rows, first, last);
}

void conv(const ConvArgs& args, int begin, int end) {
  const ProductSplit cut = split(args);
  const std::int64_t m = output_pixels(args);
  for (int task = begin; task < end; ++task) {
    ConvGroup g = conv_group(args, int(task / cut.tasks()));
    g.sink.epilogue = &g.epilogue;
    const std::int64_t local = task % cut.tasks();
    const std::int64_t first = local / cut.row_blocks * cut.panel_block * kPanelWidth;
    const std::int64_t last =
        std::min<std::int64_t>(first + cut.panel_block * kPanelWidth, g.outputs);
    conv_block(g, range_of(local % cut.row_blocks, cut.row_block, m), first, last);
  }
}
