#include "hub/store/writer.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "base/fail.h"
#include "hub/tokens.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxGroup = 1000;
constexpr int kMaxTries = 5;  // where others write too
constexpr std::chrono::milliseconds kAgainAfter{50};

}  // namespace

Writer::Writer(std::unique_ptr<Database> database)
    : database_(std::move(database)), thread_([this] { serve(); }) {}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Status Writer::write(Work work) {
  // The promise is the callback's too: who waits may go on while it is still being kept.
  const auto done = std::make_shared<std::promise<Status>>();
  std::future<Status> result = done->get_future();
  write_later(std::move(work), [done](Status status) { done->set_value(std::move(status)); });
  return result.get();
}

void Writer::write_later(Work work, std::function<void(Status)> done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({.work = std::move(work), .done = std::move(done), .result = {}});
  }
  wake_.notify_one();
}

Writer::Figures Writer::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

// A COMMIT may be done though its answer is lost with the connection. So each group leaves its name
// where it does all else, and who tries again looks first whether that is there.
void Writer::commit(std::vector<Task>& group) {
  Status all;
  bool is_unknown = false;  // whether it is done
  auto name = random_name();
  for (int i = 0; i < kMaxTries; ++i) {
    if (is_unknown) std::this_thread::sleep_for(kAgainAfter * (1 << i));
    bool is_worked = false;
    all = database_->transaction([&]() -> Status {
      if (!name.ok()) return name.error();
      TRY_VALUE(const Rows last, database_->query("SELECT name FROM last_write"));
      if (!last.empty() && last[0][0].text() == *name) return {};
      is_unknown = false;
      for (Task& task : group) task.result = Status();
      for (Task& task : group) {
        task.result = database_->transaction([&] { return task.work(*database_); });
        // Of one that met another writer, or a server that went, the rest would too.
        if (!task.result.ok() && task.result.error().code == Code::kUnavailable)
          return task.result.error();
      }
      TRY(database_->run(
          "INSERT INTO last_write (place, name) VALUES (1, ?) ON CONFLICT (place) DO "
          "UPDATE SET name = excluded.name",
          {*name}));
      is_worked = true;
      return {};
    });
    if (all.ok() || all.error().code != Code::kUnavailable) break;
    is_unknown = is_unknown || is_worked;
  }
  if (all.ok()) return;
  // Who is told to ask again would have it done twice.
  if (is_unknown)
    all = fail(Code::kIo, "whether it was written is not known: {}", all.error().message);
  for (Task& task : group)
    if (task.result.ok()) task.result = all.error();
}

void Writer::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxGroup));
    std::vector<Task> group(std::make_move_iterator(waiting_.begin()),
                            std::make_move_iterator(waiting_.begin() + count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    lock.unlock();
    commit(group);
    lock.lock();
    figures_.writes += group.size();
    ++figures_.groups;
    lock.unlock();
    for (Task& task : group) task.done(std::move(task.result));
    lock.lock();
  }
}

}  // namespace polder::hub
