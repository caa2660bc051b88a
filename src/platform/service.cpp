#include "platform/service.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "platform/descriptor.h"

namespace polder {

void tell_service_manager(std::string_view message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (!path || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if (size >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = 0;  // a name that is in no folder
  const Descriptor to(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (to.get() < 0) return;
  ::sendto(to.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address),
           socklen_t(offsetof(sockaddr_un, sun_path) + size));
}

}  // namespace polder
