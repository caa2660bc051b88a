// LogSoftmax: the logarithm of e^x / sum(e^x) along attribute "axis"; "beta" multiplies x first.
#include "ops/softmax.h"

namespace polder::ops::log_softmax {
namespace {

Status from_onnx(ImportContext& node) { return softmax_from_onnx(node, "LogSoftmax"); }
constexpr OnnxRule kOnnx[] = {{"LogSoftmax", from_onnx}};
constexpr TfliteRule kTflite[] = {{"LOG_SOFTMAX"}};

}  // namespace

extern const OpDef def = {
    .name = "LogSoftmax",
    .parse = parser<SoftmaxParams, parse_softmax>,
    .params_bytes = sizeof(SoftmaxParams),
    .infer = infer_softmax,
    .reference = reference_softmax<true>,
    .choose = choose_softmax<true>,
    .in_place = 0b1,
};
extern const OpTools tools = {
    .onnx = kOnnx, .tflite = kTflite, .samples = softmax_samples, .commute = Commute::kAxis};

}  // namespace polder::ops::log_softmax
