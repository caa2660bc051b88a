// Whether the hub's database answers: asked once a second at most, however many want to know.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <mutex>
#include <optional>

#include "hub/hub.h"
#include "platform/clock.h"

namespace polder::hub {

// Thread-safe. Borrows both.
class Health {
 public:
  Health(const Hub& hub, Clock& clock) : hub_(hub), clock_(clock) {}
  // Errors: those of ask().
  Status check();

 private:
  const Hub& hub_;
  Clock& clock_;
  std::mutex mutex_;  // who comes while it is asked waits for that answer
  std::optional<std::int64_t> asked_us_;
  std::optional<Error> trouble_;
};

}  // namespace polder::hub
