// Replaces malloc by one that counts, in the program of the one test file that includes this.
// Sanitizers have an allocator of their own: POLDER_SANITIZED is defined, and nothing is counted.
#pragma once

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POLDER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POLDER_SANITIZED 1
#endif
#endif

namespace {
std::atomic<long> g_allocations{0};
}

#ifndef POLDER_SANITIZED
// The C library's own allocator, under the names by which it can be reached from a replacement.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t size) {
  ++g_allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++g_allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  ++g_allocations;
  return __libc_realloc(old, size);
}
}
#endif
