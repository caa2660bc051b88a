// What the parts of a hub share.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "base/fail.h"
#include "hub/authority.h"
#include "hub/record.h"
#include "hub/repository/online_repository.h"
#include "hub/repository/publisher.h"
#include "hub/repository/uploads.h"
#include "hub/store/ask.h"
#include "hub/store/readers.h"
#include "hub/store/writer.h"
#include "platform/clock.h"

namespace polder::hub {

inline constexpr std::int64_t kPollS = 60;
// A device that did not come so often is not there.
inline constexpr std::int64_t kSeenLatelyPolls = 3;

// All of it is borrowed, and thread-safe.
struct Hub {
  Writer& writer;
  Readers& readers;
  Authority& authority;
  Recorder& recorder;
  OnlineRepository& repository;
  Uploads& uploads;
  Publisher& publisher;
  const WallClock& wall;
  std::function<void(std::string)> log;  // what goes wrong here
  Work also = {};                        // a part of each write, of one request (api/once.h)
  std::int64_t poll_s = kPollS;          // how often a device is to check in
};

inline Result<Rows> ask(const Hub& hub, std::string_view sql, const Values& values = {}) {
  return stored(hub.readers.query(sql, values));
}
// What may put an act on record.
inline Status write(const Hub& hub, Work work) {
  if (hub.also)
    work = [first = std::move(work), also = hub.also](Database& database) -> Status {
      TRY(first(database));
      return also(database);
    };
  Status done = hub.writer.write(std::move(work));
  if (done.ok()) hub.recorder.wake();
  return done;
}

}  // namespace polder::hub
