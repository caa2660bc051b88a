// Size: how many elements its input has, as an i64 scalar.
#include "ops/axes.h"
#include "ops/tools.h"

namespace polder::ops::size {
namespace {

Status infer(InferContext& context) {
  context.output(0, DataType::kI64, {});
  IntList list;
  list.push_back(product_dim(context, context.dims(0), 0, context.rank(0)));
  context.output_ints(0, list);
  return {};
}

Status reference(const RunContext& run) {
  *run.out(0).as<std::int64_t>() = run.in(0).shape.elements();
  return {};
}

std::vector<Sample> samples() { return {{"f32", {{.shape = {2, 3, 5}}}, {}, {Shape{}}}}; }

constexpr OnnxRule kOnnx[] = {{"Size"}};

}  // namespace

extern const OpDef def = {
    .name = "Size",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples};

}  // namespace polder::ops::size
