// GatherND: the last dimension of input 1 holds positions along the first axes of the data (behind
// "batch_dims" axes that run in step); each row fetches what lies behind these axes.
#include <cstring>

#include "ops/nd_index.h"
#include "ops/strided.h"
#include "ops/tools.h"

namespace polder::ops::gather_nd {
namespace {

struct Params {
  int batch_dims;
};

void parse(AttrReader& attrs, Params& p) {
  p.batch_dims = int(attrs.integer("batch_dims", 0, 0, kMaxRank - 1));
}

Status infer(InferContext& context) {
  TRY(context.expect_type(1, kIndexTypes));
  TRY(context.expect_rank(0, 1, kMaxRank));
  TRY(context.expect_rank(1, 1, kMaxRank));
  const Dims &data = context.dims(0), &at = context.dims(1);
  const int batch = context.params<Params>().batch_dims;
  const Dim depth = at[at.rank() - 1];
  if (!depth.known() || batch >= at.rank() || batch > data.rank() ||
      depth.bound > data.rank() - batch) {
    return fail(Code::kInvalid, "indices {} into data {} with {} batch dimensions", at.text(),
                data.text(), batch);
  }
  Dims out;
  for (int i = 0; i < at.rank() - 1; ++i) {
    if (i < batch && data[i].known() && at[i].known() && !(data[i] == at[i])) {
      return fail(Code::kInvalid, "batch dimension {} is {} and {}", i, data[i].bound, at[i].bound);
    }
    out.push_back(at[i]);
  }
  const int behind = batch + int(depth.bound);
  if (out.rank() + data.rank() - behind > kMaxRank) {
    return fail(Code::kUnsupported, "the output would have more than {} dimensions", kMaxRank);
  }
  for (int i = behind; i < data.rank(); ++i) out.push_back(data[i]);
  context.output(0, context.type(0), out);
  return {};
}

Status reference(const RunContext& run) {
  const TensorView &data = run.in(0), &at = run.in(1), &out = run.out(0);
  if (out.shape.elements() == 0) return {};
  const int batch = run.as<Params>().batch_dims;
  const std::int64_t depth = at.shape[at.shape.rank() - 1];
  const NdIndex index(data.shape.dims().subspan(std::size_t(batch)), depth);
  std::int64_t batches = 1;
  for (int i = 0; i < batch; ++i) batches *= data.shape[i];
  const std::int64_t rows = out.shape.elements() / index.block;
  const std::int64_t batch_elements = data.shape.elements() / batches;
  const std::size_t bytes = std::size_t(index.block) * size_of(data.type);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t offset = 0;
    TRY(index.offset(at, row, "GatherND", offset));
    offset += row / (rows / batches) * batch_elements;
    std::memcpy(mutable_element(out, row * index.block), element(data, offset), bytes);
  }
  return {};
}

std::vector<Sample> samples() {
  return {
      {"elements",
       {{.shape = {2, 3}}, {DataType::kI64, {3, 2}, {0, 1, 1, -1, 0, 0}}},
       {},
       {{3}},
       Known::kShapes},
      {"rows", {{.shape = {4, 5}}, {DataType::kI64, {2, 1}, {3, 0}}}, {}, {{2, 5}}},
      {"batch",
       {{.shape = {2, 3, 4}}, {DataType::kI64, {2, 1}, {1, 2}}},
       {{"batch_dims", std::int64_t(1)}},
       {{2, 4}}},
      {"whole", {{.shape = {2, 2}}, {DataType::kI64, {3, 0}}}, {}, {{3, 2, 2}}, Known::kShapes}};
}

constexpr OnnxRule kOnnx[] = {{"GatherND"}};
constexpr TfliteRule kTflite[] = {{"GATHER_ND"}};

}  // namespace

extern const OpDef def = {
    .name = "GatherND",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = samples};

}  // namespace polder::ops::gather_nd
