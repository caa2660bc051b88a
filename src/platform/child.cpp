#include "platform/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>

#include "base/fail.h"
#include "platform/clock.h"
#include "platform/confine.h"
#include "platform/descriptor.h"
#include "platform/sanitized.h"

namespace polder {
namespace {

constexpr int kChannelFd = 3, kOutputFd = 4, kReportFd = 5;  // in a child
constexpr int kFailed = 127;  // the exit status of a child that did not get far
// For a child to become its program, and for one that was killed to end. Longer takes what the
// kernel does not interrupt: a disk or a device that does not answer.
constexpr std::int64_t kStartMs = 10'000, kEndMs = 2'000;

// Whether what a child prints is seen. It is not: what saw pictures would have a way out, untyped
// and without end. Sanitizers have no other way to say what they found.
#ifdef POLDER_SANITIZED
constexpr bool kIsHeard = true;
#else
constexpr bool kIsHeard = false;
#endif

// Polls until `deadline`; what poll() said.
int poll_until(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ms = (deadline_ns - monotonic_ns() + 999'999) / 1'000'000;
    pollfd at{fd, events, 0};
    const int ready = ::poll(&at, 1, int(std::clamp<std::int64_t>(left_ms, 0, INT_MAX)));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ready;
    if (monotonic_ns() >= deadline_ns) return 0;
  }
}
std::int64_t deadline_of(std::int64_t timeout_ms) {
  constexpr std::int64_t kMaxMs = 86'400'000;
  return monotonic_ns() + std::clamp<std::int64_t>(timeout_ms, 0, kMaxMs) * 1'000'000;
}

Status send_on(int fd, std::string_view message, bool waits = false) {
  if (message.empty() || message.size() > kMaxMessageBytes)
    return fail(Code::kExhausted, "a message of {} bytes; 1 to {} are sent", message.size(),
                kMaxMessageBytes);
  for (;;) {
    const ssize_t sent =
        ::send(fd, message.data(), message.size(), MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    if (sent >= 0) return {};
    if (errno == EINTR) continue;
    if (errno == EAGAIN)
      return fail(Code::kTimeout, "the other process does not take what was sent to it");
    return fail(Code::kUnavailable, "the other process has gone: {}", std::strerror(errno));
  }
}

Result<std::optional<std::string>> receive_on(int fd, std::int64_t timeout_ms) {
  const std::int64_t deadline_ns = deadline_of(timeout_ms);
  for (;;) {
    // Its length first: a buffer that was too long and is given back would keep what may be keys.
    char nothing = 0;
    ssize_t got = ::recv(fd, &nothing, 0, MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
    std::string message(std::size_t(std::clamp<ssize_t>(got, 0, ssize_t(kMaxMessageBytes))), '\0');
    if (got > 0) got = ::recv(fd, message.data(), message.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got > ssize_t(kMaxMessageBytes))
      return fail(Code::kExhausted, "a message of {} bytes; at most {} are taken", got,
                  kMaxMessageBytes);
    if (got > 0) return std::optional<std::string>(std::move(message));
    if (got == 0) return fail(Code::kUnavailable, "the other process has gone");
    if (errno == EAGAIN) {
      if (poll_until(fd, POLLIN, deadline_ns) == 0) return std::optional<std::string>();
    } else if (errno != EINTR) {
      return fail(Code::kUnavailable, "the other process has gone: {}", std::strerror(errno));
    }
  }
}

class SocketChannel final : public Channel {
 public:
  explicit SocketChannel(Descriptor fd, bool waits = false) : fd_(std::move(fd)), waits_(waits) {}
  Status send(std::string_view message) override { return send_on(fd_.get(), message, waits_); }
  Result<std::optional<std::string>> receive(std::int64_t timeout_ms) override {
    return receive_on(fd_.get(), timeout_ms);
  }

 private:
  Descriptor fd_;
  const bool waits_;  // until what it sends is taken
};

// What a child says of itself before it becomes another program.
struct Report {
  enum Step : int { kOwnNetwork, kFolder, kLimits, kDescriptors, kFilter, kProgram } step;
  int error;
};

// Everything that a child needs between fork() and exec, made before: there it may not allocate.
struct Plan {
  explicit Plan(const ChildOptions& options) : folder(options.folder.c_str()) {
    for (const std::string& word : options.command)
      arguments.push_back(const_cast<char*>(word.c_str()));
    for (const std::string& word : options.environment)
      environment.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    const auto limit = [&](int resource, std::uint64_t value) {
      if (value > 0) limits.emplace_back(resource, rlimit{value, value});
    };
    limit(RLIMIT_AS, options.memory_bytes);
    limit(RLIMIT_CPU, options.cpu_s);
    limit(RLIMIT_NOFILE, std::max<std::uint64_t>(options.open_files, kReportFd + 1));
    limits.emplace_back(RLIMIT_CORE, rlimit{0, 0});
    deny_network = options.deny_network;
    if (deny_network) filter = network_filter();
  }
  const char* folder;
  std::vector<char*> arguments, environment;
  std::vector<std::pair<int, rlimit>> limits;
  std::vector<sock_filter> filter;
  bool deny_network;
  int channel = -1, output = -1, report = -1, null = -1;  // descriptors, all above kReportFd
  pid_t parent = 0;
};

// From here to the exec only calls that are safe after fork() in a process with threads.

void tell(int fd, Report::Step step, int error) {
  const Report report{step, error};
  while (::write(fd, &report, sizeof report) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void give_up(int fd, Report::Step step) {
  tell(fd, step, errno);
  ::_exit(kFailed);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool make_own_network() {
  // The second needs no privilege, where the kernel allows it at all.
  return ::unshare(CLONE_NEWNET) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

// Closes everything above the descriptors of a child.
void close_others() {
  if (::syscall(SYS_close_range, unsigned(kReportFd + 1), ~0U, 0) == 0) return;
  const long most = ::sysconf(_SC_OPEN_MAX);  // a kernel before 5.9
  for (int fd = kReportFd + 1; fd < most; ++fd) ::close(fd);
}

[[noreturn]] void become(const Plan& plan) {
  ::setsid();
  reset_signals();
  ::umask(077);
  if (plan.deny_network && make_own_network()) tell(plan.report, Report::kOwnNetwork, 0);
  // After that, which forgets it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(kFailed);  // it ended meanwhile
  if (::chdir(plan.folder) != 0) give_up(plan.report, Report::kFolder);
  if (::dup2(plan.null, STDIN_FILENO) < 0 || (!kIsHeard && ::dup2(plan.null, STDERR_FILENO) < 0) ||
      ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || ::dup2(plan.channel, kChannelFd) < 0 ||
      (plan.output >= 0 && ::dup2(plan.output, kOutputFd) < 0) ||
      ::dup2(plan.report, kReportFd) < 0 || ::fcntl(kReportFd, F_SETFD, FD_CLOEXEC) < 0)
    give_up(plan.report, Report::kDescriptors);
  if (plan.output < 0) ::close(kOutputFd);
  close_others();
  for (const auto& [resource, limit] : plan.limits)
    if (::setrlimit(__rlimit_resource_t(resource), &limit) != 0)
      give_up(kReportFd, Report::kLimits);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(kReportFd, Report::kFilter);
  if (plan.deny_network && (errno = install_filter(plan.filter)) != 0)
    give_up(kReportFd, Report::kFilter);
  ::execve(plan.arguments[0], plan.arguments.data(), plan.environment.data());
  give_up(kReportFd, Report::kProgram);
}

// Children that were killed and given up before they ended: to be reaped when they have.
class GivenUp {
 public:
  void add(pid_t pid) {
    const std::lock_guard lock(mutex_);
    pids_.push_back(pid);
  }
  void reap() {
    const std::lock_guard lock(mutex_);
    std::erase_if(pids_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  }

 private:
  std::mutex mutex_;
  std::vector<pid_t> pids_;
};
GivenUp& given_up() {
  static GivenUp all;
  return all;
}

class SystemChild final : public ChildProcess {
 public:
  SystemChild(pid_t pid, Descriptor channel, std::unique_ptr<Channel> output)
      : pid_(pid), channel_(std::move(channel)), output_(std::move(output)) {}
  ~SystemChild() override {
    if (is_over_) return;
    kill();
    const auto ended = wait(kEndMs);
    if (!ended.ok() || !*ended) given_up().add(pid_);
  }

  // Reads what the child says until it has become the program; 0 or what went wrong.
  Status started(int report_fd, const std::string& program) {
    pidfd_ = Descriptor(int(::syscall(SYS_pidfd_open, pid_, 0)));
    if (pidfd_.get() < 0)
      return fail(Code::kUnsupported, "this kernel does not watch processes (pidfd): {}",
                  std::strerror(errno));
    Report report{};
    for (;;) {
      if (poll_until(report_fd, POLLIN, deadline_of(kStartMs)) == 0)
        return fail(Code::kUnavailable, "{}: has not started after {} s: its disk does not answer",
                    program, kStartMs / 1000);
      const ssize_t got = ::read(report_fd, &report, sizeof report);
      if (got < 0 && errno == EINTR) continue;
      if (got != ssize_t(sizeof report)) break;
      if (report.step != Report::kOwnNetwork) return why(report, program);
      own_network_ = true;
    }
    return {};
  }

  Status send(std::string_view message) override { return send_on(channel_.get(), message); }
  Result<std::optional<std::string>> receive(std::int64_t timeout_ms) override {
    return receive_on(channel_.get(), timeout_ms);
  }
  Result<std::optional<ChildExit>> wait(std::int64_t timeout_ms) override {
    if (!is_over_) {
      const int ready = poll_until(pidfd_.get(), POLLIN, deadline_of(timeout_ms));
      if (ready < 0) return fail(Code::kIo, "cannot wait for a process: {}", std::strerror(errno));
      if (ready == 0) return std::optional<ChildExit>();
      // What it started in its group ends with it.
      ::kill(-pid_, SIGKILL);
      reap();
    }
    return std::optional<ChildExit>(exit_);
  }
  void kill() override {
    if (is_over_) return;  // the number may be another's by now
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // before its setsid() there is no group
  }
  int pid() const override { return int(pid_); }
  bool has_own_network() const override { return own_network_; }
  std::unique_ptr<Channel> take_output() override { return std::move(output_); }

 private:
  static Status why(const Report& report, const std::string& program) {
    const char* reason = std::strerror(report.error);
    switch (report.step) {
      case Report::kProgram: {
        const bool missing = report.error == ENOENT || report.error == ENOTDIR;
        const Code code = missing                  ? Code::kNotFound
                          : report.error == EACCES ? Code::kDenied
                                                   : Code::kUnavailable;
        return fail(code, "{}: cannot start it: {}", program, reason);
      }
      case Report::kFolder: return fail(Code::kNotFound, "{}: its folder: {}", program, reason);
      case Report::kLimits: return fail(Code::kDenied, "{}: its limits: {}", program, reason);
      case Report::kFilter:
        return fail(Code::kUnsupported, "{}: this kernel does not confine processes (seccomp): {}",
                    program, reason);
      default: return fail(Code::kUnavailable, "{}: its descriptors: {}", program, reason);
    }
  }

  void reap() {
    int status = 0;
    rusage used{};
    while (::wait4(pid_, &status, 0, &used) < 0 && errno == EINTR) {
    }
    is_over_ = true;
    if (WIFSIGNALED(status)) exit_.signal = WTERMSIG(status);
    else exit_.status = WEXITSTATUS(status);
    const auto micros = [](const timeval& time) {
      return std::int64_t(time.tv_sec) * 1'000'000 + time.tv_usec;
    };
    exit_.cpu_us = micros(used.ru_utime) + micros(used.ru_stime);
    exit_.max_resident_bytes = std::uint64_t(used.ru_maxrss) * 1024;
  }

  const pid_t pid_;
  Descriptor channel_, pidfd_{-1};
  std::unique_ptr<Channel> output_;
  bool is_over_ = false, own_network_ = false;
  ChildExit exit_;
};

// A duplicate above the numbers that a child uses, so that none is overwritten before its turn.
Descriptor above(const Descriptor& fd) {
  return Descriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kReportFd + 1));
}

// A channel, its ends ours and the child's; the latter above the numbers that a child uses.
bool make_channel(Descriptor& ours, Descriptor& theirs) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return false;
  ours = Descriptor(pair[0]);
  theirs = above(Descriptor(pair[1]));
  return theirs.get() >= 0;
}

Result<std::unique_ptr<Channel>> inherited(int fd, bool waits) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
    return fail(Code::kUnavailable,
                "no supervisor's channel at descriptor {}; this is started by polderd", fd);
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return std::unique_ptr<Channel>(std::make_unique<SocketChannel>(Descriptor(fd), waits));
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> SystemProcesses::start(const ChildOptions& options) {
  if (options.command.empty() || options.command[0].find('/') == std::string::npos)
    return fail(Code::kInvalid, "a command begins with the path of a program");
  given_up().reap();
  const auto failed = [&](std::string_view what) {
    return fail(Code::kUnavailable, "{}: {}: {}", options.command[0], what, std::strerror(errno));
  };
  Descriptor ours(-1), channel(-1), our_output(-1), output(-1);
  if (!make_channel(ours, channel) || (options.has_output && !make_channel(our_output, output)))
    return failed("no channel");
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return failed("no pipe");
  Descriptor report_in(pipe[0]), report_out(pipe[1]);
  const Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Descriptor report = above(report_out), null = above(nothing);
  if (report.get() < 0 || null.get() < 0) return failed("no descriptor");

  Plan plan(options);
  plan.channel = channel.get();
  plan.output = output.get();
  plan.report = report.get();
  plan.null = null.get();
  plan.parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("no process");
  if (pid == 0) become(plan);
  std::unique_ptr<Channel> its_output;
  if (options.has_output) its_output = std::make_unique<SocketChannel>(std::move(our_output));
  auto child = std::make_unique<SystemChild>(pid, std::move(ours), std::move(its_output));
  // Ours must be closed for the end of the report to be seen.
  report = Descriptor(-1);
  report_out = Descriptor(-1);
  TRY(child->started(report_in.get(), options.command[0]));
  return std::unique_ptr<ChildProcess>(std::move(child));
}

Result<std::unique_ptr<Channel>> open_channel() { return inherited(kChannelFd, false); }
Result<std::unique_ptr<Channel>> open_output_channel() { return inherited(kOutputFd, true); }

}  // namespace polder
