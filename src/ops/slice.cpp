// Slice: from "starts" up to "ends" (exclusive) by "steps" along "axes"; negative positions count
// from the back, and all are held within the input. Starts and ends are attributes, or inputs 1
// and 2 when only a run knows them. With a negative step, a start before the first element is held
// to the first (ONNX) or, with attribute "none_before_front", takes nothing (NumPy, TFLite).
#include <algorithm>

#include "ops/axes.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::slice {
namespace {

struct Params {
  std::int64_t starts[kMaxRank], ends[kMaxRank], axes[kMaxRank], steps[kMaxRank];
  int start_count, end_count;  // -1: inputs
  int axis_count, step_count;  // -1: the first axes; 1
  bool none_before_front;
};

void parse(AttrReader& attrs, Params& p) {
  p.start_count = attrs.integers("starts", p.starts, -1);
  p.end_count = attrs.integers("ends", p.ends, -1);
  p.axis_count = attrs.integers("axes", p.axes, -1, -kMaxRank, kMaxRank - 1);
  p.step_count = attrs.integers("steps", p.steps, -1);
  p.none_before_front = attrs.flag("none_before_front", false);
  if (p.start_count != p.end_count) attrs.reject("'starts' and 'ends' differ in length");
  for (int i = 0; i < p.step_count; ++i) {
    if (p.steps[i] == 0) attrs.reject("attribute 'steps' holds 0");
  }
}

// What happens along one axis; `start` and `end` as given.
struct Range {
  Dim start = 0, end = 0;
  std::int64_t step = 1;
  std::int64_t lowest = 0;  // that a start is held to
  bool given = false;
  bool open = false;  // nothing is known of start and end
};

std::int64_t held(std::int64_t position, std::int64_t extent, std::int64_t low, std::int64_t high) {
  return std::clamp(position < 0 ? position + extent : position, low, high);
}

// The first element and the number of elements when all is known.
std::int64_t first_of(const Range& range, std::int64_t extent) {
  if (extent == 0) return 0;
  return held(range.start.bound, extent, range.lowest, range.step > 0 ? extent : extent - 1);
}
std::int64_t count_of(const Range& range, std::int64_t extent) {
  if (extent == 0) return 0;
  const std::int64_t first = first_of(range, extent);
  if (range.step > 0) {
    const std::int64_t end = held(range.end.bound, extent, 0, extent);
    // (end - first) / step rounded up, without a sum that could overflow.
    return end <= first ? 0 : (end - first - 1) / range.step + 1;
  }
  const std::int64_t end = held(range.end.bound, extent, -1, extent - 1);
  if (first <= end || first < 0) return 0;
  return range.step == AttrReader::kMin ? 1 : (first - end - 1) / -range.step + 1;
}

Dim extent_of(InferContext& context, const Range& range, const Dim& dim) {
  const bool known = range.start.known() && range.end.known() && !range.open;
  if (known && dim.known()) return count_of(range, dim.bound);
  if (range.open) return context.new_dim(dim.bound);
  constexpr std::int64_t kEnd = std::numeric_limits<std::int32_t>::max();
  if (range.step > 0) {
    const bool from_front = range.start.is(0);
    const bool to_back = (range.end.known() && range.end.bound >= kEnd) || range.end == dim;
    if (from_front && to_back && range.step == 1) return dim;
    // The longest that it can be, whatever the extent turns out to be.
    std::int64_t most = dim.bound;
    if (range.start.known()) {
      const std::int64_t start = std::clamp(range.start.bound, -most, most);
      most = start < 0 ? -start : most - start;
    }
    if (range.end.bound >= 0) most = std::min(most, range.end.bound);
    else if (range.start.known() && range.start.bound >= 0)
      most = std::max<std::int64_t>(0, std::min(most, dim.bound + range.end.bound));
    return context.new_dim(most == 0 ? 0 : (most - 1) / range.step + 1);
  }
  const bool reversed = range.start.is(-1) && range.end.known() && range.end.bound <= -kEnd;
  return reversed && range.step == -1 ? dim : context.new_dim(dim.bound);
}

// Fills ranges[axis]; `list(i, out)` reads starts (1) and ends (2) from the inputs.
template <class ReadInts>
Status read_ranges(const Params& p, int rank, Range* ranges, ReadInts&& read_ints) {
  IntList starts, ends;
  bool open = false;
  int count = p.start_count;
  for (int i = 0; i < p.start_count; ++i) {
    starts.push_back(p.starts[i]);
    ends.push_back(p.ends[i]);
  }
  if (p.start_count < 0) {
    open = !read_ints(1, starts) || !read_ints(2, ends);
    if (!open && starts.size() != ends.size()) {
      return fail(Code::kInvalid, "{} starts, {} ends", starts.size(), ends.size());
    }
    count = open ? (p.axis_count >= 0 ? p.axis_count : rank) : starts.size();
  }
  if (count > rank) return fail(Code::kInvalid, "{} starts for {} axes", count, rank);
  if ((p.axis_count >= 0 && p.axis_count != count) || (p.step_count >= 0 && p.step_count != count))
    return fail(Code::kInvalid, "{} starts, {} axes, {} steps", count, p.axis_count, p.step_count);
  for (int i = 0; i < count; ++i) {
    TRY_VALUE(const int axis, normal_axis(p.axis_count < 0 ? i : p.axes[i], rank));
    Range& range = ranges[axis];
    if (range.given) return fail(Code::kInvalid, "axis {} is named twice", axis);
    const std::int64_t step = p.step_count < 0 ? 1 : p.steps[i];
    const std::int64_t lowest = step < 0 && p.none_before_front ? -1 : 0;
    range = {.step = step, .lowest = lowest, .given = true, .open = open};
    if (!open) range.start = starts[i], range.end = ends[i];
  }
  return {};
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const Dims& in = context.dims(0);
  if (p.start_count < 0) {
    TRY(context.expect_type(1, kIndexTypes));
    TRY(context.expect_type(2, {context.type(1)}));
    TRY(context.expect_rank(1, 1, 1));
    TRY(context.expect_rank(2, 1, 1));
  }
  Range ranges[kMaxRank];
  TRY(read_ranges(p, in.rank(), ranges, [&](int i, IntList& out) { return context.ints(i, out); }));
  Dims out;
  for (int axis = 0; axis < in.rank(); ++axis) {
    out.push_back(ranges[axis].given ? extent_of(context, ranges[axis], in[axis]) : in[axis]);
  }
  context.output(0, context.type(0), out);
  IntList ints, part;
  if (in.rank() == 1 && in.known() && out.known() && context.ints(0, ints) &&
      ints.size() == in[0].bound) {
    const std::int64_t first = ranges[0].given ? first_of(ranges[0], in[0].bound) : 0;
    for (std::int64_t i = 0; i < out[0].bound; ++i) {
      part.push_back(ints[int(first + i * ranges[0].step)]);
    }
    context.output_ints(0, part);
  }
  return {};
}

Result<StridedCopy> plan_copy(const RunContext& run) {
  const TensorView& in = run.in(0);
  Range ranges[kMaxRank];
  TRY(read_ranges(run.as<Params>(), in.shape.rank(), ranges, [&](int i, IntList& out) {
    for (std::int64_t k = 0; k < run.in(i).shape.elements(); ++k) {
      if (!out.push_back(int_at(run.in(i), k))) return false;
    }
    return true;
  }));
  StridedCopy copy{.out = run.out(0).data, .type = in.type, .dims = run.out(0).shape};
  copy.strides = dense_strides(in.shape);
  std::int64_t offset = 0;
  for (int axis = 0; axis < in.shape.rank() && copy.dims.elements() > 0; ++axis) {
    if (!ranges[axis].given) continue;
    if (ranges[axis].open) return fail(Code::kInvalid, "more starts or ends than axes");
    offset += first_of(ranges[axis], in.shape[axis]) * copy.strides[std::size_t(axis)];
    // One element needs no stride, and a step may be as large as a number can be.
    if (copy.dims[axis] == 1) copy.strides[std::size_t(axis)] = 0;
    else copy.strides[std::size_t(axis)] *= ranges[axis].step;
  }
  copy.in = element(in, offset);
  return copy;
}

Status reference(const RunContext& run) {
  TRY_VALUE(const StridedCopy copy, plan_copy(run));
  copy_plain(copy);
  return {};
}

Status vector(const RunContext& run) {
  TRY_VALUE(const StridedCopy copy, plan_copy(run));
  copy_vector(run, copy);
  return {};
}

Choice choose(const NodeInfo&) { return {.kernel = vector, .name = "copy"}; }

using Ints = std::vector<std::int64_t>;

// ONNX: attributes before opset 10, then inputs starts, ends, axes, steps.
Status from_onnx(ImportContext& node) {
  Attrs attrs = node.attrs;
  if (node.has(3)) {
    TRY_VALUE(Ints axes, node.constant_ints(3));
    attrs.set("axes", std::move(axes));
  }
  if (node.has(4)) {
    TRY_VALUE(Ints steps, node.constant_ints(4));
    attrs.set("steps", std::move(steps));
  }
  std::vector<ValueId> inputs = {node.in(0)};
  if (node.has(1)) {
    auto starts = node.constant_ints(1);
    auto ends = node.constant_ints(2);
    if (starts && ends) {
      attrs.set("starts", *std::move(starts));
      attrs.set("ends", *std::move(ends));
    } else {
      inputs = {node.in(0), node.in(1), node.in(2)};
    }
  }
  if (!attrs.has("axes") && attrs.has("starts")) {
    attrs.set("axes", first_axes(attrs.integers("starts").size()));
  }
  return node.finish("Slice", std::move(inputs), std::move(attrs));
}

constexpr std::int64_t kToEnd = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kToFront = std::numeric_limits<std::int64_t>::min();

// SLICE(data, begin, size); size -1 is all that is left.
Status from_tflite(ImportContext& node) {
  TRY_VALUE(const Ints begin, node.constant_ints(1));
  TRY_VALUE(Ints size, node.constant_ints(2));
  if (begin.size() != size.size()) {
    return fail(Code::kInvalid, "{} begins, {} sizes", begin.size(), size.size());
  }
  for (std::size_t i = 0; i < size.size(); ++i) {
    size[i] = size[i] < 0 || size[i] > kMaxElements || begin[i] < 0 || begin[i] > kMaxElements
                  ? kToEnd
                  : begin[i] + size[i];
  }
  return node.finish("Slice", {node.in(0)},
                     {{"starts", begin}, {"ends", size}, {"axes", first_axes(begin.size())}});
}

// What STRIDED_SLICE's masks make of its positions.
struct Strided {
  Ints starts, ends, axes, steps;
  Ints dropped;  // axes of the input that take one position and vanish
  Ints added;    // axes of the output that are new
};

Result<Strided> read_strided(const ImportContext& node, const Ints& begin, const Ints& end,
                             const Ints& step) {
  const auto mask = [&](const char* name, std::size_t i) {
    return (node.attrs.integer(name, 0) >> i & 1) != 0;
  };
  const int rank = node.rank(0);
  int named = 0;  // axes of the input that have a position of their own
  for (std::size_t i = 0; i < begin.size(); ++i) {
    named += !mask("ellipsis_mask", i) && !mask("new_axis_mask", i);
  }
  if (named > rank) return fail(Code::kInvalid, "{} positions for {} axes", named, rank);
  Strided s;
  int axis = 0, out_axis = 0;
  for (std::size_t i = 0; i < begin.size(); ++i) {
    if (mask("ellipsis_mask", i)) {
      axis += rank - named, out_axis += rank - named;
    } else if (mask("new_axis_mask", i)) {
      s.added.push_back(out_axis++);
    } else {
      if (axis >= rank) return fail(Code::kInvalid, "more positions than axes");
      const bool drop = mask("shrink_axis_mask", i);
      const std::int64_t by = drop ? 1 : step[i];
      s.axes.push_back(axis);
      s.steps.push_back(by);
      s.starts.push_back(!mask("begin_mask", i) || drop ? begin[i] : by > 0 ? 0 : kToEnd);
      if (drop) s.ends.push_back(begin[i] == -1 ? kToEnd : begin[i] + 1);
      else s.ends.push_back(!mask("end_mask", i) ? end[i] : by > 0 ? kToEnd : kToFront);
      if (drop) s.dropped.push_back(axis);
      else ++out_axis;
      ++axis;
    }
  }
  return s;
}

Status from_tflite_strided(ImportContext& node) {
  TRY_VALUE(Ints begin, node.constant_ints(1));
  TRY_VALUE(Ints end, node.constant_ints(2));
  TRY_VALUE(const Ints step, node.constant_ints(3));
  if (begin.size() != end.size() || begin.size() != step.size()) {
    return fail(Code::kInvalid, "{} begins, {} ends, {} strides", begin.size(), end.size(),
                step.size());
  }
  for (std::size_t i = 0; i < end.size(); ++i) {
    begin[i] = std::clamp(begin[i], -kMaxElements, kMaxElements);
    end[i] = std::clamp(end[i], -kMaxElements, kMaxElements);
    if (node.attrs.integer("offset", 0) != 0) end[i] += begin[i];
  }
  TRY_VALUE(const Strided s, read_strided(node, begin, end, step));
  const Attrs attrs = {{"starts", s.starts},
                       {"ends", s.ends},
                       {"axes", s.axes},
                       {"steps", s.steps},
                       {"none_before_front", std::int64_t(1)}};
  if (s.dropped.empty() && s.added.empty()) return node.finish("Slice", {node.in(0)}, attrs);
  TRY_VALUE(ValueId v, node.emit("Slice", {node.in(0)}, attrs));
  if (!s.dropped.empty()) {
    if (s.added.empty()) return node.finish("Squeeze", {v}, {{"axes", s.dropped}});
    TRY_VALUE(v, node.emit("Squeeze", {v}, {{"axes", s.dropped}}));
  }
  return node.finish("Unsqueeze", {v}, {{"axes", s.added}});
}

std::vector<Sample> samples() {
  const auto ints = [](std::vector<double> v) {
    const std::int64_t count = std::int64_t(v.size());
    return SampleInput{DataType::kI64, {count}, std::move(v)};
  };
  return {{"front axes",
           {{.shape = {5, 6, 3}}},
           {{"starts", Ints{1, -3}}, {"ends", Ints{4, 99}}},
           {{3, 3, 3}}},
          {"channels",
           {{.shape = {2, 3, 9}}},
           {{"starts", Ints{2}}, {"ends", Ints{8}}, {"axes", Ints{-1}}, {"steps", Ints{2}}},
           {{2, 3, 3}}},
          {"backwards",
           {{.shape = {7, 4}}},
           {{"starts", Ints{-1}}, {"ends", Ints{kToFront}}, {"axes", Ints{0}}, {"steps", Ints{-2}}},
           {{4, 4}}},
          {"empty", {{.shape = {4}}}, {{"starts", Ints{3}}, {"ends", Ints{1}}}, {{0}}},
          {"inputs", {{.shape = {6, 5}}, ints({1, 0}), ints({5, -1})}, {}, {{4, 4}}},
          {"f16",
           {{DataType::kF16, {3, 5}}},
           {{"starts", Ints{1}}, {"ends", Ints{3}}, {"axes", Ints{1}}},
           {{3, 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Slice", from_onnx}};
constexpr TfliteRule kTflite[] = {{"SLICE", from_tflite}, {"STRIDED_SLICE", from_tflite_strided}};

}  // namespace

extern const OpDef def = {
    .name = "Slice",
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kAxes};

}  // namespace polder::ops::slice
