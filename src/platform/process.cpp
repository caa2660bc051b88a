#include "platform/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include "base/fail.h"

extern char** environ;

namespace polder {
namespace {

// Reads until the end of the pipe, or until there is more than `cap_bytes`.
bool read_capped(int fd, std::size_t cap_bytes, std::string& output) {
  char block[4096];
  for (;;) {
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    if (output.size() + static_cast<std::size_t>(got) > cap_bytes) return false;
    output.append(block, static_cast<std::size_t>(got));
  }
}

constexpr int kCannotStart = 127;

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Starts the command with its standard output in `output_fd`; an errno value, or 0.
int spawn(const std::vector<std::string>& command, int output_fd, pid_t& child) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
  const int error =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& command, std::size_t cap_bytes) {
  if (command.empty()) return fail(Code::kInvalid, "a command was expected, the list is empty");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(Code::kIo, "cannot make a pipe: {}", std::strerror(errno));
  pid_t child = 0;
  const int error = spawn(command, ends[1], child);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return fail(Code::kUnavailable, "{}: cannot start it: {}", command[0], std::strerror(error));
  }
  ProcessResult result;
  const bool whole = read_capped(ends[0], cap_bytes, result.output);
  ::close(ends[0]);
  if (!whole) ::kill(child, SIGKILL);
  result.exit_status = wait_for(child);
  if (!whole)
    return fail(Code::kExhausted, "{}: printed more than {} bytes", command[0], cap_bytes);
  // POSIX leaves it to the child to say so where starting fails late, as it does under qemu.
  if (result.exit_status == kCannotStart)
    return fail(Code::kUnavailable, "{}: cannot start it", command[0]);
  return result;
}

void set_default_environment(const char* name, const char* value) { ::setenv(name, value, 0); }

void hide_this_process() { ::prctl(PR_SET_DUMPABLE, 0); }

namespace {
volatile std::sig_atomic_t held_termination = 0, held_hangup = 0;
}  // namespace

void name_this_process(const char* name) { ::prctl(PR_SET_NAME, name); }

void hold_termination(bool wanted) {
  ::signal(SIGTERM, wanted ? [](int) { held_termination = 1; } : SIG_DFL);
}

bool termination_is_held() { return held_termination != 0; }

void end_by_termination() {
  ::signal(SIGTERM, SIG_DFL);
  ::raise(SIGTERM);
  ::_exit(128 + SIGTERM);  // it was blocked
}

void hold_hangup() {
  ::signal(SIGHUP, [](int) { held_hangup = 1; });
}

bool hangup_is_held() { return held_hangup != 0; }

void answer_hangup() { held_hangup = 0; }

void ignore_hangup() { ::signal(SIGHUP, SIG_IGN); }

Result<std::string> own_program() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length < 0)
    return fail(Code::kIo, "/proc/self/exe: cannot read it: {}", std::strerror(errno));
  return std::string(path, static_cast<std::size_t>(length));
}

}  // namespace polder
