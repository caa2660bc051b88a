// How the scattering operators join an update with what is there already.
#pragma once

#include "ops/op.h"
#include "ops/types.h"

namespace polder::ops {

enum class Combine : int { kReplace, kAdd, kMul, kMin, kMax };

inline Combine read_combine(AttrReader& attrs) {
  static constexpr std::string_view kNames[] = {"none", "add", "mul", "min", "max"};
  return Combine(attrs.choice("reduction", kNames, 0));
}

template <class T>
T combine(Combine how, T old, T update) {
  switch (how) {
    case Combine::kReplace: break;
    case Combine::kAdd:
      if constexpr (std::is_integral_v<T>) return T(std::uint64_t(old) + std::uint64_t(update));
      else return old + update;
    case Combine::kMul:
      if constexpr (std::is_integral_v<T>) return T(std::uint64_t(old) * std::uint64_t(update));
      else return old * update;
    case Combine::kMin: return update < old ? update : old;
    case Combine::kMax: return old < update ? update : old;
  }
  return update;
}

// Calls f with the type to compute in, or with one of the element's size when nothing is computed.
// False for 16-bit floats that would have to be computed with.
template <class F>
bool dispatch_combine(Combine how, DataType type, F&& f) {
  return how == Combine::kReplace ? dispatch_size(type, f) : dispatch(type, f);
}

inline Status expect_combinable(const InferContext& context, Combine how) {
  const DataType type = context.type(0);
  if (how == Combine::kReplace || (type != DataType::kF16 && type != DataType::kBF16)) return {};
  return fail(Code::kUnsupported, "attribute 'reduction' of {}", type_name(type));
}

}  // namespace polder::ops
