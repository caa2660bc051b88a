// ONNX's integer operators as nodes that exist already (host only). Sums of products of 8-bit
// numbers are exact in f64, and wrap around in i32 as they should.
#pragma once

#include "ops/tools.h"

namespace polder::ops {

Status import_conv_integer(ImportContext& node);
Status import_qlinear_conv(ImportContext& node);
Status import_matmul_integer(ImportContext& node);
Status import_qlinear_matmul(ImportContext& node);
Status import_dynamic_quantize(ImportContext& node);

}  // namespace polder::ops
