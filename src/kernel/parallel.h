// How a kernel's caller spreads fixed work over threads, without knowing the pool.
#pragma once

namespace polder {

class Parallel {
 public:
  virtual ~Parallel() = default;
  // Threads that take part, at least 1.
  virtual int width() const = 0;
  // Calls task(context, i) once for each i in [0, count), on any of the threads; returns when all
  // are done. What task i computes never depends on width(), so results are the same for any.
  virtual void run(int count, void (*task)(void* context, int i), void* context) = 0;

  template <class F>
  void for_each(int count, F&& f) {
    run(
        count, [](void* context, int i) { (*static_cast<F*>(context))(i); }, &f);
  }
};

// Runs everything on the calling thread.
class Serial final : public Parallel {
 public:
  int width() const override { return 1; }
  void run(int count, void (*task)(void*, int), void* context) override {
    for (int i = 0; i < count; ++i) task(context, i);
  }
};

}  // namespace polder
