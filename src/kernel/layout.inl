// Strided copies, transposition and resizing.

// The input offset of an output row (all dimensions but `skip` and the last).
std::int64_t copy_offset(const CopyArgs& args, std::int64_t row, int skip) {
  std::int64_t offset = 0;
  for (int d = args.rank - 2; d >= 0; --d) {
    if (d == skip) continue;
    offset += row % args.dims[d] * args.strides[d];
    row /= args.dims[d];
  }
  return offset;
}

// The output offset of the same row, with index 0 in `skip`.
std::int64_t transposed_offset(const CopyArgs& args, std::int64_t row, int skip) {
  std::int64_t offset = 0, stride = args.dims[args.rank - 1];
  for (int d = args.rank - 2; d >= 0; --d) {
    if (d != skip) {
      offset += row % args.dims[d] * stride;
      row /= args.dims[d];
    }
    stride *= args.dims[d];
  }
  return offset;
}

template <class T>
void copy_rows(const CopyArgs& args, Range units, bool runs) {
  const std::int64_t length = args.dims[args.rank - 1], stride = args.strides[args.rank - 1];
  const std::int64_t chunks = row_chunks(length);
  for (std::int64_t unit = units.first; unit < units.last; ++unit) {
    const std::int64_t row = unit / chunks;
    const Range part = range_of(unit % chunks, kRowChunk, length);
    const std::int64_t count = part.last - part.first;
    const T* in = static_cast<const T*>(args.in) + copy_offset(args, row, -1) + part.first * stride;
    T* out = static_cast<T*>(args.out) + row * length + part.first;
    if (runs) std::copy(in, in + count, out);
    else if (stride == 0) std::fill(out, out + count, *in);
    else for (std::int64_t i = 0; i < count; ++i) out[i] = in[i * stride];
  }
}

// As below, of `Columns` dense columns: pictures.
template <int Columns, class T>
POLDER_INLINE void interleave(const T* __restrict in, std::int64_t in_stride, T* __restrict out,
                              std::int64_t rows) {
  for (std::int64_t i = 0; i < rows; ++i) {
    POLDER_UNROLL for (int j = 0; j < Columns; ++j) out[i * Columns + j] = in[i + j * in_stride];
  }
}

// out[i * out_stride + j] = in[i + j * in_stride] for i < rows, j < columns, in square blocks, so
// that both sides stay within few cache lines.
template <class T>
void transpose_block(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride,
                     std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kBlock = 8;
  if (columns == 3 && out_stride == 3) return interleave<3>(in, in_stride, out, rows);
  for (std::int64_t j = 0; j < columns; j += kBlock) {
    const std::int64_t last = std::min(j + kBlock, columns);
    std::int64_t i = 0;
    if (last - j == kBlock) {
      for (; i + kBlock <= rows; i += kBlock) {
        T block[kBlock][kBlock];
        POLDER_UNROLL for (int b = 0; b < kBlock; ++b) {
          POLDER_UNROLL for (int a = 0; a < kBlock; ++a) {
            block[a][b] = in[(j + b) * in_stride + i + a];
          }
        }
        POLDER_UNROLL for (int a = 0; a < kBlock; ++a) {
          POLDER_UNROLL for (int b = 0; b < kBlock; ++b) {
            out[(i + a) * out_stride + j + b] = block[a][b];
          }
        }
      }
    }
    for (; i < rows; ++i) {
      for (std::int64_t b = j; b < last; ++b) out[i * out_stride + b] = in[i + b * in_stride];
    }
  }
}

template <class T>
void copy_transposed(const CopyArgs& args, Range units, int fast) {
  const int last = args.rank - 1;
  std::int64_t out_stride = 1;
  for (int d = last; d > fast; --d) out_stride *= args.dims[d];
  const std::int64_t blocks = (args.dims[fast] + kTransposeBlock - 1) / kTransposeBlock;
  for (std::int64_t unit = units.first; unit < units.last;) {
    const std::int64_t row = unit / blocks, row_end = std::min(units.last, (row + 1) * blocks);
    const T* in = static_cast<const T*>(args.in) + copy_offset(args, row, fast);
    T* out = static_cast<T*>(args.out) + transposed_offset(args, row, fast);
    for (; unit < row_end; ++unit) {
      const Range part = range_of(unit - row * blocks, kTransposeBlock, args.dims[fast]);
      transpose_block(in + part.first, args.strides[last], out + part.first * out_stride,
                      out_stride, part.last - part.first, args.dims[last]);
    }
  }
}

template <class T>
void copy_elements(const CopyArgs& args, Range units) {
  const CopyPlan p = plan(args);
  if (p.kind == CopyPlan::Kind::kTranspose) return copy_transposed<T>(args, units, p.fast);
  copy_rows<T>(args, units, p.kind == CopyPlan::Kind::kRuns);
}

void copy(const CopyArgs& args, int begin, int end) {
  const Range units = split(args).task_range(begin, end);
  switch (args.element_size) {
    case 1: return copy_elements<std::uint8_t>(args, units);
    case 2: return copy_elements<std::uint16_t>(args, units);
    case 4: return copy_elements<std::uint32_t>(args, units);
    default: return copy_elements<std::uint64_t>(args, units);
  }
}

// One output pixel: the weighted sum of taps x taps input pixels.
POLDER_INLINE void resize_pixel(const ResizeArgs& args, const float* const* rows, const float* wy,
                                const std::int32_t* x_index, const float* wx, float* out) {
  const int taps = args.taps;
  for (std::int64_t c = 0; c < args.channels; c += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, args.channels - c);
    V sum{};
    for (int ty = 0; ty < taps; ++ty) {
      V line{};
      for (int tx = 0; tx < taps; ++tx) {
        const float* p = rows[ty] + std::int64_t(x_index[tx]) * args.channels + c;
        line += (count == kLanes ? load(p) : load_part(p, count)) * wx[tx];
      }
      sum += line * wy[ty];
    }
    if (count == kLanes) store(out + c, sum);
    else store_part(out + c, sum, count);
  }
}

constexpr int kMaxResizeTaps = 64;

void resize_line(const ResizeArgs& args, const float* image, int y, float* out) {
  const int taps = args.taps;
  const float* rows[kMaxResizeTaps];
  for (int t = 0; t < taps; ++t) {
    rows[t] = image + std::int64_t(args.y_index[y * taps + t]) * args.in_w * args.channels;
  }
  for (int x = 0; x < args.out_w; ++x, out += args.channels) {
    const std::int32_t* index = args.x_index + x * taps;
    if (taps == 1) {
      const float* p = rows[0] + std::int64_t(*index) * args.channels;
      std::copy(p, p + args.channels, out);
      continue;
    }
    resize_pixel(args, rows, args.y_weight + y * taps, index, args.x_weight + x * taps, out);
  }
}

void resize(const ResizeArgs& args, int begin, int end) {
  const Range lines = split(args).task_range(begin, end);
  for (std::int64_t line = lines.first; line < lines.last; ++line) {
    const std::int64_t b = line / args.out_h;
    const float* image = args.in + b * args.in_h * args.in_w * args.channels;
    resize_line(args, image, int(line % args.out_h), args.out + line * args.out_w * args.channels);
  }
}
