// Replaces the functions by which threads take locks and wait for each other by ones that count, in
// the program of the one test file that includes this. Under sanitizers nothing is counted.
#pragma once

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>

#include "platform/sanitized.h"

namespace {
std::atomic<long> g_locks{0};
}

#ifndef POLDER_SANITIZED
// Hands on to the C library's function. std::mutex, std::shared_mutex and std::call_once come here.
#define POLDER_COUNT_LOCK(name, Lock)                                                     \
  int name(Lock* lock) noexcept {                                                         \
    static const auto real = reinterpret_cast<int (*)(Lock*)>(::dlsym(RTLD_NEXT, #name)); \
    ++g_locks;                                                                            \
    return real(lock);                                                                    \
  }
extern "C" {
POLDER_COUNT_LOCK(pthread_mutex_lock, pthread_mutex_t)
POLDER_COUNT_LOCK(pthread_mutex_trylock, pthread_mutex_t)
POLDER_COUNT_LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
POLDER_COUNT_LOCK(pthread_rwlock_tryrdlock, pthread_rwlock_t)
POLDER_COUNT_LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
POLDER_COUNT_LOCK(pthread_rwlock_trywrlock, pthread_rwlock_t)
POLDER_COUNT_LOCK(pthread_spin_lock, pthread_spinlock_t)
}
#undef POLDER_COUNT_LOCK
#endif
