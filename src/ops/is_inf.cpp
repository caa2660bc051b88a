// IsInf: whether a number is infinite; attributes leave out one of the two infinities.
#include "ops/tools.h"
#include "ops/unary.h"

namespace polder::ops::is_inf {
namespace {

struct Params {
  bool positive, negative;
};

void parse(AttrReader& attrs, Params& p) {
  p.positive = attrs.flag("detect_positive", true);
  p.negative = attrs.flag("detect_negative", true);
}

Status infer(InferContext& context) {
  TRY(context.expect_type(0, kFloats));
  context.output(0, DataType::kBool, context.dims(0));
  return {};
}

Status reference(const RunContext& run) {
  const Params& p = run.as<Params>();
  const std::int64_t count = run.out(0).shape.elements();
  dispatch(run.in(0).type, [&]<class T>() {
    const T* in = run.in(0).as<T>();
    for (std::int64_t i = 0; i < count; ++i) {
      const bool counts = in[i] > T(0) ? p.positive : p.negative;
      run.out(0).as<bool>()[i] = std::isinf(double(in[i])) && counts;
    }
  });
  return {};
}

std::vector<Sample> samples() {
  const SampleInput x = {.shape = {4}, .values = {INFINITY, -INFINITY, 1, NAN}};
  return {{"both", {x}}, {"negative", {x}, {{"detect_positive", std::int64_t(0)}}}};
}

constexpr OnnxRule kOnnx[] = {{"IsInf"}};

}  // namespace

extern const OpDef def = {
    .name = "IsInf",
    .parse = parser<Params, parse>,
    .params_bytes = sizeof(Params),
    .infer = infer,
    .reference = reference,
};
extern const OpTools tools = {.onnx = kOnnx, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::is_inf
