#include "platform/thread.h"

#include <cstring>

#include "base/fail.h"

namespace polder {

void* ThreadGroup::enter(void* work) {
  const Work& mine = *static_cast<const Work*>(work);
  mine.body(mine.context);
  return nullptr;
}

Status ThreadGroup::start(int count, void (*body)(void* context), void* context) {
  work_ = {body, context};
  threads_.reserve(std::size_t(count));
  for (int i = 0; i < count; ++i) {
    pthread_t thread;
    if (const int number = ::pthread_create(&thread, nullptr, enter, &work_); number != 0) {
      return fail(Code::kExhausted,
                  "thread {} of {} cannot be started: {}; ask for fewer (--threads), or raise the "
                  "limits on processes and memory",
                  i + 2, count + 1, std::strerror(number));
    }
    threads_.push_back(thread);
  }
  return {};
}

void ThreadGroup::join() {
  for (const pthread_t thread : threads_) ::pthread_join(thread, nullptr);
  threads_.clear();
}

}  // namespace polder
