// What a service says to whoever started it (systemd's sd_notify protocol): that it is ready, and
// now and then that it lives.
#pragma once

#include <string_view>

namespace polder {

// "READY=1", "WATCHDOG=1". Where nobody listens ($NOTIFY_SOCKET is not set) nothing happens; what
// cannot be said is lost.
void tell_service_manager(std::string_view message);

}  // namespace polder
