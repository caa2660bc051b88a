// Where running out of memory becomes an error.
#pragma once

#include <polder/error.h>

#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

namespace polder {

// Calls body(context); false when memory ran out in it. Allocates nothing itself.
bool call_within_memory(void (*body)(void* context), void* context);
// kExhausted, with "`where`: " before it unless that is empty.
Error out_of_memory(std::string_view where);

// What `make` returns, a Result, or kExhausted when memory runs out in it. The rooms without
// exceptions are left without their destructors then, and what they held stays taken: for work
// after which the caller gives up. `make` must hold no lock.
template <class F>
auto within_memory(std::string_view where, F&& make) -> decltype(make()) {
  std::optional<decltype(make())> result;
  auto body = [&] { result.emplace(make()); };
  const auto call = [](void* context) { (*static_cast<decltype(body)*>(context))(); };
  // Given back before the error is worded, which takes memory too.
  constexpr std::size_t kReserveBytes = 8192;
  std::unique_ptr<char[]> reserve(new (std::nothrow) char[kReserveBytes]);
  if (!call_within_memory(call, &body)) {
    reserve.reset();
    return out_of_memory(where);
  }
  return std::move(*result);
}

}  // namespace polder
