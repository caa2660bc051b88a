// Reshape: the same elements in the dimensions of input 1, of which one may be -1 (what is left)
// and, unless attribute "allowzero", any may be 0 (the input's dimension at that place).
#include "ops/axes.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::reshape {
namespace {

struct Params {
  bool allow_zero;
};

void parse(AttrReader& attrs, Params& p) { p.allow_zero = attrs.flag("allowzero", false); }

// What is left of a product of dimensions when equal ones of the other side are struck out.
struct Rest {
  std::int64_t known = 1;  // product of the known
  Dim free;                // the last free one
  int free_count = 0;

  void add(const Dim& dim) {
    if (!dim.known()) free = dim, ++free_count;
    else if (__builtin_mul_overflow(known, dim.bound, &known)) known = kUnbounded;
  }
};

// The dimension at `open` of `out`, so that both sides hold the same number of elements.
Status solve(InferContext& context, const Dims& in, Dims& out, int open) {
  bool struck[kMaxRank] = {};
  Rest have, want;
  for (int i = 0; i < out.rank(); ++i) {
    if (i == open) continue;
    int match = 0;
    while (match < in.rank() && (struck[match] || in[match] != out[i])) ++match;
    if (match < in.rank()) struck[match] = true;
    else want.add(out[i]);
  }
  for (int i = 0; i < in.rank(); ++i) {
    if (!struck[i]) have.add(in[i]);
  }
  if (want.free_count == 0 && have.free_count == 1 && have.known == want.known) {
    out[open] = have.free;
  } else if (want.free_count > 0 || have.free_count > 0) {
    Shape bounds = in.bounds();
    out[open] = context.new_dim(bounds.elements() / std::max<std::int64_t>(want.known, 1));
  } else if (want.known != 0 && have.known % want.known == 0) {
    out[open] = have.known / want.known;
  } else {
    return fail(Code::kInvalid, "{} does not divide into {}", in.text(), out.text());
  }
  return {};
}

Status infer(InferContext& context) {
  const Dims& in = context.dims(0);
  TRY(context.expect_type(1, kIndexTypes));
  IntList shape;
  TRY(need_ints(context, 1, shape));
  if (shape.size() > kMaxRank) {
    return fail(Code::kUnsupported, "a shape of rank {}; at most {}", shape.size(), kMaxRank);
  }
  Dims out;
  int open = -1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i].is(-1)) {
      if (open >= 0) return fail(Code::kInvalid, "the shape holds -1 twice");
      open = i;
      out.push_back(1);
    } else if (shape[i].is(0) && !context.params<Params>().allow_zero) {
      if (i >= in.rank()) {
        return fail(Code::kInvalid, "the shape copies dimension {} of an input of rank {}", i,
                    in.rank());
      }
      out.push_back(in[i]);
    } else if (shape[i].bound < 0) {
      return fail(Code::kInvalid, "the shape holds {}", shape[i].bound);
    } else {
      out.push_back(shape[i]);
    }
  }
  if (open >= 0) TRY(solve(context, in, out, open));
  if (in.known() && out.known() && in.max_elements() != out.max_elements()) {
    return fail(Code::kInvalid, "{} does not hold as many elements as {}", in.text(), out.text());
  }
  context.output(0, context.type(0), out);
  IntList ints;
  if (out.rank() <= 1 && context.ints(0, ints)) context.output_ints(0, ints);
  return {};
}

// The shape is an input or, in old files, an option; there 0 means 0.
Status from_tflite(ImportContext& node) {
  const ValueId shape = node.has(1) ? node.in(1) : node.ints(node.attrs.integers("new_shape"));
  return node.finish("Reshape", {node.in(0), shape}, {{"allowzero", std::int64_t(1)}});
}

SampleInput shape_of(std::vector<double> dims) {
  const std::int64_t rank = std::int64_t(dims.size());
  return {DataType::kI64, {rank}, std::move(dims), true};
}

std::vector<Sample> samples() {
  return {
      {"flat", {{.shape = {2, 3, 5}}, shape_of({-1})}, {}, {{30}}},
      {"zero and rest", {{.shape = {2, 3, 4}}, shape_of({0, -1, 2})}, {}, {{2, 6, 2}}},
      {"scalar", {{.shape = {1, 1}}, shape_of({})}, {}, {Shape{}}},
      {"empty", {{.shape = {0, 3}}, shape_of({3, 0})}, {{"allowzero", std::int64_t(1)}}, {{3, 0}}},
      {"u8", {{DataType::kU8, {6}, {}, false, 0, 255}, shape_of({3, 2})}, {}, {{3, 2}}}};
}

constexpr OnnxRule kOnnx[] = {{"Reshape"}};
constexpr TfliteRule kTflite[] = {{"RESHAPE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Reshape",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = copy_whole,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::reshape
