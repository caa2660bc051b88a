// ArgMin: the position of the smallest element along attribute "axis"; the first of equal ones, or
// the last with "select_last_index".
#include "ops/arg_extreme.h"

namespace polder::ops::arg_min {
namespace {

Status from_tflite(ImportContext& node) { return arg_from_tflite(node, "ArgMin"); }
constexpr OnnxRule kOnnx[] = {{"ArgMin"}};
constexpr TfliteRule kTflite[] = {{"ARG_MIN", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ArgMin",
    .parse = parser<ArgParams, parse_arg>,
    .params_bytes = sizeof(ArgParams),
    .infer = infer_arg,
    .reference = reference_arg<false>,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = arg_samples};

}  // namespace polder::ops::arg_min
