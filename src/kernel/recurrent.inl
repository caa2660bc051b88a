// Gates of LSTM and GRU steps.

POLDER_INLINE V get(const float* p, std::int64_t j, std::int64_t count) {
  return count == kLanes ? load(p + j) : load_part(p + j, count);
}
POLDER_INLINE void put(float* p, std::int64_t j, std::int64_t count, V v) {
  if (count == kLanes) store(p + j, v);
  else store_part(p + j, v, count);
}
POLDER_INLINE V clipped(V x, float clip) {
  return clip > 0 ? vclamp(splat(-clip), splat(clip), x) : x;
}

void lstm_cell(const LstmCellArgs& args, int begin, int end) {
  if (begin >= end) return;
  for (int row = 0; row < args.batch; ++row) {
    const std::int64_t gate = row * args.gate_stride, state = row * args.state_stride;
    for (std::int64_t j = 0; j < args.hidden; j += kLanes) {
      const std::int64_t n = std::min<std::int64_t>(kLanes, args.hidden - j);
      const V before = get(args.c_before + state, j, n);
      V i = get(args.i + gate, j, n), f = get(args.f + gate, j, n), o = get(args.o + gate, j, n);
      if (args.peephole_i) i += get(args.peephole_i, j, n) * before;
      if (args.peephole_f) f += get(args.peephole_f, j, n) * before;
      const V g = vtanh(clipped(get(args.g + gate, j, n), args.clip));
      const V c = vsigmoid(clipped(f, args.clip)) * before + vsigmoid(clipped(i, args.clip)) * g;
      if (args.peephole_o) o += get(args.peephole_o, j, n) * c;
      put(args.c + state, j, n, c);
      put(args.h + row * args.h_stride, j, n, vsigmoid(clipped(o, args.clip)) * vtanh(c));
    }
  }
}

void gru_cell(const GruCellArgs& args, int begin, int end) {
  if (begin >= end) return;
  for (int row = 0; row < args.batch; ++row) {
    const std::int64_t x = row * args.x_stride, hg = row * args.h_gate_stride;
    const float* h_before = args.h_before + row * args.h_stride;
    for (std::int64_t j = 0; j < args.hidden; j += kLanes) {
      const std::int64_t n = std::min<std::int64_t>(kLanes, args.hidden - j);
      const V before = get(h_before, j, n);
      const V r = vsigmoid(clipped(get(args.xr + x, j, n) + get(args.hr + hg, j, n), args.clip));
      if (args.reset_out) {
        put(args.reset_out + std::int64_t(row) * args.hidden, j, n, r * before);
        continue;
      }
      const V z = vsigmoid(clipped(get(args.xz + x, j, n) + get(args.hz + hg, j, n), args.clip));
      V hn = get(args.hn + hg, j, n);
      if (!args.hn_is_reset) hn *= r;
      const V candidate = vtanh(clipped(get(args.xn + x, j, n) + hn, args.clip));
      put(args.h + row * args.h_stride, j, n, (1.0f - z) * candidate + z * before);
    }
  }
}
