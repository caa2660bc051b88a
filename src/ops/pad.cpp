// Pad: adds elements before and after along "axes" (all without it), a constant, the mirrored input
// without ("reflect") or with ("symmetric") its border, or the border itself ("edge"). The counts
// are attributes "begins" and "ends", or input 1 (all begins, then all ends); negative ones crop.
// The constant is input 2, else attribute "value".
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/axes.h"
#include "ops/cast.h"
#include "ops/rules.h"
#include "ops/strided.h"
#include "ops/types.h"

namespace polder::ops::pad {
namespace {

enum class Mode : int { kConstant, kReflect, kEdge, kSymmetric, kWrap };

struct Params {
  Mode mode;
  double value;
  std::int64_t begins[kMaxRank], ends[kMaxRank], axes[kMaxRank];
  int count, axis_count;  // -1: from input 1; all
};

void parse(AttrReader& attrs, Params& p) {
  static constexpr std::string_view kModes[] = {"constant", "reflect", "edge", "symmetric", "wrap"};
  p.mode = Mode(attrs.choice("mode", kModes, 0));
  p.value = attrs.real("value", 0);
  p.count = attrs.integers("begins", p.begins, -1, -kMaxElements, kMaxElements);
  if (attrs.integers("ends", p.ends, -1, -kMaxElements, kMaxElements) != p.count) {
    attrs.reject("'begins' and 'ends' differ in length");
  }
  p.axis_count = attrs.integers("axes", p.axes, -1, -kMaxRank, kMaxRank - 1);
}

// Counts by axis.
struct Pads {
  Dim begin[kMaxRank], end[kMaxRank];
};

Status spread(const Params& p, int rank, const IntList& list, Pads& pads) {
  const int count = list.size() / 2;
  if (list.size() % 2 != 0 || count != (p.axis_count >= 0 ? p.axis_count : rank)) {
    return fail(Code::kInvalid, "{} pads for {} axes; two for each expected", list.size(),
                p.axis_count >= 0 ? p.axis_count : rank);
  }
  for (int i = 0; i < count; ++i) {
    TRY_VALUE(const int axis, normal_axis(p.axis_count < 0 ? i : p.axes[i], rank));
    if (std::abs(list[i].bound) > kMaxElements || std::abs(list[i + count].bound) > kMaxElements)
      return fail(Code::kInvalid, "pads {} and {}: too large", list[i].bound,
                  list[i + count].bound);
    pads.begin[axis] = list[i];
    pads.end[axis] = list[i + count];
  }
  return {};
}

IntList attribute_pads(const Params& p) {
  IntList list;
  for (int i = 0; i < p.count; ++i) list.push_back(p.begins[i]);
  for (int i = 0; i < p.count; ++i) list.push_back(p.ends[i]);
  return list;
}

Status check_axis(Mode mode, const Dim& extent, const Dim& begin, const Dim& end, int axis) {
  if (mode == Mode::kConstant || !extent.known() || !begin.known() || !end.known()) return {};
  const std::int64_t most = std::max(begin.bound, end.bound);
  if (most <= 0 || mode == Mode::kEdge ? extent.bound > 0 || most <= 0
                                       : most <= extent.bound - (mode == Mode::kReflect ? 1 : 0)) {
    return {};
  }
  return fail(Code::kInvalid, "{} pads on axis {} of extent {}: more than the mode can take", most,
              axis, extent.bound);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  Dims dims = context.dims(0);
  IntList list = attribute_pads(p);
  if (p.count < 0) {
    TRY(context.expect_type(1, kIndexTypes));
    TRY(need_ints(context, 1, list));
  }
  if (context.has(2)) TRY(context.expect_type(2, {context.type(0)}));
  Pads pads;
  TRY(spread(p, dims.rank(), list, pads));
  for (int axis = 0; axis < dims.rank(); ++axis) {
    const Dim begin = pads.begin[axis], end = pads.end[axis];
    TRY(check_axis(p.mode, dims[axis], begin, end, axis));
    if (begin.is(0) && end.is(0)) continue;
    const std::int64_t sum = dims[axis].bound + begin.bound + end.bound;
    if (sum < 0) {
      return fail(Code::kInvalid, "cropping {} and {} off axis {} of extent {}", -begin.bound,
                  -end.bound, axis, dims[axis].bound);
    }
    const bool known = dims[axis].known() && begin.known() && end.known();
    dims[axis] = known ? Dim(sum) : context.new_dim(sum);
  }
  context.output(0, context.type(0), dims);
  return {};
}

// The position in the input whose element stands at `i` (counted from the input's first), or -1.
std::int64_t source(Mode mode, std::int64_t i, std::int64_t n) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case Mode::kConstant: return -1;
    case Mode::kEdge: return i < 0 ? 0 : n - 1;
    case Mode::kReflect: return i < 0 ? -i : 2 * (n - 1) - i;
    case Mode::kSymmetric: return i < 0 ? -i - 1 : 2 * n - 1 - i;
    case Mode::kWrap: return i < 0 ? i + n : i - n;
  }
  return -1;
}

// Everything behind the last padded axis moves as one block.
struct Plan {
  Mode mode;
  int axis = -1;           // the last padded axis; -1: none
  std::int64_t block = 1;  // elements behind it
  std::int64_t begins[kMaxRank] = {};
};

template <class T>
void pad_row(const Plan& plan, const T* in, T* out, std::int64_t n, std::int64_t out_n, T value) {
  const std::int64_t begin = plan.begins[plan.axis];
  const std::int64_t first = std::clamp<std::int64_t>(begin, 0, out_n);
  const std::int64_t last = std::clamp<std::int64_t>(begin + n, first, out_n);
  const auto outside = [&](std::int64_t from, std::int64_t to) {
    if (plan.mode == Mode::kConstant) {
      std::fill(out + from * plan.block, out + to * plan.block, value);
      return;
    }
    for (std::int64_t i = from; i < to; ++i) {
      std::copy_n(in + source(plan.mode, i - begin, n) * plan.block, plan.block,
                  out + i * plan.block);
    }
  };
  outside(0, first);
  std::copy_n(in + (first - begin) * plan.block, (last - first) * plan.block,
              out + first * plan.block);
  outside(last, out_n);
}

template <class T>
void pad_rows(const Plan& plan, const TensorView& in, const TensorView& out, T value) {
  const auto strides = dense_strides(in.shape);
  const std::int64_t out_n = out.shape[plan.axis], row = out_n * plan.block;
  const std::int64_t rows = out.shape.elements() / row;
  std::int64_t position[kMaxRank] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t offset = 0;
    for (int axis = 0; axis < plan.axis && offset >= 0; ++axis) {
      const std::int64_t k = source(plan.mode, position[axis] - plan.begins[axis], in.shape[axis]);
      offset = k < 0 ? -1 : offset + k * strides[std::size_t(axis)];
    }
    T* to = out.as<T>() + r * row;
    if (offset < 0) std::fill_n(to, row, value);
    else pad_row(plan, in.as<const T>() + offset, to, in.shape[plan.axis], out_n, value);
    for (int axis = plan.axis - 1; axis >= 0 && ++position[axis] == out.shape[axis]; --axis) {
      position[axis] = 0;
    }
  }
}

// The bits of the constant.
template <class T>
T constant_of(const RunContext& run) {
  T bits = 0;
  const double value = run.as<Params>().value;
  const DataType type = run.in(0).type;
  if (run.has(2)) {
    std::memcpy(&bits, run.in(2).data, sizeof bits);
  } else if (type == DataType::kF16) {
    bits = T(f32_to_f16(float(value)));
  } else if (type == DataType::kBF16) {
    bits = T(f32_to_bf16(float(value)));
  } else {
    dispatch(type, [&]<class V>() {
      const V number = saturate<V>(value);
      std::memcpy(&bits, &number, std::min(sizeof bits, sizeof number));
    });
  }
  return bits;
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView &in = run.in(0), &out = run.out(0);
  IntList list = attribute_pads(p);
  if (p.count < 0) {
    for (std::int64_t i = 0; i < run.in(1).shape.elements(); ++i) {
      list.push_back(int_at(run.in(1), i));
    }
  }
  Pads pads;
  TRY(spread(p, in.shape.rank(), list, pads));
  if (out.shape.elements() == 0) return {};
  Plan plan{.mode = p.mode};
  for (int axis = 0; axis < in.shape.rank(); ++axis) {
    plan.begins[axis] = pads.begin[axis].bound;
    if (!pads.begin[axis].is(0) || !pads.end[axis].is(0)) plan.axis = axis;
    TRY(check_axis(p.mode, in.shape[axis], pads.begin[axis], pads.end[axis], axis));
  }
  if (plan.axis < 0) return copy_whole(run);
  plan.block = split_at(in.shape, plan.axis).inner;
  dispatch_size(in.type, [&]<class T>() { pad_rows<T>(plan, in, out, constant_of<T>(run)); });
  return {};
}

using Ints = std::vector<std::int64_t>;

// Pads known before the run become attributes.
Status finish_pads(ImportContext& node, const Ints& list, Attrs attrs, ValueId value) {
  if (list.size() % 2 != 0) return fail(Code::kInvalid, "{} pads; an even number", list.size());
  const std::ptrdiff_t count = std::ptrdiff_t(list.size() / 2);
  attrs.set("begins", Ints(list.begin(), list.begin() + count));
  attrs.set("ends", Ints(list.begin() + count, list.end()));
  if (!attrs.has("axes")) attrs.set("axes", first_axes(std::size_t(count)));
  if (value != kNoValue && node.value(value).is_constant()) {
    const ValueId own = std::exchange(node.inputs[0], value);
    auto real = constant_real(node, 0);
    node.inputs[0] = own;
    if (real) attrs.set("value", *real), value = kNoValue;
  }
  return node.finish("Pad", {node.in(0), kNoValue, value}, std::move(attrs));
}

// ONNX: pads and value are attributes before opset 11; axes an input since 18.
Status from_onnx(ImportContext& node) {
  Attrs attrs = {{"mode", node.attrs.text("mode", "constant")}};
  if (!node.has(1)) {
    attrs.set("value", node.attrs.real("value", 0));
    return finish_pads(node, node.attrs.integers("pads"), std::move(attrs), kNoValue);
  }
  if (node.has(3)) {
    TRY_VALUE(Ints axes, node.constant_ints(3));
    attrs.set("axes", std::move(axes));
  }
  auto list = node.constant_ints(1);
  if (list) return finish_pads(node, *list, std::move(attrs), node.in(2));
  return node.finish("Pad", {node.in(0), node.in(1), node.in(2)}, std::move(attrs));
}

// TFLite's pads are [rank, 2].
Status finish_tflite(ImportContext& node, std::string_view mode) {
  TRY_VALUE(const std::vector<double> reals, constant_reals(node, 1));
  Ints list(reals.size());
  for (std::size_t i = 0; i < reals.size(); ++i) {
    if (!(std::abs(reals[i]) <= double(kUnbounded)))
      return fail(Code::kInvalid, "a padding of {}", reals[i]);
    list[(i % 2) * (reals.size() / 2) + i / 2] = std::int64_t(reals[i]);
  }
  return finish_pads(node, list, {{"mode", std::string(mode)}}, node.in(2));
}
Status from_tflite(ImportContext& node) { return finish_tflite(node, "constant"); }
Status from_tflite_mirror(ImportContext& node) {
  const bool reflect = node.attrs.text("mode", "REFLECT") == "REFLECT";
  return finish_tflite(node, reflect ? "reflect" : "symmetric");
}

std::vector<Sample> samples() {
  const auto with = [](const char* mode, SampleInput in) {
    Shape padded = in.shape;
    padded[1] += 3;
    padded[2] += 2;
    return Sample{
        mode,
        {std::move(in)},
        {{"mode", mode}, {"axes", Ints{1, 2}}, {"begins", Ints{1, 2}}, {"ends", Ints{2, 0}}},
        {padded}};
  };
  return {with("constant", {.shape = {2, 4, 5, 3}}),
          with("reflect", {.shape = {2, 4, 5}}),
          with("edge", {DataType::kI8, {2, 4, 5}, {}, false, -128, 127}),
          with("symmetric", {DataType::kF16, {1, 4, 5, 2}}),
          with("wrap", {DataType::kI64, {2, 4, 5}, {}, false, -9, 9}),
          {"crop",
           {{.shape = {6, 5}}},
           {{"begins", Ints{-2, 1}}, {"ends", Ints{-1, -1}}, {"value", 2.5}},
           {{3, 5}}},
          {"inputs",
           {{.shape = {2, 3}}, {DataType::kI64, {4}, {0, 1, 2, 0}}, {.shape = {}, .values = {1.5}}},
           {},
           {{4, 4}},
           Known::kAll}};
}

constexpr OnnxRule kOnnx[] = {{"Pad", from_onnx}};
constexpr TfliteRule kTflite[] = {
    {"PAD", from_tflite}, {"PADV2", from_tflite}, {"MIRROR_PAD", from_tflite_mirror}};

}  // namespace

extern const OpDef def = {
    .name = "Pad",
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::pad
