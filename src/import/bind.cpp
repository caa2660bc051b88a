#include "import/bind.h"

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "ops/types.h"

namespace polder {
namespace {

bool fits(const Shape& shape, const Dims& dims) {
  if (shape.rank() != dims.rank()) return false;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (dims[axis].known() ? dims[axis].bound != shape[axis] : dims[axis].bound < shape[axis]) {
      return false;
    }
  }
  return true;
}

// Whether `from` fits To: integers, and what becomes one, stay what they are; finite reals stay
// finite, rounded.
template <class To, class From>
bool convert(From from, To& to) {
  if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
    if (std::isfinite(from) && std::abs(double(from)) > double(std::numeric_limits<To>::max()))
      return false;
    to = To(from);
    return true;
  } else if constexpr (std::is_floating_point_v<To>) {
    to = To(from);
    // Rounded up to what From no longer holds.
    return double(to) < std::ldexp(1.0, std::numeric_limits<From>::digits) && From(to) == from;
  } else if constexpr (std::is_floating_point_v<From>) {
    // Above 2^53 a double no longer tells integers apart.
    if (!(std::abs(double(from)) <= 9007199254740992.0)) return false;
    const auto wide = std::int64_t(from);
    to = To(wide);
    return From(wide) == from && std::in_range<To>(wide);
  } else {
    to = To(from);
    return std::in_range<To>(from);
  }
}

Result<Bytes> convert_elements(const OwnedTensor& given, DataType type) {
  const std::size_t count = std::size_t(given.shape.elements());
  std::span<std::byte> out;
  Bytes data = Bytes::allocate(count * size_of(type), &out);
  if (!data) return fail(Code::kExhausted, "no memory for {} elements", count);
  std::size_t wrong = count;
  const bool known = ops::dispatch(given.type, [&]<class From>() {
    const bool inner = ops::dispatch(type, [&]<class To>() {
      const From* from = reinterpret_cast<const From*>(given.data.view.data());
      To* to = reinterpret_cast<To*>(out.data());
      for (std::size_t i = 0; i < count && wrong == count; ++i) {
        if (!convert(from[i], to[i]) ||
            (type == DataType::kBool && to[i] != To(0) && to[i] != To(1)))
          wrong = i;
      }
    });
    if (!inner) wrong = 0;
  });
  if (!known || wrong < count) {
    return fail(Code::kInvalid, "element {} of the {} given does not fit {}", wrong,
                type_name(given.type), type_name(type));
  }
  return data;
}

}  // namespace

Result<OwnedTensor> fit_binding(const OwnedTensor& given, DataType type, const Dims& dims) {
  if (given.data.view.size() != std::size_t(given.shape.elements()) * size_of(given.type)) {
    return fail(Code::kInvalid, "the value bound holds {} bytes for {} {}", given.data.view.size(),
                type_name(given.type), given.shape.text());
  }
  OwnedTensor out = given;
  if (given.shape.elements() == 1 && given.shape.rank() <= 1) {
    if (dims.rank() == 0) out.shape = Shape{};
    if (dims.rank() == 1) out.shape = Shape{1};
  }
  if (!fits(out.shape, dims)) {
    return fail(Code::kInvalid, "a value of shape {} given for {}", given.shape.text(),
                dims.text());
  }
  if (given.type != type) {
    TRY_VALUE(out.data, convert_elements(given, type));
    out.type = type;
  }
  return out;
}

}  // namespace polder
