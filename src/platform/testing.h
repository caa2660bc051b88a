// For tests: a machine that has no more threads or memory to give.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <memory>

namespace polder {

// While it lives, new threads ask for a stack that no address space holds. What it was before comes
// back with its end. For tests with one of them at a time.
class NoNewThreads {
 public:
  NoNewThreads() {
    ::pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    ::pthread_getattr_default_np(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t(1) << 47);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  NoNewThreads(const NoNewThreads&) = delete;
  NoNewThreads& operator=(const NoNewThreads&) = delete;
  ~NoNewThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

// Fails as `new` does when memory runs out. libstdc++'s own function: code without exceptions may
// not throw, and sanitizers end the process where a `new` fails.
inline int take_all_memory() { std::__throw_bad_alloc(); }

}  // namespace polder
