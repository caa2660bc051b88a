// ScatterND: the data with the blocks of input 2 written where the rows of input 1 say; "reduction"
// joins them with what is there.
#include "ops/combine.h"
#include "ops/nd_index.h"
#include "ops/rules.h"
#include "ops/strided.h"

namespace polder::ops::scatter_nd {
namespace {

struct Params {
  Combine reduction;
};

void parse(AttrReader& attrs, Params& p) { p.reduction = read_combine(attrs); }

Status infer(InferContext& context) {
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_type(2, {context.type(0)}));
  TRY(expect_combinable(context, context.params<Params>().reduction));
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY(context.expect_rank(1, 1, kMaxRank));
  const Dims &data = context.dims(0), &at = context.dims(1), &updates = context.dims(2);
  const Dim depth = at[at.rank() - 1];
  const auto mismatch = [&] {
    return fail(Code::kInvalid, "indices {} and updates {} for data {}", at.text(), updates.text(),
                data.text());
  };
  if (!depth.known() || depth.bound > data.rank()) return mismatch();
  const int behind = data.rank() - int(depth.bound);
  if (updates.rank() != at.rank() - 1 + behind) return mismatch();
  for (int i = 0; i < updates.rank(); ++i) {
    const Dim& expected = i < at.rank() - 1 ? at[i] : data[data.rank() - updates.rank() + i];
    if (expected.known() && updates[i].known() && !(expected == updates[i])) return mismatch();
  }
  context.output(0, context.type(0), data);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &at = run.in(1), &updates = run.in(2), &out = run.out(0);
  const Combine how = run.as<Params>().reduction;
  TRY(copy_whole(run));
  if (updates.shape.elements() == 0) return {};
  const NdIndex index(out.shape.dims(), at.shape[at.shape.rank() - 1]);
  const std::int64_t rows = updates.shape.elements() / index.block;
  Status status;
  dispatch_combine(how, out.type, [&]<class T>() {
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t offset = 0;
      if (status = index.offset(at, row, "ScatterND", offset); !status) return;
      T* to = out.as<T>() + offset;
      const T* from = updates.as<T>() + row * index.block;
      for (std::int64_t i = 0; i < index.block; ++i) to[i] = combine(how, to[i], from[i]);
    }
  });
  return status;
}

// SCATTER_ND(indices, updates, shape): equal places add up, on zeros.
Status from_tflite(ImportContext& node) {
  if (!node.has(1)) return fail(Code::kInvalid, "input 1 is required");
  const DataType type = node.value(node.in(1)).type;
  TRY_VALUE(const ValueId zeros, node.emit("Expand", {constant_scalar(node, type, 0), node.in(2)}));
  return node.finish("ScatterND", {zeros, node.in(0), node.in(1)}, {{"reduction", "add"}});
}

std::vector<Sample> samples() {
  return {
      {"elements", {{.shape = {8}}, {DataType::kI64, {4, 1}, {4, 3, -7, 7}}, {.shape = {4}}}},
      {"blocks", {{.shape = {4, 2, 3}}, {DataType::kI64, {2, 1}, {0, 2}}, {.shape = {2, 2, 3}}}},
      {"add",
       {{DataType::kI64, {3, 3}, {}, false, -9, 9},
        {DataType::kI32, {3, 2}, {0, 0, 0, 0, 2, 1}},
        {DataType::kI64, {3}, {5, 6, 7}}},
       {{"reduction", "add"}},
       {},
       Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"ScatterND"}};
constexpr TfliteRule kTflite[] = {{"SCATTER_ND", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ScatterND",
    .min_inputs = 3,
    .max_inputs = 3,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
    .in_place = 0b1,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::scatter_nd
