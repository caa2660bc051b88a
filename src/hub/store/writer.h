// The one writer of a database: what many ask for at once is committed together, since each commit
// waits for the disk.
//
//   const Status done = writer.write([&](Database& database) { return database.run(...); });
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "hub/store/database.h"

namespace polder::hub {

// Returns the first error that the database gives it; kUnavailable is the database's alone.
using Work = std::function<Status(Database&)>;

// Thread-safe.
class Writer {
 public:
  explicit Writer(std::unique_ptr<Database> database);
  ~Writer();  // when all that was asked for is done
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Returns when the work is durable, or undone. It may be done more than once, the last time for
  // good. Errors: those of the work, which undo it alone; those of a commit, which undo all of a
  // group; kIo where the server went at its end and did not come back, and nobody knows.
  Status write(Work work);
  // The same, without waiting; `done` is called by the writer's thread, and may not block.
  void write_later(Work work, std::function<void(Status)> done);

  struct Figures {
    std::uint64_t writes = 0, groups = 0;
  };
  Figures figures() const;

 private:
  struct Task {
    Work work;
    std::function<void(Status)> done;
    Status result;
  };

  void serve();
  void commit(std::vector<Task>& group);

  std::unique_ptr<Database> database_;  // of the thread alone
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> waiting_;
  Figures figures_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace polder::hub
