#include "platform/service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

namespace polder {
namespace {

TEST(Service, IsHeardWhereSomebodyListens) {
  char folder[] = "/tmp/polder_service_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/notify";
  const int listener = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto heard = [&] {
    char text[64];
    const ssize_t size = ::recv(listener, text, sizeof text, 0);
    return std::string(text, std::size_t(std::max<ssize_t>(size, 0)));
  };
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  tell_service_manager("READY=1");
  EXPECT_EQ(heard(), "READY=1");
  for (const char* nobody : {"", "relative", "/tmp/polder_service_nobody"}) {
    ::setenv("NOTIFY_SOCKET", nobody, 1);
    tell_service_manager("READY=1");
  }
  ::setenv("NOTIFY_SOCKET", ("/" + std::string(200, 'x')).c_str(), 1);
  tell_service_manager("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  tell_service_manager("READY=1");
  EXPECT_EQ(heard(), "");
  ::close(listener);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace polder
