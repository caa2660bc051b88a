// Replaces pthread_create by one that can be told to fail, in the program of the one test file that
// includes this. Not under sanitizers, which must see each thread.
#pragma once

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>

#include "platform/sanitized.h"

namespace {
int g_threads_left = 1 << 30;  // that can be started
}

#ifndef POLDER_SANITIZED
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) noexcept {
  static const auto real =
      reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (g_threads_left == 0) return EAGAIN;
  --g_threads_left;
  return real(thread, attributes, body, argument);
}
#endif
