// A small pool that spins briefly for work, then parks.
#include "runtime/thread_pool.h"

#include "base/fail.h"

namespace polder {

namespace {
// About 50 microseconds: longer than the gap between two operators, shorter than anybody's frame.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
}  // namespace

Result<std::unique_ptr<ThreadPool>> ThreadPool::start(int width) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  const auto serve = [](void* self) { static_cast<ThreadPool*>(self)->serve(); };
  TRY(pool->workers_.start(width - 1, serve, pool.get()));
  return pool;
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  workers_.join();
}

void ThreadPool::run(int count, void (*task)(void*, int), void* context) {
  if (workers_.size() == 0 || count <= 1 || count > kMaxTasks) {
    for (int i = 0; i < count; ++i) task(context, i);
    return;
  }
  task_ = task;
  context_ = context;
  left_.store(count, std::memory_order_relaxed);
  Ticket ticket = ticket_.load(std::memory_order_relaxed);
  ticket = {
      .job = std::uint64_t(ticket.job + 1) & 0xffffff, .count = std::uint64_t(count), .next = 0};
  ticket_.store(ticket, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) wake_.notify_all();
  work();
  while (left_.load(std::memory_order_acquire) > 0) relax();
}

bool ThreadPool::work() {
  bool worked = false;
  Ticket ticket = ticket_.load(std::memory_order_acquire);
  while (ticket.next < ticket.count) {
    Ticket taken = ticket;
    ++taken.next;
    if (!ticket_.compare_exchange_weak(ticket, taken, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    // The job cannot end before this task does, so its fields stay as they are.
    task_(context_, int(ticket.next));
    worked = true;
    left_.fetch_sub(1, std::memory_order_acq_rel);
    ticket = ticket_.load(std::memory_order_acquire);
  }
  return worked;
}

void ThreadPool::serve() {
  for (;;) {
    const std::uint32_t seen = wake_.load(std::memory_order_seq_cst);
    if (stop_.load()) return;
    if (work()) continue;
    bool woken = false;
    for (int spin = 0; spin < kSpins && !woken; ++spin) {
      relax();
      woken = wake_.load(std::memory_order_relaxed) != seen;
    }
    if (woken) continue;
    parked_.fetch_add(1, std::memory_order_seq_cst);
    wake_.wait(seen, std::memory_order_seq_cst);
    parked_.fetch_sub(1, std::memory_order_seq_cst);
  }
}

}  // namespace polder
