// Functions of one and two tensors, and f16 conversion.

void unary(const UnaryArgs& args, int begin, int end) {
  const std::int64_t first = begin * kElementsPerTask;
  const std::int64_t last = std::min(end * kElementsPerTask, args.count);
  if (first >= last) return;
  apply(args.f, args.in + first, args.out + first, last - first);
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

// out[i] = F(a[i * a_step], b[i * b_step]) for a whole number of vectors. A step is 1, or 0 for an
// operand that is one vector, the same for all.
template <class F>
void binary_vectors(const float* a, std::int64_t a_step, const float* b, std::int64_t b_step,
                    float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store(out + i, F::of(load(a + i * a_step), load(b + i * b_step)));
  }
}

using BinaryLoop = void (*)(const float*, std::int64_t, const float*, std::int64_t, float*,
                            std::int64_t);

BinaryLoop loop_of(Binary op) {
  switch (op) {
    case Binary::kAdd: return binary_vectors<Add>;
    case Binary::kSub: return binary_vectors<Sub>;
    case Binary::kMul: return binary_vectors<Mul>;
    case Binary::kDiv: return binary_vectors<Div>;
    case Binary::kMin: return binary_vectors<Min>;
    case Binary::kMax: return binary_vectors<Max>;
    case Binary::kSquaredDifference: return binary_vectors<SquaredDifference>;
    case Binary::kPrelu: return binary_vectors<Prelu>;
    case Binary::kPow: return binary_vectors<Pow>;
  }
  return binary_vectors<Add>;
}

// One operand of a row, brought into a form that the loops read.
class Operand {
 public:
  static constexpr std::int64_t kBuffer = 256;

  Operand(const float* p, std::int64_t stride) : p_(p), stride_(stride) {
    if (stride == 0) store(buffer_, splat(*p));
  }
  std::int64_t step() const { return stride_ == 0 ? 0 : 1; }
  bool direct() const { return stride_ == 0 || stride_ == 1; }
  // Elements from i. `count` of them are copied, at most kBuffer, where they are not neighbours or
  // do not fill their last vector.
  const float* at(std::int64_t i, std::int64_t count, bool copied) {
    if (stride_ == 0) return buffer_;
    if (!copied && stride_ == 1) return p_ + i;
    for (std::int64_t j = 0; j < count; ++j) buffer_[j] = p_[(i + j) * stride_];
    for (std::int64_t j = count; j < whole_vectors(count); ++j) buffer_[j] = 1;
    return buffer_;
  }

 private:
  const float* p_;
  std::int64_t stride_;
  float buffer_[kBuffer];
};

void binary_row(BinaryLoop loop, Operand& a, Operand& b, float* out, std::int64_t count) {
  const std::int64_t whole = count / kLanes * kLanes;
  const std::int64_t step = a.direct() && b.direct() ? whole : Operand::kBuffer;
  for (std::int64_t i = 0; i < whole; i += step) {
    const std::int64_t n = std::min(step, whole - i);
    loop(a.at(i, n, false), a.step(), b.at(i, n, false), b.step(), out + i, n);
  }
  if (whole == count) return;
  const std::int64_t rest = count - whole;
  float lanes[kLanes];
  loop(a.at(whole, rest, true), a.step(), b.at(whole, rest, true), b.step(), lanes, kLanes);
  std::copy(lanes, lanes + rest, out + whole);
}

void binary(const BinaryArgs& args, int begin, int end) {
  const BinaryLoop loop = loop_of(args.op);
  const Range units = split(args).task_range(begin, end);
  const int inner = args.rank - 1;
  const std::int64_t length = args.dims[inner];
  const std::int64_t a_stride = args.a_strides[inner], b_stride = args.b_strides[inner];
  const std::int64_t chunks = row_chunks(length);
  for (std::int64_t unit = units.first; unit < units.last; ++unit) {
    const Range part = range_of(unit % chunks, kRowChunk, length);
    std::int64_t row = unit / chunks;
    float* out = args.out + row * length + part.first;
    const float* a = args.a + part.first * a_stride;
    const float* b = args.b + part.first * b_stride;
    for (int d = inner - 1; d >= 0; --d) {
      const std::int64_t i = row % args.dims[d];
      row /= args.dims[d];
      a += i * args.a_strides[d];
      b += i * args.b_strides[d];
    }
    const std::int64_t count = part.last - part.first;
    Operand left(a, a_stride), right(b, b_stride);
    binary_row(loop, left, right, out, count);
    if (args.activation.op != Unary::kNone) apply(args.activation, out, out, count);
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
