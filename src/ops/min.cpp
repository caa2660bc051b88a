// Min: the smaller of a and b with broadcasting; NaN if either is NaN. The format's Min of many
// inputs becomes a chain.
#include "ops/broadcast.h"
#include "ops/rules.h"
#include "ops/samples.h"

namespace polder::ops::min {
namespace {

struct Function {
  template <class T>
  static T apply(T a, T b) {
    return b < a || b != b ? b : a;
  }
};

bool min_ints(std::int64_t a, std::int64_t b, std::int64_t& out) {
  out = a < b ? a : b;
  return true;
}

Status infer(InferContext& context) {
  return infer_binary(context, kNumericAndHalf, DataType::kNone, min_ints);
}

std::vector<Sample> samples() {
  std::vector<Sample> all = arithmetic_samples();
  all.push_back({"f16", {{DataType::kF16, {3, 5}}, {DataType::kF16, {5}}}});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const SampleInput a = {.shape = {19}, .values = {nan, 1, nan}},
                    b = {.shape = {19}, .values = {1, nan, nan}};
  all.push_back({"nan", {a, b}});
  return all;
}

Status from_onnx(ImportContext& node) { return finish_chain(node, "Min"); }
constexpr OnnxRule kOnnx[] = {{"Min", from_onnx}};
Status from_tflite(ImportContext& node) { return node.finish("Min", node.inputs); }
constexpr TfliteRule kTflite[] = {{"MINIMUM", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "Min",
    .min_inputs = 2,
    .max_inputs = 2,
    .parse = parser<NoParams, no_attributes>,
    .infer = infer,
    .reference = reference_with_halves<Function>,
    .choose = choose_binary<kernel::Binary::kMin>,
    .in_place = 0b11,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = samples, .commute = Commute::kElementwise};

}  // namespace polder::ops::min
