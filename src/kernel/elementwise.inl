// Functions of one and two tensors, and f16 conversion.

void unary(const UnaryArgs& args, int begin, int end) {
  const std::int64_t first = begin * kElementsPerTask;
  const std::int64_t last = std::min(end * kElementsPerTask, args.count);
  if (first >= last) return;
  unary_rows({args.in + first, 0, args.out + first, 0, nullptr, 0, 1, last - first, args.f});
}

#define POLDER_BINARY(Name, body)                                    \
  struct Name {                                                      \
    POLDER_INLINE static V of(V a, V b) { return body; }             \
  };
POLDER_BINARY(Add, a + b)
POLDER_BINARY(Sub, a - b)
POLDER_BINARY(Mul, a * b)
POLDER_BINARY(Div, a / b)
POLDER_BINARY(Min, a != a ? a : vmin(a, b))
POLDER_BINARY(Max, a != a ? a : vmax(a, b))
POLDER_BINARY(SquaredDifference, (a - b) * (a - b))
POLDER_BINARY(Prelu, a < V{} ? a * b : a)
#undef POLDER_BINARY

struct Pow {
  static V of(V a, V b) {
    float x[kLanes], y[kLanes];
    store(x, a);
    store(y, b);
    for (int i = 0; i < kLanes; ++i) x[i] = std::pow(x[i], y[i]);
    return load(x);
  }
};

POLDER_INLINE V load_strided(const float* p, std::int64_t stride, std::int64_t count) {
  float lanes[kLanes] = {};
  for (std::int64_t i = 0; i < count; ++i) lanes[i] = p[i * stride];
  return load(lanes);
}

// One operand of a row: read whole, the same for all, or in steps.
struct EachOperand {
  const float* p;
  POLDER_INLINE V at(std::int64_t i) const { return load(p + i); }
  POLDER_INLINE V part(std::int64_t i, std::int64_t n) const { return load_part(p + i, n); }
};
struct SameOperand {
  V value;
  POLDER_INLINE V at(std::int64_t) const { return value; }
  POLDER_INLINE V part(std::int64_t, std::int64_t) const { return value; }
};
struct SteppedOperand {
  const float* p;
  std::int64_t stride;
  POLDER_INLINE V at(std::int64_t i) const { return load_strided(p + i * stride, stride, kLanes); }
  POLDER_INLINE V part(std::int64_t i, std::int64_t n) const {
    return load_strided(p + i * stride, stride, n);
  }
};

template <class F, class A, class B>
void binary_row(A a, B b, float* out, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, F::of(a.at(i), b.at(i)));
  if (i < count) store_part(out + i, F::of(a.part(i, count - i), b.part(i, count - i)), count - i);
}

// A row whose operands begin at a and b.
template <class F>
void binary_row(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                float* out, std::int64_t count) {
  if (a_stride == 1 && b_stride == 1) {
    return binary_row<F>(EachOperand{a}, EachOperand{b}, out, count);
  }
  if (a_stride == 1 && b_stride == 0) {
    return binary_row<F>(EachOperand{a}, SameOperand{splat(*b)}, out, count);
  }
  if (a_stride == 0 && b_stride == 1) {
    return binary_row<F>(SameOperand{splat(*a)}, EachOperand{b}, out, count);
  }
  binary_row<F>(SteppedOperand{a, a_stride}, SteppedOperand{b, b_stride}, out, count);
}

template <class F>
void binary_units(const BinaryArgs& args, std::int64_t first, std::int64_t last) {
  const int inner = args.rank - 1;
  const std::int64_t length = args.dims[inner];
  const std::int64_t chunks = row_chunks(length);
  for (std::int64_t unit = first; unit < last; ++unit) {
    std::int64_t row = unit / chunks, a = 0, b = 0;
    float* out = args.out + row * length;
    for (int d = inner - 1; d >= 0; --d) {
      const std::int64_t i = row % args.dims[d];
      row /= args.dims[d];
      a += i * args.a_strides[d];
      b += i * args.b_strides[d];
    }
    const Range part = range_of(unit % chunks, kRowChunk, length);
    const std::int64_t a_stride = args.a_strides[inner], b_stride = args.b_strides[inner];
    const std::int64_t count = part.last - part.first;
    binary_row<F>(args.a + a + part.first * a_stride, a_stride,
                  args.b + b + part.first * b_stride, b_stride, out + part.first, count);
    if (args.activation.op != Unary::kNone) {
      unary_rows({out + part.first, 0, out + part.first, 0, nullptr, 0, 1, count, args.activation});
    }
  }
}

void binary(const BinaryArgs& args, int begin, int end) {
  const auto [first, last] = split(args).task_range(begin, end);
  switch (args.op) {
    case Binary::kAdd: return binary_units<Add>(args, first, last);
    case Binary::kSub: return binary_units<Sub>(args, first, last);
    case Binary::kMul: return binary_units<Mul>(args, first, last);
    case Binary::kDiv: return binary_units<Div>(args, first, last);
    case Binary::kMin: return binary_units<Min>(args, first, last);
    case Binary::kMax: return binary_units<Max>(args, first, last);
    case Binary::kSquaredDifference: return binary_units<SquaredDifference>(args, first, last);
    case Binary::kPrelu: return binary_units<Prelu>(args, first, last);
    case Binary::kPow: return binary_units<Pow>(args, first, last);
  }
}

void f16_to_f32(const F16ToF32Args& args, int begin, int end) {
  std::int64_t i = begin * kElementsPerTask;
  const std::int64_t last = std::min(end * kElementsPerTask, args.count);
  for (; i + kLanes <= last; i += kLanes) store(args.out + i, half_load(args.in + i));
  if (i >= last) return;
  std::uint16_t lanes[kLanes] = {};
  std::copy(args.in + i, args.in + last, lanes);
  store_part(args.out + i, half_load(lanes), last - i);
}

void f32_to_f16(const F32ToF16Args& args, int begin, int end) {
  std::int64_t i = begin * kElementsPerTask;
  const std::int64_t last = std::min(end * kElementsPerTask, args.count);
  for (; i + kLanes <= last; i += kLanes) half_store(args.out + i, load(args.in + i));
  if (i >= last) return;
  std::uint16_t lanes[kLanes];
  half_store(lanes, load_part(args.in + i, last - i));
  std::copy(lanes, lanes + (last - i), args.out + i);
}
