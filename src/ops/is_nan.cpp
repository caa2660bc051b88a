// IsNaN: whether a number is not one.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::is_nan {
namespace {

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kFloats));
  context.output(0, DataType::kBool, context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.in(0).type, [&]<class T>() {
    const T* in = run.in(0).as<T>();
    for (std::int64_t i = 0; i < count; ++i) run.out(0).as<bool>()[i] = in[i] != in[i];
  });
  return {};
}

std::vector<Sample> samples() { return {{"some", {{.shape = {4}, .values = {0, NAN, 1, -NAN}}}}}; }

constexpr OnnxRule kOnnx[] = {{"IsNaN"}};

}  // namespace

extern const OpDef def = {
    .name = "IsNaN",
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::is_nan
