// fail(): makes an Error with a formatted message. TRY / TRY_VALUE: hand an error to the caller.
#pragma once

#include <fmt/format.h>
#include <polder/error.h>

#include <utility>

namespace polder {

template <class... Args>
[[nodiscard]] Error fail(Code code, fmt::format_string<Args...> text, Args&&... args) {
  return Error{code, fmt::format(text, std::forward<Args>(args)...)};
}

}  // namespace polder

#define POLDER_JOIN2(a, b) a##b
#define POLDER_JOIN(a, b) POLDER_JOIN2(a, b)

// TRY(status_expression): returns the error, if there is one, from the enclosing function.
#define TRY(expression)                                                                         \
  do {                                                                                          \
    if (auto try_status = (expression); !try_status.ok()) return std::move(try_status).error(); \
  } while (false)

// TRY_VALUE(auto name, result_expression): declares `name` with the value, or returns the error.
#define TRY_VALUE(declaration, expression) \
  TRY_VALUE_(declaration, expression, POLDER_JOIN(try_result_, __LINE__))
#define TRY_VALUE_(declaration, expression, temporary)      \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  declaration = std::move(temporary).value()
