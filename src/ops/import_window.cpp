#include "ops/import_window.h"

#include <utility>

namespace polder::ops {

Result<Attrs> window_from_onnx(const ImportContext& node) {
  static constexpr std::pair<std::string_view, std::string_view> kAutoPads[] = {
      {"NOTSET", "notset"},
      {"SAME_UPPER", "same_upper"},
      {"SAME_LOWER", "same_lower"},
      {"VALID", "valid"}};
  Attrs attrs;
  const std::string auto_pad = node.attrs.text("auto_pad", "NOTSET");
  for (const auto& [theirs, ours] : kAutoPads) {
    if (theirs == auto_pad) attrs.set("auto_pad", std::string(ours));
  }
  if (!attrs.has("auto_pad")) return fail(Code::kInvalid, "auto_pad '{}' is unknown", auto_pad);
  for (const std::string_view name : {"strides", "dilations", "pads"}) {
    if (name == "pads" && auto_pad != "NOTSET") continue;
    if (const AttrValue* value = node.attrs.find(name)) attrs.set(name, *value);
  }
  return attrs;
}

Status check_kernel_shape(const ImportContext& node, ValueId weights) {
  if (!node.attrs.has("kernel_shape")) return {};
  const std::vector<std::int64_t> shape = node.attrs.integers("kernel_shape");
  const Dims& w = node.value(weights).dims;
  bool same = int(shape.size()) == w.rank() - 2;
  for (int axis = 1; same && axis < w.rank() - 1; ++axis) {
    same = !w[axis].known() || w[axis].bound == shape[std::size_t(axis - 1)];
  }
  if (same) return {};
  return fail(Code::kInvalid, "kernel_shape [{}] does not fit weights {}", fmt::join(shape, ","),
              w.text());
}

Result<Attrs> window_from_tflite(const ImportContext& node) {
  const std::string padding = node.attrs.text("padding", "SAME");
  if (padding != "SAME" && padding != "VALID") {
    return fail(Code::kInvalid, "padding '{}'; SAME or VALID expected", padding);
  }
  std::vector<std::int64_t> strides, dilations;
  for (const char axis : {'d', 'h', 'w'}) {
    if (axis == 'd' && !node.attrs.has("stride_d")) continue;
    strides.push_back(node.attrs.integer(fmt::format("stride_{}", axis), 1));
    dilations.push_back(node.attrs.integer(fmt::format("dilation_{}_factor", axis), 1));
  }
  return Attrs{{"auto_pad", padding == "SAME" ? "same_upper" : "valid"},
               {"strides", std::move(strides)},
               {"dilations", std::move(dilations)}};
}

}  // namespace polder::ops
