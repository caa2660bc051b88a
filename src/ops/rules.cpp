// What import rules of several operators share.
#include "ops/rules.h"

#include <numeric>

#include "ops/axes.h"
#include "ops/cast.h"
#include "ops/infer.h"
#include "ops/types.h"

namespace polder::ops {

ValueId constant_scalar(ImportContext& node, DataType type, double x) {
  ValueId id = kNoValue;
  dispatch(type, [&]<class T>() {
    const T value = saturate<T>(x);
    id = node.graph.add_constant(
        fmt::format("{}/scalar{}", node.node_name, node.graph.values.size()), type, Shape{},
        std::span<const T>(&value, 1));
  });
  return id;
}

Result<std::vector<double>> constant_reals(const ImportContext& node, int i) {
  if (!node.has(i)) return fail(Code::kInvalid, "input {} is required", i);
  const Value& value = node.value(node.in(i));
  std::vector<double> reals;
  const bool known =
      value.is_constant() && value.layout == Layout::kPlain && dispatch(value.type, [&]<class T>() {
        const T* data = reinterpret_cast<const T*>(value.data.view.data());
        reals.assign(data, data + value.data.view.size() / sizeof(T));
      });
  if (!known) {
    return fail(Code::kUnsupported,
                "input {} ('{}') must be known before the run; bind it when compiling (--bind "
                "{}=VALUES)",
                i, value.name, value.name);
  }
  return reals;
}

Result<double> constant_real(const ImportContext& node, int i) {
  TRY_VALUE(const std::vector<double> reals, constant_reals(node, i));
  if (reals.size() == 1) return reals[0];
  return fail(Code::kInvalid, "input {} has {} elements; 1 expected", i, reals.size());
}

Result<std::int64_t> constant_int(const ImportContext& node, int i) {
  TRY_VALUE(const std::vector<std::int64_t> ints, node.constant_ints(i));
  if (ints.size() == 1) return ints[0];
  return fail(Code::kInvalid, "input {} has {} elements; 1 expected", i, ints.size());
}

Status finish_chain(ImportContext& node, std::string_view op) {
  if (node.inputs.empty()) return fail(Code::kInvalid, "no inputs; at least 1 expected");
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has(int(i))) return fail(Code::kInvalid, "input {} is required and absent", i);
  }
  ValueId left = node.in(0);
  if (node.inputs.size() == 1) return node.finish("Identity", {left});
  for (std::size_t i = 1; i + 1 < node.inputs.size(); ++i) {
    TRY_VALUE(left, node.emit(op, {left, node.inputs[i]}));
  }
  return node.finish(op, {left, node.inputs.back()});
}

Status finish_binary(ImportContext& node, std::string_view op) {
  if (node.inputs.size() != 2 || !node.has(0) || !node.has(1)) {
    return fail(Code::kInvalid, "{} inputs; 2 expected", node.inputs.size());
  }
  if (node.version >= 7 || !node.attrs.has("axis")) return node.finish(op, node.inputs);
  TRY_VALUE(const std::int64_t axis, front_axis(node, node.attrs.integer("axis", 0)));
  std::vector<std::int64_t> behind;
  for (std::int64_t i = node.rank(1); axis + i < node.rank(0); ++i) behind.push_back(i);
  TRY_VALUE(const ValueId b, node.emit("Unsqueeze", {node.in(1)}, {{"axes", behind}}));
  return node.finish(op, {node.in(0), b});
}

Status axes_from_input(ImportContext& node, int i) {
  if (!node.has(i)) return {};
  TRY_VALUE(std::vector<std::int64_t> axes, node.constant_ints(i));
  node.attrs.set("axes", std::move(axes));
  node.inputs.resize(std::size_t(i));
  return {};
}

std::vector<std::int64_t> first_axes(std::size_t count) {
  std::vector<std::int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Result<std::int64_t> front_axis(const ImportContext& node, std::int64_t axis) {
  TRY_VALUE(const int front, normal_axis(axis, node.rank(0)));
  return std::int64_t(front);
}

Result<DataType> onnx_type(std::int64_t number) {
  constexpr DataType kTypes[] = {DataType::kNone, DataType::kF32,  DataType::kU8,   DataType::kI8,
                                 DataType::kU16,  DataType::kI16,  DataType::kI32,  DataType::kI64,
                                 DataType::kNone, DataType::kBool, DataType::kF16,  DataType::kF64,
                                 DataType::kU32,  DataType::kU64,  DataType::kNone, DataType::kNone,
                                 DataType::kBF16};
  if (number > 0 && number < std::int64_t(std::size(kTypes)) && kTypes[number] != DataType::kNone) {
    return kTypes[number];
  }
  return fail(Code::kUnsupported, "element type {} (strings, complex numbers and sub-byte types)",
              number);
}

Result<DataType> tflite_type(std::string_view name) {
  constexpr std::pair<std::string_view, DataType> kTypes[] = {
      {"FLOAT32", DataType::kF32}, {"FLOAT16", DataType::kF16}, {"BFLOAT16", DataType::kBF16},
      {"FLOAT64", DataType::kF64}, {"INT8", DataType::kI8},     {"UINT8", DataType::kU8},
      {"INT16", DataType::kI16},   {"UINT16", DataType::kU16},  {"INT32", DataType::kI32},
      {"UINT32", DataType::kU32},  {"INT64", DataType::kI64},   {"UINT64", DataType::kU64},
      {"BOOL", DataType::kBool}};
  for (const auto& [key, type] : kTypes) {
    if (key == name) return type;
  }
  return fail(Code::kUnsupported, "element type {}", name);
}

Status finish_cast(ImportContext& node, ValueId v, DataType type, int i) {
  return node.finish("Cast", {v}, {{"to", std::string(type_name(type))}},
                     {node.outputs[std::size_t(i)]});
}

}  // namespace polder::ops
