// Transpose: permutes the axes; output axis i is input axis perm[i] (default: all reversed).
#include <algorithm>

#include "kernel/table.h"
#include "ops/broadcast.h"
#include "ops/tools.h"

namespace polder::ops::transpose {
namespace {

struct Params {
  std::int64_t perm[kMaxRank];
  int rank;  // -1: reverse
};

void parse(AttrReader& attrs, Params& p) {
  p.rank = attrs.integers("perm", p.perm, -1, 0, kMaxRank - 1);
  unsigned seen = 0;
  for (int i = 0; i < p.rank; ++i) seen |= 1u << p.perm[i];
  if (p.rank >= 0 && seen != (1u << p.rank) - 1) attrs.reject("attribute 'perm' is no permutation");
}

int source_axis(const Params& p, int rank, int axis) {
  return p.rank < 0 ? rank - 1 - axis : int(p.perm[axis]);
}

Status infer(InferContext& context) {
  const Params& p = context.params<Params>();
  const Dims& in = context.dims(0);
  if (p.rank >= 0 && p.rank != in.rank()) {
    return fail(Code::kInvalid, "attribute 'perm' has {} entries for an input of rank {}", p.rank,
                in.rank());
  }
  Dims out;
  for (int axis = 0; axis < in.rank(); ++axis) out.push_back(in[source_axis(p, in.rank(), axis)]);
  context.output(0, context.type(0), out);
  return {};
}

// Element strides of the input along the output's axes.
void strides_of(const Params& p, const Shape& in, std::int64_t* strides) {
  std::int64_t own[kMaxRank];
  std::int64_t stride = 1;
  for (int axis = in.rank() - 1; axis >= 0; --axis) {
    own[axis] = stride;
    stride *= in[axis];
  }
  for (int axis = 0; axis < in.rank(); ++axis) strides[axis] = own[source_axis(p, in.rank(), axis)];
}

Status reference(const RunContext& run) {
  const Shape& out = run.out(0).shape;
  std::array<std::array<std::int64_t, kMaxRank>, 1> strides{};
  strides_of(run.as<Params>(), run.in(0).shape, strides[0].data());
  dispatch_size(run.in(0).type, [&]<class T>() {
    for_each_broadcast(out, strides, [&](std::int64_t i, const std::array<std::int64_t, 1>& at) {
      run.out(0).as<T>()[i] = run.in(0).as<T>()[at[0]];
    });
  });
  return {};
}

Status vector(const RunContext& run) {
  const Shape& out = run.out(0).shape;
  kernel::CopyArgs args;
  args.in = run.in(0).data;
  args.out = run.out(0).data;
  args.element_size = int(size_of(run.in(0).type));
  args.rank = out.rank();
  std::ranges::copy(out, args.dims);
  strides_of(run.as<Params>(), run.in(0).shape, args.strides);
  kernel::merge_dims(args);
  kernel::run(run.parallel, run.kernels.copy, args);
  return {};
}

Choice choose(const NodeInfo&) { return {.kernel = vector, .name = "copy"}; }

Status from_tflite(ImportContext& node) {
  TRY_VALUE(auto perm, node.constant_ints(1));
  return node.finish("Transpose", {node.in(0)}, {{"perm", perm}});
}

std::vector<Sample> samples() {
  using Ints = std::vector<std::int64_t>;
  return {
      {"to channels last", {{.shape = {2, 5, 7, 3}}}, {{"perm", Ints{0, 2, 3, 1}}}, {{2, 7, 3, 5}}},
      {"to channels first",
       {{.shape = {1, 17, 6, 9}}},
       {{"perm", Ints{0, 3, 1, 2}}},
       {{1, 9, 17, 6}}},
      {"reversed", {{.shape = {2, 3, 4}}}, {}, {{4, 3, 2}}},
      {"u8", {{DataType::kU8, {5, 6}, {}, false, 0, 255}}, {{"perm", Ints{1, 0}}}, {{6, 5}}}};
}

constexpr OnnxRule kOnnx[] = {{"Transpose"}};
constexpr TfliteRule kTflite[] = {{"TRANSPOSE", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Transpose",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .choose = choose,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::transpose
