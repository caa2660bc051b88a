// POLDER_CHECK: for our own bugs only. Bad input is a Result, never a check.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace polder {
[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "polder: internal error: %s is false (%s:%d)\n", condition, file, line);
  std::abort();
}
}  // namespace polder

#define POLDER_CHECK(condition) \
  ((condition) ? (void)0 : ::polder::check_failed(#condition, __FILE__, __LINE__))
