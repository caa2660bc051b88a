// Calling a template with the element type that a tensor has at run time.
#pragma once

#include <polder/tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "graph/attrs.h"

namespace polder::ops {

// dispatch(type, f): calls f.template operator()<T>() with the C++ type of `type`; returns false
// for types without one (f16, bf16). Bool is std::uint8_t unless f wants bool itself.
template <class F>
bool dispatch(DataType type, F&& f) {
  switch (type) {
    case DataType::kF32: f.template operator()<float>(); return true;
    case DataType::kF64: f.template operator()<double>(); return true;
    case DataType::kI8: f.template operator()<std::int8_t>(); return true;
    case DataType::kBool:
    case DataType::kU8: f.template operator()<std::uint8_t>(); return true;
    case DataType::kI16: f.template operator()<std::int16_t>(); return true;
    case DataType::kU16: f.template operator()<std::uint16_t>(); return true;
    case DataType::kI32: f.template operator()<std::int32_t>(); return true;
    case DataType::kU32: f.template operator()<std::uint32_t>(); return true;
    case DataType::kI64: f.template operator()<std::int64_t>(); return true;
    case DataType::kU64: f.template operator()<std::uint64_t>(); return true;
    default: return false;
  }
}

// Calls f with an unsigned integer of the element's size: for operators that only move elements.
template <class F>
bool dispatch_size(DataType type, F&& f) {
  switch (size_of(type)) {
    case 1: f.template operator()<std::uint8_t>(); return true;
    case 2: f.template operator()<std::uint16_t>(); return true;
    case 4: f.template operator()<std::uint32_t>(); return true;
    case 8: f.template operator()<std::uint64_t>(); return true;
    default: return false;
  }
}

// Reads an attribute that names an element type as type_name() does.
inline DataType read_type(AttrReader& attrs, std::string_view name, DataType fallback) {
  constexpr int kCount = int(DataType::kBool) + 1;
  std::array<std::string_view, kCount> names;
  for (int i = 0; i < kCount; ++i) names[std::size_t(i)] = type_name(DataType(i));
  return DataType(attrs.choice(name, names, int(fallback)));
}

}  // namespace polder::ops
