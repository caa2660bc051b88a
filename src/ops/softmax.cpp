// Softmax: e^x / sum(e^x) along attribute "axis"; "beta" multiplies x first.
#include "ops/softmax.h"

namespace polder::ops::softmax {
namespace {

Status from_onnx(ImportContext& node) { return softmax_from_onnx(node, "Softmax"); }
constexpr OnnxRule kOnnx[] = {{"Softmax", from_onnx}};
constexpr TfliteRule kTflite[] = {{"SOFTMAX"}};

}  // namespace

extern const OpDef def = {
    .name = "Softmax",
    .parse = parser<SoftmaxParams, parse_softmax>,
    .params_bytes = sizeof(SoftmaxParams),
    .infer = infer_softmax,
    .reference = reference_softmax<false>,
    .choose = choose_softmax<false>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = softmax_samples, .commute = Commute::kAxis};

}  // namespace polder::ops::softmax
