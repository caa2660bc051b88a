// ArgMax: the position of the largest element along attribute "axis"; the first of equal ones, or
// the last with "select_last_index".
#include "ops/arg_extreme.h"

namespace polder::ops::arg_max {
namespace {

Status from_tflite(ImportContext& node) { return arg_from_tflite(node, "ArgMax"); }
constexpr OnnxRule kOnnx[] = {{"ArgMax"}};
constexpr TfliteRule kTflite[] = {{"ARG_MAX", from_tflite}};

}  // namespace

extern const OpDef def = {
    .name = "ArgMax",
    .parse = parser<ArgParams, parse_arg>,
    .params_bytes = sizeof(ArgParams),
    .infer = infer_arg,
    .reference = reference_arg<true>,
};
extern const OpTools tools = {.onnx = kOnnx, .tflite = kTflite, .samples = arg_samples};

}  // namespace polder::ops::arg_max
