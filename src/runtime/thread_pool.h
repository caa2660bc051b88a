// A small pool that spins briefly for work, then parks. No mutex, no allocation in run().
#pragma once

#include <polder/error.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "kernel/parallel.h"
#include "platform/thread.h"

namespace polder {

// The thread that calls run() takes part, so width 1 starts no thread. One caller at a time.
class ThreadPool final : public Parallel {
 public:
  // `width`: at least 1. Errors: kExhausted when the system gives no more threads.
  static Result<std::unique_ptr<ThreadPool>> start(int width);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int width() const override { return workers_.size() + 1; }
  void run(int count, void (*task)(void* context, int i), void* context) override;

 private:
  // One word says which job is on, how many tasks it has and which is next, so that a thread that
  // comes late can never take a task of a job that is over.
  struct Ticket {
    std::uint64_t job : 24;
    std::uint64_t count : 20;
    std::uint64_t next : 20;
  };
  static constexpr int kMaxTasks = (1 << 20) - 1;

  ThreadPool() = default;
  bool work();  // takes tasks until none are left; false when there was none
  void serve();

  std::atomic<Ticket> ticket_{};
  std::atomic<int> left_{0};  // tasks of this job that are not finished
  std::atomic<std::uint32_t> wake_{0};
  std::atomic<int> parked_{0};
  std::atomic<bool> stop_{false};
  void (*task_)(void*, int) = nullptr;
  void* context_ = nullptr;
  ThreadGroup workers_;
};

}  // namespace polder
