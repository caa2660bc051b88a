// Addresses of a host, within a deadline. Inside this room.
#pragma once

#include <polder/error.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "platform/net/pace.h"

namespace polder::net {

struct Address {
  sockaddr_storage storage;
  socklen_t size;
};

// At most 8, in the order of RFC 6724. An address as text needs no network. The C library's
// resolver cannot be stopped: it runs on a thread of its own, which is left behind when the
// deadline passes; while such a thread is still at it, further names fail. Errors: kUnavailable,
// kTimeout.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Pace& pace);

}  // namespace polder::net
