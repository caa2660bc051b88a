// The product of two plain matrices: B is packed into panels on the stack, a part of k at a time,
// for each block of rows; the sums wait between the parts.

constexpr std::int64_t kMatMulRows = 96;
constexpr int kMatMulDepth = 128;
constexpr int kMatMulPanels = (kStageWidth + kPanelWidth - 1) / kPanelWidth;

// packed[panel][p][16] of B's rows [first, first + depth), columns [column, column + columns)
void pack_b(const MatMulArgs& args, std::int64_t first, std::int64_t depth, std::int64_t column,
            std::int64_t columns, float* packed) {
  if (depth == 0) return;
  for (std::int64_t done = 0; done < columns; done += kPanelWidth) {
    const float* from = args.b + first * args.b_k_stride + (column + done) * args.b_column_stride;
    float* to = packed + done * kMatMulDepth;
    const std::int64_t filled = std::min<std::int64_t>(kPanelWidth, columns - done);
    if (filled < kPanelWidth) std::fill(to, to + depth * kPanelWidth, 0.0f);
    if (args.b_column_stride == 1 && filled == kPanelWidth) {
      for (std::int64_t p = 0; p < depth; ++p) {
        for (int j = 0; j < kPanelWidth; j += kLanes) {
          store(to + p * kPanelWidth + j, load(from + p * args.b_k_stride + j));
        }
      }
      continue;
    }
    for (std::int64_t j = 0; j < filled; ++j) {
      for (std::int64_t p = 0; p < depth; ++p) {
        to[p * kPanelWidth + j] = from[p * args.b_k_stride + j * args.b_column_stride];
      }
    }
  }
}

// Rows [row, row + rows) of columns that make `vectors` vectors from `column`.
void matmul_strip(const MatMulArgs& args, const Sink& sink, std::int64_t row, std::int64_t rows,
                  std::int64_t column, int vectors) {
  float packed[kMatMulPanels * kMatMulDepth * kPanelWidth];
  float partial[kMatMulRows * kStageWidth], stage[kStageRows * kStageWidth];
  const float* pointers[kMatMulRows];
  const bool staged = !in_registers(args.epilogue.activation);
  const std::int64_t step = staged ? kStageRows : kMatMulRows;
  const std::int64_t columns = std::min<std::int64_t>(vectors * kLanes, args.n - column);
  Strip s{};
  s.a = pointers;
  s.segments = 1;
  s.a_step = args.k > 1 ? args.a_k_stride : 1;
  s.b = packed;
  s.panel_stride = kMatMulDepth * kPanelWidth;
  for (std::int64_t i = 0; i < rows; i += step) {
    s.rows = std::min(step, rows - i);
    aim(s, sink, row + i, column, vectors, stage);
    s.partial = partial;
    for (int p = 0; p == 0 || p < args.k; p += kMatMulDepth) {
      const int depth = std::min(kMatMulDepth, args.k - p);
      if (i == 0 || args.k > kMatMulDepth) pack_b(args, p, depth, column, columns, packed);
      for (std::int64_t r = 0; r < s.rows; ++r) {
        pointers[r] = advance(args.a, (row + i + r) * args.a_row_stride + p * args.a_k_stride);
      }
      s.lengths = &depth;
      s.first = p == 0;
      s.last = p + kMatMulDepth >= args.k;
      run_strip(s, vectors);
    }
    finish_strip(s, sink, row + i, column, stage);
  }
}

void matmul(const MatMulArgs& args, int begin, int end) {
  const ProductSplit cut = split(args);
  const Sink sink{&args.epilogue, args.c, args.c_stride, args.n, args.alpha};
  for (int task = begin; task < end; ++task) {
    const Range rows = range_of(task % cut.row_blocks, cut.row_block, args.m);
    const std::int64_t first = task / cut.row_blocks * cut.panel_block * kPanelWidth;
    const std::int64_t last = std::min<std::int64_t>(first + cut.panel_block * kPanelWidth, args.n);
    const std::int64_t vectors = (last + kLanes - 1) / kLanes;
    for (std::int64_t row = rows.first; row < rows.last; row += kMatMulRows) {
      const std::int64_t count = std::min(kMatMulRows, rows.last - row);
      for (std::int64_t v = first / kLanes; v < vectors;) {
        const int taken = next_vectors(vectors - v);
        matmul_strip(args, sink, row, count, v * kLanes, taken);
        v += taken;
      }
    }
  }
}
