// POLDER_SANITIZED is defined in a build for address or thread sanitizers, which have an allocator
// and interceptors of their own.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POLDER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POLDER_SANITIZED 1
#endif
#endif
