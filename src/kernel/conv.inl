// Convolution as a matrix product whose rows are output pixels: instead of copying patches, each
// row has one pointer per tap into the input, or to zeros outside it. First layers, whose few
// channels would make segments of three elements, copy their patches.

constexpr int kZeroChannels = 2048;
alignas(64) constexpr float kZeros[kZeroChannels] = {};
constexpr std::int64_t kPatchElements = 4096;

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

// Pointers of taps [first, last) for `rows` rows, each tap in chunks of at most kZeroChannels.
void gather_pointers(const ConvGroup& g, std::int64_t row, std::int64_t rows, int first, int last,
                     int chunks, const float** pointers) {
  const ConvArgs& args = *g.args;
  Pixel p = pixel_at(args, row);
  for (std::int64_t i = 0; i < rows; ++i, next_pixel(args, p)) {
    const int top = p.y * args.stride_h - args.pad_top;
    const int left = p.x * args.stride_w - args.pad_left;
    const float* image = g.in + std::int64_t(p.b) * args.in_h * args.in_w * args.in_stride;
    int ky = first / args.kernel_w, kx = first % args.kernel_w;
    for (int tap = first; tap < last; ++tap) {
      const int y = top + ky * args.dilation_h, x = left + kx * args.dilation_w;
      const bool inside = unsigned(y) < unsigned(args.in_h) && unsigned(x) < unsigned(args.in_w);
      const std::int64_t pixel = (std::int64_t(y) * args.in_w + x) * args.in_stride;
      for (int chunk = 0; chunk < chunks; ++chunk) {
        *pointers++ = inside ? image + pixel + chunk * kZeroChannels : kZeros;
      }
      if (++kx == args.kernel_w) {
        kx = 0;
        ++ky;
      }
    }
  }
}

// Copies the patches of `rows` rows, [rows][depth].
void gather_patches(const ConvGroup& g, std::int64_t row, std::int64_t rows, float* patches) {
  const ConvArgs& args = *g.args;
  const int channels = g.channels;
  const bool dense = args.in_stride == channels && args.dilation_w == 1;
  const int line = args.kernel_w * channels;
  Pixel p = pixel_at(args, row);
  for (std::int64_t i = 0; i < rows; ++i, next_pixel(args, p)) {
    const int left = p.x * args.stride_w - args.pad_left;
    const float* image = g.in + std::int64_t(p.b) * args.in_h * args.in_w * args.in_stride;
    for (int ky = 0; ky < args.kernel_h; ++ky, patches += line) {
      const int y = p.y * args.stride_h - args.pad_top + ky * args.dilation_h;
      if (unsigned(y) >= unsigned(args.in_h)) {
        for (int c = 0; c < line; ++c) patches[c] = 0;
        continue;
      }
      const float* from = image + (std::int64_t(y) * args.in_w + left) * args.in_stride;
      if (dense && left >= 0 && left + args.kernel_w <= args.in_w) {
        for (int c = 0; c < line; ++c) patches[c] = from[c];
        continue;
      }
      for (int kx = 0; kx < args.kernel_w; ++kx) {
        const int x = left + kx * args.dilation_w;
        const bool inside = unsigned(x) < unsigned(args.in_w);
        const float* tap = from + std::int64_t(kx) * args.dilation_w * args.in_stride;
        for (int c = 0; c < channels; ++c) patches[kx * channels + c] = inside ? tap[c] : 0;
      }
    }
  }
}

Strip conv_strip(const ConvGroup& g) {
  Strip s{};
  s.a_step = 1;
  s.b_step = kPanelWidth;
  s.panel_stride = g.depth * kPanelWidth;
  s.first = s.last = true;
  return s;
}

void conv_patches(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last) {
  float patches[kPatchElements];
  const float* pointers[kBlockRows];
  const int depth = int(g.depth);
  Strip s = conv_strip(g);
  s.a = pointers;
  s.lengths = &depth;
  s.segments = 1;
  const std::int64_t fit = kPatchElements / depth;
  const std::int64_t step =
      std::min(kBlockRows, fit >= kMinBlockRows ? fit / kMinBlockRows * kMinBlockRows : fit);
  for (std::int64_t i = 0; i < step; ++i) pointers[i] = patches + i * depth;
  for (std::int64_t row = rows.first; row < rows.last; row += step) {
    s.rows = std::min(step, rows.last - row);
    gather_patches(g, row, s.rows, patches);
    run_panels(s, g.sink, g.weights, row, first, last);
  }
}

// Kernels with more taps than pointers fit: sums are kept on the stack between groups of taps.
void conv_passes(const ConvGroup& g, Range rows, std::int64_t first, std::int64_t last, int chunks,
                 const int* chunk_lengths) {
  const int taps = g.args->kernel_h * g.args->kernel_w;
  const int per_pass = std::max<int>(1, int(kMaxPointers / kMinBlockRows) / chunks);
  const float* pointers[kMaxPointers];
  int lengths[kMaxPointers / kMinBlockRows];
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
        gather_pointers(g, row, s.rows, tap, until, chunks, pointers);
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
  constexpr int kMaxSegments = int(kMaxPointers / kMinBlockRows);
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
  const std::int64_t step = std::min(fit, block_rows(g.depth));
  for (std::int64_t row = rows.first; row < rows.last; row += step) {
    s.rows = std::min(step, rows.last - row);
    gather_pointers(g, row, s.rows, 0, taps, chunks, pointers);
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

void conv(const ConvArgs& args, int begin, int end) {
  const ProductSplit cut = split(args);
  const std::int64_t m = std::int64_t(args.batch) * args.out_h * args.out_w;
  for (int task = begin; task < end; ++task) {
    ConvGroup g = conv_group(args, int(task / cut.tasks()));
    g.sink.epilogue = &g.epilogue;
    const std::int64_t local = task % cut.tasks();
    const Range rows = range_of(local % cut.row_blocks, cut.row_block, m);
    const std::int64_t first = local / cut.row_blocks * cut.panel_block * kPanelWidth;
    const std::int64_t last =
        std::min<std::int64_t>(first + cut.panel_block * kPanelWidth, g.outputs);
    const bool patches = g.channels <= 8 && args.kernel_h * args.kernel_w > 1;
    if (patches && g.depth <= kPatchElements / 4) conv_patches(g, rows, first, last);
    else conv_pointers(g, rows, first, last);
  }
}
