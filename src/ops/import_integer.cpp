#include "ops/import_integer.h"

#include "ops/import_window.h"

namespace polder::ops {

namespace {

Result<ValueId> cast(ImportContext& node, ValueId v, std::string_view type) {
  return node.emit("Cast", {v}, {{"to", std::string(type)}});
}

// x - zero point, both as `type`. One zero point for each place of `axis` is spread along it.
Result<ValueId> centred(ImportContext& node, ValueId x, ValueId zero, int axis,
                        std::string_view type) {
  TRY_VALUE(const ValueId wide, cast(node, x, type));
  if (zero == kNoValue) return wide;
  const Dims dims = node.value(zero).dims;
  if (dims.rank() == 1 && !dims[0].is(1)) {
    std::vector<std::int64_t> shape(std::size_t(node.value(x).dims.rank()), 1);
    if (axis < int(shape.size())) shape[std::size_t(axis)] = -1;
    TRY_VALUE(zero, node.emit("Reshape", {zero, node.ints(shape)}));
  }
  TRY_VALUE(const ValueId offset, cast(node, zero, type));
  return node.emit("Sub", {wide, offset});
}

// Convolution of centred inputs in f64, channel-last. `bias` is i32 or absent.
Result<ValueId> convolve(ImportContext& node, ValueId x, ValueId w, ValueId bias) {
  TRY_VALUE(const ValueId x_last, node.to_channels_last(x));
  TRY_VALUE(const ValueId w_last, node.to_channels_last(w));
  TRY(check_kernel_shape(node, w_last));
  TRY_VALUE(Attrs attrs, window_from_onnx(node));
  attrs.set("groups", node.attrs.integer("group", 1));
  if (bias != kNoValue) {
    TRY_VALUE(bias, cast(node, bias, "f64"));
  }
  return node.emit("Conv", {x_last, w_last, bias}, std::move(attrs));
}

// sum (f32) * a_scale * b_scale, quantised: output 0, or its channel-last form.
Result<ValueId> requantised(ImportContext& node, ValueId sum, ValueId a_scale, ValueId b_scale,
                            ValueId y_scale, ValueId y_zero) {
  TRY_VALUE(const ValueId scale, node.emit("Mul", {a_scale, b_scale}));
  TRY_VALUE(const ValueId real, node.emit("Mul", {sum, scale}));
  return node.emit("Quantize", {real, y_scale, y_zero});
}

Status need(const ImportContext& node, int count) {
  for (int i = 0; i < count; ++i) {
    if (!node.has(i)) return fail(Code::kInvalid, "input {} is required and absent", i);
  }
  return {};
}

// A matrix product of centred inputs in i32.
Result<ValueId> multiply(ImportContext& node, int a, int a_zero, int b, int b_zero) {
  const int b_rank = node.rank(b);
  TRY_VALUE(const ValueId left,
            centred(node, node.in(a), node.in(a_zero), std::max(node.rank(a) - 2, 0), "i32"));
  TRY_VALUE(const ValueId right,
            centred(node, node.in(b), node.in(b_zero), std::max(b_rank - 1, 0), "i32"));
  return node.emit("MatMul", {left, right});
}

}  // namespace

Status import_conv_integer(ImportContext& node) {
  TRY(need(node, 2));
  TRY_VALUE(const ValueId x, centred(node, node.in(0), node.in(2), 1, "f64"));
  TRY_VALUE(const ValueId w, centred(node, node.in(1), node.in(3), 0, "f64"));
  TRY_VALUE(const ValueId sum, convolve(node, x, w, kNoValue));
  TRY_VALUE(const ValueId y, cast(node, sum, "i32"));
  return node.finish_channels_first(y);
}

// QLinearConv(x, scale, zero, w, scale, zero, y scale, zero, bias)
Status import_qlinear_conv(ImportContext& node) {
  TRY(need(node, 8));
  TRY_VALUE(const ValueId x, centred(node, node.in(0), node.in(2), 1, "f64"));
  TRY_VALUE(const ValueId w, centred(node, node.in(3), node.in(5), 0, "f64"));
  TRY_VALUE(const ValueId sum, convolve(node, x, w, node.in(8)));
  TRY_VALUE(const ValueId real, cast(node, sum, "f32"));
  TRY_VALUE(const ValueId y,
            requantised(node, real, node.in(1), node.in(4), node.in(6), node.in(7)));
  return node.finish_channels_first(y);
}

Status import_matmul_integer(ImportContext& node) {
  TRY(need(node, 2));
  TRY_VALUE(const ValueId sum, multiply(node, 0, 2, 1, 3));
  return node.finish("Identity", {sum});
}

// QLinearMatMul(a, scale, zero, b, scale, zero, y scale, zero)
Status import_qlinear_matmul(ImportContext& node) {
  TRY(need(node, 8));
  TRY_VALUE(const ValueId sum, multiply(node, 0, 2, 3, 5));
  TRY_VALUE(const ValueId real, cast(node, sum, "f32"));
  TRY_VALUE(const ValueId y,
            requantised(node, real, node.in(1), node.in(4), node.in(6), node.in(7)));
  return node.finish("Identity", {y});
}

// y = quantised x, its scale and its zero point, such that 0 and all of x are in range.
Status import_dynamic_quantize(ImportContext& node) {
  TRY(need(node, 1));
  const Attrs scalar = {{"keepdims", std::int64_t(0)}};
  const ValueId zero = node.scalar_f32(0), levels = node.scalar_f32(255);
  TRY_VALUE(const ValueId highest, node.emit("ReduceMax", {node.in(0)}, scalar));
  TRY_VALUE(const ValueId lowest, node.emit("ReduceMin", {node.in(0)}, scalar));
  TRY_VALUE(const ValueId high, node.emit("Max", {highest, zero}));
  TRY_VALUE(const ValueId low, node.emit("Min", {lowest, zero}));
  TRY_VALUE(const ValueId span, node.emit("Sub", {high, low}));
  TRY_VALUE(const ValueId scale, node.emit("Div", {span, levels}));
  TRY_VALUE(const ValueId steps, node.emit("Div", {low, scale}));
  TRY_VALUE(const ValueId offset, node.emit("Neg", {steps}));
  TRY_VALUE(const ValueId rounded, node.emit("Round", {offset}));
  TRY_VALUE(const ValueId clamped, node.emit("Clamp", {rounded}, {{"min", 0.0}, {"max", 255.0}}));
  TRY_VALUE(const ValueId zero_point, cast(node, clamped, "u8"));
  const std::vector<ValueId> outputs = node.outputs;
  const auto finish = [&](std::size_t i, std::string_view op, std::vector<ValueId> in) -> Status {
    if (i >= outputs.size() || outputs[i] == kNoValue) return {};
    return node.finish(op, std::move(in), {}, {outputs[i]});
  };
  TRY(finish(0, "Quantize", {node.in(0), scale, zero_point}));
  TRY(finish(1, "Identity", {scale}));
  return finish(2, "Identity", {zero_point});
}

}  // namespace polder::ops
