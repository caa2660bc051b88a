// Real children that crash, hang, eat memory and reach for the network.
#include "platform/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "platform/child_fake.h"
#include "platform/host.h"
#include "platform/sanitized.h"

namespace polder {
namespace {

constexpr std::int64_t kLongMs = 60'000;  // longer than any of this takes

class Children : public testing::Test {
 protected:
  // Kernels without seccomp (and emulators of processes) cannot do what is tested here.
  void SetUp() override {
    auto child = processes_.start({.command = {"/bin/true"}});
    if (!child.ok() && child.error().code == Code::kUnsupported)
      GTEST_SKIP() << child.error().message;
  }
  static ChildOptions shell(const std::string& line) {
    return {.command = {"/bin/sh", "-c", line}, .environment = {"PATH=/usr/bin:/bin"}};
  }
  static ChildOptions python(const std::string& program) {
    return {.command = {"/usr/bin/python3", "-c", program}};
  }
  std::unique_ptr<ChildProcess> start(const ChildOptions& options) {
    auto child = processes_.start(options);
    EXPECT_TRUE(child.ok()) << child.error().message;
    return child.ok() ? std::move(*child) : nullptr;
  }
  ChildExit end(ChildProcess& child) {
    auto exit = child.wait(kLongMs);
    EXPECT_TRUE(exit.ok() && exit->has_value());
    return exit.ok() && *exit ? **exit : ChildExit{.status = -1};
  }
  ChildExit run(const ChildOptions& options) {
    auto child = start(options);
    return child ? end(*child) : ChildExit{.status = -1};
  }
  SystemProcesses processes_;
};

TEST_F(Children, Ends) {
  EXPECT_EQ(run(shell("exit 7")).status, 7);
  const ChildExit crash = run(shell("kill -SEGV $$"));
  EXPECT_EQ(crash.signal, SIGSEGV);
  EXPECT_GT(crash.max_resident_bytes, 0u);
  auto child = start(shell("exit 3"));
  EXPECT_EQ(end(*child).status, 3);
  EXPECT_EQ(end(*child).status, 3);  // asked again
  EXPECT_FALSE(child->send("x").ok());
}

TEST_F(Children, WhatCannotStart) {
  const auto code = [&](const ChildOptions& options) {
    auto child = processes_.start(options);
    EXPECT_FALSE(child.ok());
    return child.ok() ? Code::kCorrupt : child.error().code;
  };
  EXPECT_EQ(code({}), Code::kInvalid);
  EXPECT_EQ(code({.command = {"true"}}), Code::kInvalid);
  EXPECT_EQ(code({.command = {"/nowhere/program"}}), Code::kNotFound);
  EXPECT_EQ(code({.command = {"/etc/passwd"}}), Code::kDenied);
  EXPECT_EQ(code({.command = {"/bin/true"}, .folder = "/nowhere"}), Code::kNotFound);
  // Nothing is left of them.
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(Children, AHangIsEndedWithAllThatItStarted) {
  auto child = start(shell("sleep 1000 & sleep 1000"));
  auto nothing = child->wait(50);
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
  EXPECT_FALSE(child->receive(50)->has_value());
  child->kill();
  EXPECT_EQ(end(*child).signal, SIGKILL);
  // The grandchild is in its group: the channel that it inherited closes.
  EXPECT_EQ(child->receive(kLongMs).error().code, Code::kUnavailable);
}

TEST_F(Children, TheDestructorLeavesNoZombie) {
  start(shell("trap '' TERM INT HUP; sleep 1000"));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(Children, LimitsHold) {
  ChildOptions eater = python("x = bytearray(1 << 30)\nprint(len(x))");
  eater.memory_bytes = 256 << 20;
  EXPECT_EQ(run(eater).status, 1);  // MemoryError
  ChildOptions burner = python("while True: pass");
  burner.cpu_s = 1;
  EXPECT_EQ(run(burner).signal, SIGKILL);  // soft and hard limit are one
}

TEST_F(Children, TheSecondChannelGoesOneWayAndWaits) {
  ChildOptions writer = python(
      "import socket\n"
      "out = socket.socket(fileno=4)\n"
      "for i in range(200): out.send(b'%3d' % i + bytes(60000))");
  EXPECT_EQ(start(writer)->take_output(), nullptr);
  writer.has_output = true;
  auto child = start(writer);
  const auto output = child->take_output();
  ASSERT_NE(output, nullptr);
  EXPECT_EQ(child->take_output(), nullptr);
  // More than a socket holds: it waits.
  EXPECT_FALSE(child->wait(300)->has_value());
  for (int i = 0; i < 200; ++i) {
    const auto message = output->receive(kLongMs);
    ASSERT_TRUE(message.ok() && message->has_value()) << i;
    EXPECT_EQ(std::atoi((*message)->substr(0, 3).c_str()), i);
  }
  EXPECT_EQ(output->receive(kLongMs).error().code, Code::kUnavailable);
  EXPECT_EQ(end(*child).status, 0);
}

TEST_F(Children, NothingIsInherited) {
  ::setenv("POLDER_SECRET", "x", 1);
  const int file = ::open("/etc/passwd", O_RDONLY);
  const int open = ::fcntl(file, F_DUPFD, 20);  // without close-on-exec
  ASSERT_GE(open, 20);
  EXPECT_EQ(run(shell("test -z \"$POLDER_SECRET\"")).status, 0);
  EXPECT_EQ(run(python("import os, sys\n"
                       "fds = [f for f in range(64) if os.path.exists(f'/proc/self/fd/{f}')]\n"
                       "sys.exit(fds != [0, 1, 2, 3])"))
                .status,
            0);
  EXPECT_EQ(run(python("import os, sys; sys.exit(os.getsid(0) != os.getpid())")).status, 0);
  // An ignored or blocked signal of ours is none of the child's.
  const auto before = ::signal(SIGTERM, SIG_IGN);
  EXPECT_EQ(run(shell("kill -TERM $$; exit 0")).signal, SIGTERM);
  ::signal(SIGTERM, before);
  ::close(open);
  ::close(file);
  ::unsetenv("POLDER_SECRET");
}

TEST_F(Children, WhatTheyPrintGoesNowhere) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers print what they find";
#endif
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const int error = ::dup(STDERR_FILENO), output = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  const int status = run(shell("echo picture; echo picture >&2")).status;
  ::dup2(error, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  char said[100];
  EXPECT_EQ(::read(ends[0], said, sizeof said), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(status, 0);
  for (const int fd : {error, output, ends[0], ends[1]}) ::close(fd);
}

TEST_F(Children, Messages) {
  auto child =
      start(python("import socket\n"
                   "s = socket.socket(fileno=3)\n"
                   "while (m := s.recv(1 << 17)): s.send(m[::-1])\n"));
  for (const std::string& message : {std::string("abc"), std::string(kMaxMessageBytes, 'x')}) {
    ASSERT_TRUE(child->send(message).ok());
    auto answer = child->receive(kLongMs);
    ASSERT_TRUE(answer.ok() && answer->has_value());
    EXPECT_EQ(**answer, std::string(message.rbegin(), message.rend()));
  }
  EXPECT_EQ(child->send("").error().code, Code::kExhausted);
  EXPECT_EQ(child->send(std::string(kMaxMessageBytes + 1, 'x')).error().code, Code::kExhausted);
}

TEST_F(Children, AMessageThatIsTooLongIsRefused) {
  auto child = start(python("import socket\nsocket.socket(fileno=3).send(bytes(100_000))"));
  EXPECT_EQ(child->receive(kLongMs).error().code, Code::kExhausted);
}

TEST_F(Children, ADeafChildDoesNotBlockUs) {
  auto child = start(shell("sleep 1000"));
  Status status;
  for (int i = 0; i < 10'000 && status.ok(); ++i) status = child->send(std::string(60'000, 'x'));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kTimeout);
}

TEST_F(Children, NoNetwork) {
  const std::string try_all =
      "import socket, sys\n"
      "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, 16, 17):\n"
      "  try:\n"
      "    socket.socket(family, socket.SOCK_STREAM if family < 16 else socket.SOCK_RAW)\n"
      "    sys.exit(1)\n"
      "  except PermissionError: pass\n";
  EXPECT_EQ(run(python(try_all)).status, 0);
  // What it starts is no freer.
  ChildOptions nested = shell("/usr/bin/python3 -c \"$1\"");
  nested.command.insert(nested.command.end(), {"sh", try_all});
  EXPECT_EQ(run(nested).status, 0);
  ChildOptions free = python("import socket; socket.socket()");
  free.deny_network = false;
  EXPECT_EQ(run(free).status, 0);
}

TEST_F(Children, AnEmptyNetworkOfItsOwn) {
  auto child = start(shell("exit 0"));
  const bool own = child->has_own_network();
  EXPECT_EQ(end(*child).status, 0);
  if (!own) GTEST_SKIP() << "this process may not make network name spaces";
  // Another than ours, with the loopback device alone, which is down.
  ChildOptions options = shell(
      "test \"$(readlink /proc/self/ns/net)\" != \"$1\" &&"
      " test \"$(grep -c : /proc/net/dev)\" = 1");
  char ours[100] = {};
  ASSERT_GT(::readlink("/proc/self/ns/net", ours, sizeof ours - 1), 0);
  options.command.insert(options.command.end(), {"sh", ours});
  EXPECT_EQ(run(options).status, 0);
}

// Runs `body` in a fork of this process; its exit status, or 128 + the signal that ended it.
template <class F>
int in_fork(F body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool refused(long result) { return result == -1 && errno == EPERM; }

TEST_F(Children, AConfinedProcess) {
  const int parent = ::getpid();
  EXPECT_EQ(in_fork([&] {
              if (!confine_this_process().ok()) return 1;
              if (!refused(::socket(AF_INET, SOCK_STREAM, 0))) return 2;
              if (!refused(::socket(AF_UNIX, SOCK_STREAM, 0))) return 3;
              char* none[] = {nullptr};
              if (!refused(::execve("/bin/true", none, none))) return 4;
              if (const pid_t pid = ::fork(); !refused(pid)) return 5;
              if (const pid_t pid = ::vfork(); !refused(pid)) return pid == 0 ? (::_exit(0), 0) : 6;
              if (!refused(::kill(parent, 0)) || !refused(::kill(-1, 0))) return 7;
              if (!refused(::syscall(SYS_tgkill, parent, parent, 0))) return 8;
              if (!refused(::syscall(SYS_io_uring_setup, 1, nullptr))) return 9;
              if (!refused(::syscall(SYS_ptrace, 0, 0, 0, 0))) return 10;
              if (!refused(::syscall(SYS_unshare, 0))) return 11;
              // What work needs goes on.
              if (::kill(::getpid(), 0) != 0) return 12;
              const int file = ::open("/dev/null", O_RDONLY);
              return file < 0 ? 13 : 0;
            }),
            0);
}

TEST_F(Children, AConfinedProcessHasThreadsAndMayAbort) {
#ifdef POLDER_SANITIZED
  GTEST_SKIP() << "sanitizers do not follow threads after fork()";
#endif
  EXPECT_EQ(in_fork([] {
              if (!confine_this_process().ok()) return 1;
              pthread_t thread;
              const auto body = [](void*) -> void* { return nullptr; };
              if (::pthread_create(&thread, nullptr, body, nullptr) != 0) return 2;
              return ::pthread_join(thread, nullptr) == 0 ? 0 : 3;
            }),
            0);
  EXPECT_EQ(in_fork([] { return confine_this_process().ok() ? (std::abort(), 0) : 1; }),
            128 + SIGABRT);
}

#if defined(__x86_64__) && !defined(POLDER_SANITIZED)
// The 32-bit door: another numbering of calls, in which 359 is socket().
TEST_F(Children, CallsOfAnotherArchitectureEndTheProcess) {
  EXPECT_EQ(in_fork([] {
              if (!confine_this_process().ok()) return 1;
              long result = 359;
              asm volatile("int $0x80" : "+a"(result) : "b"(2), "c"(1), "d"(0) : "memory");
              return 2;
            }),
            128 + SIGSYS);
  EXPECT_EQ(in_fork([] {
              if (!confine_this_process().ok()) return 1;
              return ::syscall(0x4000'0000 | SYS_getpid) > 0 ? 2 : 3;
            }),
            128 + SIGSYS);
}
#endif

TEST_F(Children, TheyDieWithTheirSupervisor) {
  // A supervisor that is killed: its child's end of this pipe closes.
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(in_fork([&] {
              SystemProcesses processes;
              // The child says that it runs, on the channel; then this process dies.
              auto child =
                  processes.start(python("import socket, time\n"
                                         "socket.socket(fileno=3).send(b'%d' % 1)\n"
                                         "time.sleep(1000)"));
              if (!child.ok() || !(*child)->receive(kLongMs).ok()) return 1;
              const int pid = (*child)->pid();
              if (::write(ends[1], &pid, sizeof pid) != ssize_t(sizeof pid)) return 2;
              ::kill(::getpid(), SIGKILL);
              return 3;
            }),
            128 + SIGKILL);
  int pid = 0;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), ssize_t(sizeof pid));
  // Gone, or waiting to be collected by the machine's first process.
  bool alive = true;
  for (int i = 0; i < 6000 && alive; ++i) {
    auto text = read_kernel_text("/proc/" + std::to_string(pid) + "/stat");
    alive = text.ok() && text->find(") Z") == std::string::npos;
    if (alive) ::usleep(10'000);
  }
  EXPECT_FALSE(alive);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(OpenChannel, NoSupervisorNoChannel) {
  EXPECT_EQ(in_fork([] {
              ::close(3);
              return open_channel().ok() ? 1 : 0;
            }),
            0);
}

TEST(FakeProcesses, Script) {
  ManualClock clock;
  FakeProcesses processes(clock);
  const auto script = std::make_shared<FakeChildScript>();
  script->on_message = [](FakeChildScript& self, std::string_view message) {
    if (message == "crash") self.exit = ChildExit{.signal = SIGSEGV};
    else self.outbox.push_back("pong");
  };
  processes.on_start = [&](const ChildOptions&) {
    return Result<std::shared_ptr<FakeChildScript>>(script);
  };
  auto child = processes.start({});
  ASSERT_TRUE(child.ok());
  ASSERT_TRUE((*child)->send("ping").ok());
  EXPECT_EQ((*child)->receive(1000)->value(), "pong");
  EXPECT_EQ(clock.now_us(), 0);
  EXPECT_FALSE((*child)->receive(1000)->has_value());
  EXPECT_EQ(clock.now_us(), 1'000'000);
  ASSERT_TRUE((*child)->send("crash").ok());
  EXPECT_EQ((*(*child)->wait(0))->signal, SIGSEGV);
  EXPECT_FALSE((*child)->send("ping").ok());
}

}  // namespace
}  // namespace polder
