// Unique: the distinct entries along attribute "axis" (elements of the flat data without it), by
// value or ("sorted" 0) by first appearance. Further outputs: where each first appears, which of
// them each entry is, and how often each appears.
#include <algorithm>
#include <cstring>

#include "ops/axes.h"
#include "ops/nan.h"
#include "ops/strided.h"
#include "ops/tools.h"
#include "ops/types.h"

namespace polder::ops::unique {
namespace {

struct Params {
  std::int64_t axis;
  bool flat, sorted;
};

void parse(AttrReader& attrs, Params& p) {
  p.flat = !attrs.has("axis");
  p.axis = attrs.integer("axis", 0, -kMaxRank, kMaxRank - 1);
  p.sorted = attrs.flag("sorted", true);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  if (context.type(0) == DataType::kF16 || context.type(0) == DataType::kBF16) {
    return fail(Code::kUnsupported, "input 0 is {}", type_name(context.type(0)));
  }
  Dims dims = context.dims(0);
  TRY_VALUE(const int axis, normal_axis(p.axis, dims.rank()));
  if (p.flat || dims.rank() == 0) dims = {product_dim(context, dims, 0, dims.rank())};
  const int along = p.flat ? 0 : axis;
  const Dim all = dims[along], found = context.new_dim(all.bound);
  dims[along] = found;
  context.output(0, context.type(0), dims);
  context.output(1, DataType::kI64, {found});
  context.output(2, DataType::kI64, {all});
  context.output(3, DataType::kI64, {found});
  return {};
}

AxisSplit split_of(const Params& p, const Shape& shape) {
  if (p.flat || shape.rank() == 0) return {1, shape.elements(), 1};
  return split_at(shape, *normal_axis(p.axis, shape.rank()));
}

// The workspace: entries in order, and of each the group it belongs to.
std::size_t workspace(const NodeInfo& node) {
  const Dims& dims = node.in(0).dims;
  if (!node.as<Params>().flat && !normal_axis(node.as<Params>().axis, dims.rank())) return 0;
  return std::size_t(split_of(node.as<Params>(), dims.bounds()).n) * 2 * sizeof(std::int64_t);
}

// Compares entries i and j: below, equal, above 0. NaN is the largest and equal to itself.
template <class T>
int compare(const T* data, const AxisSplit& split, std::int64_t i, std::int64_t j) {
  for (std::int64_t o = 0; o < split.outer; ++o) {
    for (std::int64_t k = 0; k < split.inner; ++k) {
      const T a = data[(o * split.n + i) * split.inner + k];
      const T b = data[(o * split.n + j) * split.inner + k];
      if (a == b || (not_a_number(a) && not_a_number(b))) continue;
      if (not_a_number(a)) return 1;
      return not_a_number(b) || a < b ? -1 : 1;
    }
  }
  return 0;
}

// Writes output `index`, if anyone reads it; returns its elements.
std::int64_t* optional_output(const RunContext& run, std::size_t index, std::int64_t extent) {
  if (index >= run.outputs.size() || !run.outputs[index].data) return nullptr;
  run.outputs[index].shape = {extent};
  return run.outputs[index].as<std::int64_t>();
}

// Sorts the entries, and lets order[0..groups) be the first entry of each group in the order asked
// for, and group[i] be the group of entry i.
template <class T>
std::int64_t group_entries(const Params& p, const T* data, const AxisSplit& split,
                           std::int64_t* order, std::int64_t* group) {
  for (std::int64_t i = 0; i < split.n; ++i) order[i] = i;
  std::sort(order, order + split.n, [&](std::int64_t i, std::int64_t j) {
    const int sign = compare(data, split, i, j);
    return sign != 0 ? sign < 0 : i < j;
  });
  // First the entry that stands for each...
  std::int64_t groups = 0;
  for (std::int64_t k = 0; k < split.n; ++k) {
    const std::int64_t i = order[k];
    const bool fresh = k == 0 || compare(data, split, order[groups - 1], i) != 0;
    if (fresh) order[groups++] = i;
    group[i] = order[groups - 1];
  }
  if (!p.sorted) std::sort(order, order + groups);
  // ... then the place of that entry: firsts precede their group, so the places are there in time.
  const auto place_of = [&](std::int64_t first) {
    if (!p.sorted) return std::int64_t(std::lower_bound(order, order + groups, first) - order);
    const auto below = [&](std::int64_t i, std::int64_t j) {
      return compare(data, split, i, j) < 0;
    };
    return std::int64_t(std::lower_bound(order, order + groups, first, below) - order);
  };
  for (std::int64_t i = 0; i < split.n; ++i) group[i] = place_of(group[i]);
  return groups;
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const TensorView& in = run.in(0);
  TensorView& out = run.out(0);
  const AxisSplit split = split_of(p, in.shape);
  auto* order = reinterpret_cast<std::int64_t*>(run.workspace);
  std::int64_t* group = order + split.n;
  std::int64_t groups = 0;
  dispatch(in.type,
           [&]<class T>() { groups = group_entries(p, in.as<const T>(), split, order, group); });
  const int axis = p.flat || in.shape.rank() == 0 ? 0 : *normal_axis(p.axis, in.shape.rank());
  out.shape[axis] = groups;
  const std::size_t bytes = std::size_t(split.inner) * size_of(in.type);
  for (std::int64_t o = 0; o < split.outer && out.data; ++o) {
    for (std::int64_t g = 0; g < groups; ++g) {
      std::memcpy(mutable_element(out, (o * groups + g) * split.inner),
                  element(in, (o * split.n + order[g]) * split.inner), bytes);
    }
  }
  if (std::int64_t* first = optional_output(run, 1, groups)) std::copy_n(order, groups, first);
  if (std::int64_t* which = optional_output(run, 2, split.n)) std::copy_n(group, split.n, which);
  if (std::int64_t* count = optional_output(run, 3, groups)) {
    std::fill_n(count, groups, 0);
    for (std::int64_t i = 0; i < split.n; ++i) ++count[group[i]];
  }
  return {};
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {6}, .values = {2, 1, 1, 3, 4, 3}};
  return {{"sorted", {x}, {}, {{4}, {4}, {6}, {4}}},
          {"by appearance", {x}, {{"sorted", std::int64_t(0)}}, {{4}, {4}, {6}, {4}}},
          {"rows",
           {{DataType::kI64, {3, 2}, {1, 0, 1, 0, 0, 2}}},
           {{"axis", std::int64_t(0)}},
           {{2, 2}, {2}, {3}, {2}}},
          {"columns",
           {{DataType::kI32, {2, 4}, {1, 0, 1, 2, 3, 1, 3, 0}}},
           {{"axis", std::int64_t(-1)}},
           {{2, 3}}}};
}

constexpr OnnxRule kOnnx[] = {{"Unique"}};

}  // namespace

extern const OpDef def = {
    .name = "Unique",
    .max_outputs = 4,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .reference_workspace = workspace,
    .optional_outputs = 0b1111,
    .finds_extents = true,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::unique
