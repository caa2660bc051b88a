// A child that a kill does not end, for the kernel holds it: it waits for a file system (of ours,
// FUSE) that has taken its question and never answers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "platform/child.h"
#include "platform/clock.h"
#include "platform/descriptor.h"

namespace polder {
namespace {

// Exit statuses of the process that tries it.
enum Outcome : int {
  kFine,
  kCannotTry = 77,
  kNotStarted = 1,
  kNotHeld,
  kWaitedTooLong,
  kNotReaped
};

// The next question of the kernel; nothing within five seconds: 0.
std::uint32_t take_question(int fuse, fuse_in_header& head) {
  std::array<char, 1 << 17> buffer;
  pollfd at{fuse, POLLIN, 0};
  if (::poll(&at, 1, 5'000) != 1 || ::read(fuse, buffer.data(), buffer.size()) < 0) return 0;
  std::copy_n(buffer.data(), sizeof head, reinterpret_cast<char*>(&head));
  return head.opcode;
}

bool begin(int fuse) {
  fuse_in_header asked{};
  if (take_question(fuse, asked) != FUSE_INIT) return false;
  struct {
    fuse_out_header head;
    fuse_init_out body;
  } answer{};
  answer.head = {sizeof answer, 0, asked.unique};
  answer.body.major = FUSE_KERNEL_VERSION;
  answer.body.minor = FUSE_KERNEL_MINOR_VERSION;
  answer.body.max_write = 4096;
  return ::write(fuse, &answer, sizeof answer) == sizeof answer;
}

// Ended or not, reaped by nobody yet.
bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

Outcome try_it(const std::string& folder) {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return kCannotTry;
  Descriptor fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  const std::string options =
      "fd=" + std::to_string(fuse.get()) + ",rootmode=40000,user_id=0,group_id=0";
  if (fuse.get() < 0 || ::mount("held", folder.c_str(), "fuse", 0, options.c_str()) != 0 ||
      !begin(fuse.get()))
    return kCannotTry;
  SystemProcesses processes;
  auto child = processes.start({.command = {"/bin/cat", folder + "/file"}});
  fuse_in_header asked{};
  if (!child.ok() || take_question(fuse.get(), asked) != FUSE_LOOKUP) return kNotStarted;
  (*child)->kill();
  const auto ended = (*child)->wait(200);
  if (!ended.ok() || *ended) return kNotHeld;
  const std::int64_t begin_ns = monotonic_ns();
  child->reset();
  if (monotonic_ns() - begin_ns > 5'000'000'000) return kWaitedTooLong;
  if (!has_children()) return kNotHeld;
  // The file system goes; so does who waited for it, and the next start reaps it.
  fuse = Descriptor(-1);
  for (int tries = 0; tries < 100; ++tries) {
    ::usleep(50'000);
    if (!processes.start({.command = {"/bin/true"}}).ok()) return kNotStarted;
    if (!has_children()) return kFine;
  }
  return kNotReaped;
}

TEST(HeldChild, IsLeftAndReapedLater) {
  std::string folder = testing::TempDir() + "polder-held-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(try_it(folder));
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ::rmdir(folder.c_str());
  if (WIFEXITED(status) && WEXITSTATUS(status) == kCannotTry)
    GTEST_SKIP() << "this user may mount no file system of its own";
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kFine);
}

}  // namespace
}  // namespace polder
