// Everything that is a matrix product inside: convolution (implicit GEMM over row pointers), gemm,
// gemv and matmul. One register tile holds R rows x NV vectors of sums; the weights come in panels
// of 16 outputs, the other operand through one pointer per row and segment (a tap of a convolution,
// or the whole depth of a gemm). Every sum runs over k in the same order whatever the tile, so
// results do not depend on how the work was cut.

// Sums for `rows` rows x up to NV vectors of outputs, and where they go.
struct Strip {
  // Operand A: row i, segment s begins at a[i * segments + s] and has lengths[s] elements, a_step
  // apart.
  const float* const* a;
  const int* lengths;
  int segments;
  std::int64_t a_step;
  // Operand B: element [k][j] is at b[j / 16 * panel_stride + k * 16 + j % 16].
  const float* b;
  std::int64_t panel_stride;
  // The panels behind these will be read next and are not in a cache; only where a_step is 1.
  bool fetch;
  std::int64_t rows;
  std::int64_t columns;  // outputs that exist, at most NV vectors
  // Sums kept between two passes over parts of k: [rows][NV vectors]; unused when first and last.
  float* partial;
  bool first, last;
  // The epilogue, for the first of the columns.
  float* out;
  std::int64_t out_stride;
  const float* bias;
  const float* residual;
  std::int64_t residual_stride;
  float alpha;
  bool residual_after, clamp;
  float lo, hi;
};

// `offset` elements further, where there is something at all.
template <class T>
inline T* advance(T* pointer, std::int64_t offset) {
  return pointer ? pointer + offset : nullptr;
}

// The slow way out, for columns that are not whole vectors.
__attribute__((noinline)) void finish_columns(const Strip& s, std::int64_t row, int rows,
                                              const float* sums, int sums_stride) {
  for (int i = 0; i < rows; ++i) {
    float* out = s.out + (row + i) * s.out_stride;
    const float* residual = advance(s.residual, (row + i) * s.residual_stride);
    for (std::int64_t j = 0; j < s.columns; ++j) {
      float x = sums[i * sums_stride + j];
      if (s.alpha != 1) x *= s.alpha;
      if (s.bias) x += s.bias[j];
      if (s.residual && !s.residual_after) x += residual[j];
      if (s.clamp) {
        x = s.lo > x ? s.lo : x;
        x = s.hi < x ? s.hi : x;
      }
      if (s.residual && s.residual_after) x += residual[j];
      out[j] = x;
    }
  }
}

#define POLDER_EACH_SUM(body)                                   \
  POLDER_UNROLL for (int i = 0; i < R; ++i) {                   \
    POLDER_UNROLL for (int j = 0; j < NV; ++j) { body; }        \
  }

// `Whole`: all columns of the tile exist.
template <bool Whole, int R, int NV>
POLDER_INLINE void finish_sums(const Strip& s, std::int64_t row, V (&sum)[R][NV]) {
  std::int64_t count[NV];
  POLDER_UNROLL for (int j = 0; j < NV; ++j) {
    count[j] = std::clamp<std::int64_t>(s.columns - j * kLanes, 0, kLanes);
  }
  if (s.alpha != 1) {
    const V alpha = splat(s.alpha);
    POLDER_EACH_SUM(sum[i][j] *= alpha)
  }
  if (s.bias) {
    V bias[NV];
    POLDER_UNROLL for (int j = 0; j < NV; ++j) {
      bias[j] = load_lanes<Whole>(s.bias + j * kLanes, count[j]);
    }
    POLDER_EACH_SUM(sum[i][j] += bias[j])
  }
  const std::int64_t stride = s.residual_stride;
  const float* residual = advance(s.residual, row * stride);
  if (residual && !s.residual_after) {
    POLDER_EACH_SUM(sum[i][j] += load_lanes<Whole>(residual + i * stride + j * kLanes, count[j]))
  }
  if (s.clamp) {
    const V lo = splat(s.lo), hi = splat(s.hi);
    POLDER_EACH_SUM(sum[i][j] = vmin(hi, vmax(lo, sum[i][j])))
  }
  if (residual && s.residual_after) {
    POLDER_EACH_SUM(sum[i][j] += load_lanes<Whole>(residual + i * stride + j * kLanes, count[j]))
  }
  float* out = s.out + row * s.out_stride;
  POLDER_EACH_SUM(store_lanes<Whole>(out + i * s.out_stride + j * kLanes, sum[i][j], count[j]))
}

template <int R, int NV>
POLDER_INLINE void finish_tile(const Strip& s, std::int64_t row, V (&sum)[R][NV]) {
  if (s.columns >= NV * kLanes) return finish_sums<true>(s, row, sum);
  if constexpr (kMasks) return finish_sums<false>(s, row, sum);
  float sums[R * NV * kLanes];
  POLDER_EACH_SUM(store(sums + (i * NV + j) * kLanes, sum[i][j]))
  finish_columns(s, row, R, sums, NV * kLanes);
}

// Weights that a tile fetches into the second-level cache while it multiplies: `lines` cache lines
// before every kFetchSteps of k.
struct Ahead {
  const float* weights;
  int lines;
};
constexpr int kFetchSteps = 8;

template <int R, int NV, bool Fetch>
__attribute__((noinline)) void tile(const Strip& s, std::int64_t row, Ahead ahead) {
  V sum[R][NV];
  float* partial = advance(s.partial, row * (NV * kLanes));
  if (s.first) {
    POLDER_EACH_SUM(sum[i][j] = V{})
  } else {
    POLDER_EACH_SUM(sum[i][j] = load(partial + (i * NV + j) * kLanes))
  }
  const float* b = s.b;
  const std::int64_t a_step = Fetch ? 1 : s.a_step, panel_stride = s.panel_stride;
  for (int segment = 0; segment < s.segments; ++segment) {
    const float* a[R];
    POLDER_UNROLL for (int i = 0; i < R; ++i) a[i] = s.a[(row + i) * s.segments + segment];
    const std::int64_t end = s.lengths[segment] * a_step;
    for (std::int64_t k = 0; k != end;) {
      const std::int64_t stop = Fetch ? std::min(end, k + kFetchSteps * a_step) : end;
      for (int i = 0; Fetch && i < ahead.lines; ++i, ahead.weights += kPanelWidth) {
        __builtin_prefetch(ahead.weights, 0, 2);
      }
      for (; k != stop; k += a_step, b += kPanelWidth) {
        V weights[NV];
        POLDER_UNROLL for (int j = 0; j < NV; ++j) {
          weights[j] = load(b + j * kLanes / kPanelWidth * panel_stride + j * kLanes % kPanelWidth);
        }
        POLDER_UNROLL for (int i = 0; i < R; ++i) {
          const V x = splat(a[i][k]);
          POLDER_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] += x * weights[j];
        }
      }
    }
  }
  if (s.last) return finish_tile<R, NV>(s, row, sum);
  POLDER_EACH_SUM(store(partial + (i * NV + j) * kLanes, sum[i][j]))
}

#undef POLDER_EACH_SUM

using Tile = void (*)(const Strip&, std::int64_t, Ahead);

template <int NV, bool Fetch, int... R>
constexpr Tile kTiles[] = {tile<R + 1, NV, Fetch>...};

template <int NV, bool Fetch, int... R>
POLDER_INLINE Tile tile_of(int rows, std::integer_sequence<int, R...>) {
  return kTiles<NV, Fetch, R...>[rows - 1];
}

// As few tiles as can be, of nearly equal rows: a small last tile would not keep the multipliers
// busy. Together they fetch the weights that come next: multiplying takes longer than reading from
// memory, if both go on all the time.
template <int NV, bool Fetch>
void run_tiles(const Strip& s) {
  constexpr int kRows = tile_rows(NV), kPanels = NV * kLanes / kPanelWidth;
  const std::int64_t tiles = (s.rows + kRows - 1) / kRows;
  const int lines = int((kPanels * kFetchSteps + tiles - 1) / tiles);
  std::int64_t row = 0;
  for (std::int64_t i = 0; i < tiles; ++i) {
    const int rows = int((s.rows - row + tiles - i - 1) / (tiles - i));
    const Ahead ahead{s.b + kPanels * s.panel_stride + i * lines * s.panel_stride / kFetchSteps,
                      i * lines < kPanels * kFetchSteps ? lines : 0};
    tile_of<NV, Fetch>(rows, std::make_integer_sequence<int, kRows>{})(s, row, ahead);
    row += rows;
  }
}

template <int NV>
void run_strip(const Strip& s) {
  if constexpr (kFetchAhead && NV == kTileVectors) {
    if (s.fetch) return run_tiles<NV, true>(s);
  }
  run_tiles<NV, false>(s);
}

void run_strip(const Strip& s, int vectors) {
  switch (vectors) {
    case 1: return run_strip<1>(s);
    case 2: return run_strip<2>(s);
    case 3:
      if constexpr (kMaxTileVectors >= 3) return run_strip<3>(s);
      [[fallthrough]];
    default:
      if constexpr (kMaxTileVectors >= 4) return run_strip<4>(s);
  }
}

// How many vectors of outputs the next strip takes when `left` are still to do. Strips begin at a
// panel, or lie within one.
POLDER_INLINE int next_vectors(std::int64_t left) {
  if (kWideTileVectors > kTileVectors && left == kWideTileVectors) return kWideTileVectors;
  return int(std::min<std::int64_t>(left, kTileVectors));
}

constexpr std::int64_t kStageRows = 48;  // rows whose sums fit on the stack between passes
constexpr int kStageWidth = kMaxTileVectors * kLanes;

// Where the sums of a whole product go; strips are cut out of it.
struct Sink {
  const Epilogue* epilogue;
  float* out;  // row 0, column 0
  std::int64_t out_stride;
  std::int64_t columns;
  float alpha;
};

POLDER_INLINE bool in_registers(const Activation& f) {
  return f.op == Unary::kNone || f.op == Unary::kClamp;
}

// Points the strip's epilogue at rows from `row` and columns from `column`. An activation that
// costs more than a clamp is done afterwards, from `stage`, which holds kStageRows rows.
void aim(Strip& s, const Sink& sink, std::int64_t row, std::int64_t column, int vectors,
         float* stage) {
  const Epilogue& e = *sink.epilogue;
  s.columns = std::min<std::int64_t>(sink.columns - column, vectors * kLanes);
  s.bias = e.bias ? e.bias + column : nullptr;
  s.alpha = sink.alpha;
  s.residual_after = e.residual_after;
  s.residual = advance(e.residual, row * e.residual_stride + column);
  s.residual_stride = e.residual_stride;
  s.clamp = e.activation.op == Unary::kClamp;
  s.lo = e.activation.alpha;
  s.hi = e.activation.beta;
  s.out = sink.out + row * sink.out_stride + column;
  s.out_stride = sink.out_stride;
  if (in_registers(e.activation)) return;
  s.out = stage;
  s.out_stride = vectors * kLanes;
  if (s.columns < s.out_stride) std::fill(stage, stage + s.rows * s.out_stride, 0.0f);
  if (e.residual_after) s.residual = nullptr;
}

// What aim() left for afterwards.
void finish_strip(const Strip& s, const Sink& sink, std::int64_t row, std::int64_t column,
                  float* stage) {
  const Epilogue& e = *sink.epilogue;
  if (in_registers(e.activation)) return;
  const bool add = e.residual && e.residual_after;
  finish_stage({stage, s.rows, s.out_stride}, e.activation,
               add ? e.residual + row * e.residual_stride + column : nullptr, e.residual_stride,
               sink.out + row * sink.out_stride + column, sink.out_stride, s.columns);
}

// All outputs [first_column, last_column) of the rows that `s` describes; s.a, s.rows are set, row
// numbers in the sink begin at `row`. `panels` is column 0 of the weights.
void run_panels(Strip s, const Sink& sink, const float* panels, std::int64_t row,
                std::int64_t first_column, std::int64_t last_column) {
  const std::int64_t rows = s.rows;
  const float* const* a = s.a;
  const bool staged = !in_registers(sink.epilogue->activation);
  const std::int64_t step = staged ? kStageRows : rows;
  float stage[kStageRows * kStageWidth];
  const std::int64_t end = (last_column + kLanes - 1) / kLanes;
  for (std::int64_t vector = first_column / kLanes; vector < end;) {
    const int vectors = next_vectors(end - vector);
    const std::int64_t column = vector * kLanes;
    s.b = panels + column / kPanelWidth * s.panel_stride + column % kPanelWidth;
    for (std::int64_t i = 0; i < rows; i += step) {
      s.a = a + i * s.segments;
      s.rows = std::min(step, rows - i);
      aim(s, sink, row + i, column, vectors, stage);
      run_strip(s, vectors);
      finish_strip(s, sink, row + i, column, stage);
    }
    vector += vectors;
  }
}

// One row: whole groups of panels are streamed together, one accumulator per vector; what is left
// over shares its eight accumulators among fewer panels by splitting k.
template <int Panels>
void gemv_panels(const float* a, std::int64_t k, const float* weights, float* sums) {
  constexpr int kPerPanel = kPanelWidth / kLanes;
  constexpr int kVectors = Panels * kPerPanel;
  constexpr int kParts = kVectors >= 8 ? 1 : 8 / kVectors;
  const std::int64_t stride = k * kPanelWidth;
  V sum[kParts][kVectors] = {};
  std::int64_t p = 0;
  for (; p + kParts <= k; p += kParts) {
    POLDER_UNROLL for (int part = 0; part < kParts; ++part) {
      const V x = splat(a[p + part]);
      POLDER_UNROLL for (int j = 0; j < kVectors; ++j) {
        sum[part][j] += x * load(weights + j / kPerPanel * stride + (p + part) * kPanelWidth +
                                 j % kPerPanel * kLanes);
      }
    }
  }
  for (; p < k; ++p) {
    const V x = splat(a[p]);
    POLDER_UNROLL for (int j = 0; j < kVectors; ++j) {
      sum[0][j] += x * load(weights + j / kPerPanel * stride + p * kPanelWidth +
                            j % kPerPanel * kLanes);
    }
  }
  POLDER_UNROLL for (int part = 1; part < kParts; ++part) {
    POLDER_UNROLL for (int j = 0; j < kVectors; ++j) sum[0][j] += sum[part][j];
  }
  POLDER_UNROLL for (int j = 0; j < kVectors; ++j) store(sums + j * kLanes, sum[0][j]);
}

void gemv_epilogue(const Sink& sink, const float* sums, std::int64_t column, std::int64_t columns) {
  const Epilogue& e = *sink.epilogue;
  float biased[kGemvGroup * kPanelWidth] = {};
  for (std::int64_t j = 0; j < columns; ++j) {
    biased[j] = sums[j] + (e.bias ? e.bias[column + j] : 0);
    if (e.residual && !e.residual_after) biased[j] += e.residual[column + j];
  }
  if (e.residual && e.residual_after) {
    finish_stage({biased, 1, whole_vectors(columns)}, e.activation, e.residual + column, 0,
                 sink.out + column, 0, columns);
  } else {
    apply(e.activation, biased, sink.out + column, columns);
  }
}

// The product of row `a` of k elements with panels [first, last).
void gemv(const float* a, std::int64_t k, const float* weights, const Sink& sink,
          std::int64_t first, std::int64_t last) {
  constexpr int kGroup = kLanes / 2;  // panels that make eight vectors
  static_assert(kGemvGroup % kGroup == 0);
  float sums[kGemvGroup * kPanelWidth];
  for (std::int64_t panel = first; panel < last;) {
    const float* from = weights + panel * k * kPanelWidth;
    int done = 1;
    if (last - panel >= kGroup) {
      gemv_panels<kGroup>(a, k, from, sums);
      done = kGroup;
    } else if (kGroup > 4 && last - panel >= 4) {
      gemv_panels<4>(a, k, from, sums);
      done = 4;
    } else if (kGroup > 2 && last - panel >= 2) {
      gemv_panels<2>(a, k, from, sums);
      done = 2;
    } else {
      gemv_panels<1>(a, k, from, sums);
    }
    const std::int64_t column = panel * kPanelWidth;
    gemv_epilogue(sink, sums, column,
                  std::min<std::int64_t>(done * kPanelWidth, sink.columns - column));
    panel += done;
  }
}

constexpr std::int64_t kCached = 65536;   // weights that may be there still from the run before
constexpr std::int64_t kBlockRows = 252;  // a multiple of every tile's rows
constexpr std::int64_t kMaxPointers = 2304;
constexpr std::int64_t kMinBlockRows = 12;

// Rows whose operand, of `elements` each, stays in the second-level cache while the panels pass by.
POLDER_INLINE std::int64_t block_rows(std::int64_t elements) {
  const std::int64_t fit = 98304 / elements / kMinBlockRows * kMinBlockRows;
  return std::clamp(fit, 2 * kMinBlockRows, kBlockRows);
}

// Outputs [first, last) of rows that lie a_stride apart, `depth` elements each.
void product_rows(const float* a, std::int64_t a_stride, int depth, const float* weights,
                  const Sink& sink, Range rows, std::int64_t first, std::int64_t last) {
  const float* pointers[kBlockRows];
  Strip s{};
  s.a = pointers;
  s.lengths = &depth;
  s.segments = 1;
  s.a_step = 1;
  s.panel_stride = std::int64_t(depth) * kPanelWidth;
  s.first = s.last = true;
  s.fetch = sink.columns * depth > kCached;
  const std::int64_t step = block_rows(depth);
  for (std::int64_t row = rows.first; row < rows.last; row += step) {
    s.rows = std::min(step, rows.last - row);
    for (std::int64_t i = 0; i < s.rows; ++i) pointers[i] = a + (row + i) * a_stride;
    run_panels(s, sink, weights, row, first, last);
  }
}

void gemm(const GemmArgs& args, int begin, int end) {
  const ProductSplit cut = split(args);
  const Sink sink{&args.epilogue, args.c, args.c_stride, args.n, 1};
  const std::int64_t panels = (args.n + kPanelWidth - 1) / kPanelWidth;
  for (int task = begin; task < end; ++task) {
    const Range rows = range_of(task % cut.row_blocks, cut.row_block, args.m);
    const Range columns = range_of(task / cut.row_blocks, cut.panel_block, panels);
    if (args.m == 1) {
      gemv(args.a, args.k, args.weights, sink, columns.first, columns.last);
      continue;
    }
    product_rows(args.a, args.a_stride, args.k, args.weights, sink, rows,
                 columns.first * kPanelWidth,
                 std::min<std::int64_t>(columns.last * kPanelWidth, args.n));
  }
}
