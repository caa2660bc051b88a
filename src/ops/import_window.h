// The windows of convolutions and pools as ONNX and TFLite write them (host only).
#pragma once

#include "ops/tools.h"

namespace polder::ops {

// ONNX strides, dilations, pads and auto_pad as attributes for parse_window.
Result<Attrs> window_from_onnx(const ImportContext& node);
// ONNX kernel_shape, if given, is that of `weights` [first, kernel..., last].
Status check_kernel_shape(const ImportContext& node, ValueId weights);
// TFLite padding, stride_* and dilation_*_factor.
Result<Attrs> window_from_tflite(const ImportContext& node);

}  // namespace polder::ops
