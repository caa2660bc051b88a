// What publishes: what two people have agreed on, what rollouts want devices to run, and metadata
// before they expire. In a thread of its own, so that nothing waits for somebody to ask.
//
//   Publisher publisher({repository, uploads, writer, readers, recorder, wall, log});
//   TRY(publisher.begin());      // what was cut off is ended
//   publisher.start();
//   publisher.wake();            // something may be due
#pragma once

#include <polder/error.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hub/record.h"
#include "hub/repository/online_repository.h"
#include "hub/repository/uploads.h"
#include "hub/store/readers.h"
#include "hub/store/writer.h"
#include "platform/clock.h"

namespace polder::hub {

// Thread-safe.
class Publisher {
 public:
  // All of it is borrowed.
  struct Parts {
    OnlineRepository& repository;
    Uploads& uploads;
    Writer& writer;
    Readers& readers;
    Recorder& recorder;
    const WallClock& wall;
    std::function<void(std::string)> log;
  };
  explicit Publisher(Parts parts) : parts_(std::move(parts)) {}
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Once, before anybody asks: removes what waits and was never put on record, and notes releases
  // that the repository has and the database does not know. Errors: the repository's, the
  // database's.
  Status begin();
  // From now on by itself.
  void start();
  void wake();

  // Held by who decides: one publication is held to what is published, and out, before the next.
  std::unique_lock<std::mutex> decide() { return std::unique_lock(deciding_, std::try_to_lock); }
  // Publishes what is approved. Again: nothing happens. Errors: those of OnlineRepository, of the
  // database.
  Status finish(const std::string& publication);
  // All that is due now; what goes wrong is logged, and tried again later.
  void tend();

 private:
  void serve();
  Status write(Work work);
  Status finish_all();
  Status assign();
  Status raise();
  // Of devices whose rows were changed up to `until`.
  Result<std::vector<trust::Assignment>> wanted(std::int64_t since, std::int64_t until);
  Status note_assigned(std::size_t devices, std::int64_t until);
  void tidy();

  const Parts parts_;
  std::mutex deciding_, finishing_;
  std::mutex tending_;
  std::int64_t assigned_s_ = 0, tidied_s_ = 0;  // when that was done last
  std::set<std::string> unknown_;               // releases that are wanted and not there, as logged
  std::int64_t told_version_ = 0;               // that a device has and this repository never had
  std::mutex mutex_;                            // of what follows
  std::condition_variable wake_;
  bool has_new_ = true, ends_ = false;
  std::thread thread_;
};

}  // namespace polder::hub
