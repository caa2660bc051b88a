// What is not a number, for element types that have such a thing and those that have not.
#pragma once

#include <cmath>
#include <type_traits>

namespace polder::ops {

// False for integers.
template <class T>
bool not_a_number(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  else return false;
}

}  // namespace polder::ops
