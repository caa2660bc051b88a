// Threads whose start may fail: where the system gives no more of them, that is an error.
#pragma once

#include <polder/error.h>
#include <pthread.h>

#include <vector>

namespace polder {

// Some threads that run one function; joined by the destructor at the latest. Not thread-safe.
class ThreadGroup {
 public:
  ThreadGroup() = default;
  ThreadGroup(const ThreadGroup&) = delete;
  ThreadGroup& operator=(const ThreadGroup&) = delete;
  ~ThreadGroup() { join(); }

  // Starts `count` threads beside the calling one, each of which runs body(context). Errors:
  // kExhausted. Those that were started before the error are running: tell them to end, then join.
  Status start(int count, void (*body)(void* context), void* context);
  // Waits until every thread has returned from the function.
  void join();
  int size() const { return int(threads_.size()); }

 private:
  // Each thread reads it once, when it starts.
  struct Work {
    void (*body)(void*) = nullptr;
    void* context = nullptr;
  };
  static void* enter(void* work);

  Work work_;
  std::vector<pthread_t> threads_;
};

}  // namespace polder
