// ArgMax and ArgMin: the position of the largest or smallest element along an axis.
#pragma once

#include "ops/op.h"
#include "ops/tools.h"

namespace polder::ops {

struct ArgParams {
  std::int64_t axis;
  bool keep_dims;
  bool last;  // of equal elements the last, instead of the first
};

void parse_arg(AttrReader& attrs, ArgParams& p);
Status infer_arg(InferContext& context);
Status run_arg(const RunContext& run, bool largest);
template <bool largest>
Status reference_arg(const RunContext& run) {
  return run_arg(run, largest);
}
// TFLite: the axis is input 1, the output i32 unless it says otherwise, without the dimension.
Status arg_from_tflite(ImportContext& node, std::string_view op);
std::vector<Sample> arg_samples();

}  // namespace polder::ops
