// What import rules of several operators share.
#pragma once

#include <vector>

#include "ops/tools.h"

namespace polder::ops {

// A constant scalar of any numeric type with a C++ type.
ValueId constant_scalar(ImportContext& node, DataType type, double x);
// The elements of input `i`, which must be constant; an error that names it otherwise.
Result<std::vector<double>> constant_reals(const ImportContext& node, int i);
// The only element of constant input `i`.
Result<double> constant_real(const ImportContext& node, int i);
Result<std::int64_t> constant_int(const ImportContext& node, int i);

// Finishes with `op` over all inputs, two at a time from the left; one input is passed through.
Status finish_chain(ImportContext& node, std::string_view op);

// Finishes with `op` of two inputs. Before opset 7 the second was broadcast only by attributes
// "broadcast" and "axis", the axis of the first at which its own begin.
Status finish_binary(ImportContext& node, std::string_view op);

// Sets attribute "axes" from constant input `i` where the node has it (newer operator sets), and
// keeps the attribute of the older ones.
Status axes_from_input(ImportContext& node, int i);

// 0, 1, ... : what no axes mean, so that passes find them named.
std::vector<std::int64_t> first_axes(std::size_t count);

// Axis attribute made non-negative by the rank of input 0.
Result<std::int64_t> front_axis(const ImportContext& node, std::int64_t axis);

// ONNX's TensorProto.DataType and TFLite's TensorType as ours; an error for what we do not hold.
Result<DataType> onnx_type(std::int64_t number);
Result<DataType> tflite_type(std::string_view name);

// Finishes output `i` with `v`, cast to `type`.
Status finish_cast(ImportContext& node, ValueId v, DataType type, int i = 0);

}  // namespace polder::ops
