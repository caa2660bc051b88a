// Runs a program and ends it, with all that it has started, at the n-th system call that changes a
// folder: what a kill or a power cut does at the worst of moments. A tool of kill_test.py.
//
//   kill_points --below DIR [--kill N [--half]] [--hang-up N --replace FILE] [--free BYTES]
//               [--record FILE] -- PROGRAM ARG...
//
// A point is a call that is about to change something below DIR, or to become a program there; the
// first is 0. --kill N ends everything before call N is done; with --half a write does half of its
// bytes first. --hang-up N puts FILE.new in the place of FILE there, sends SIGHUP, and goes on.
// --record writes a line for each point: number, phase in DIR/state.json, call, place, bytes, where
// places have no numbers and digests of their own any more. --free tells the program that so many
// bytes are free until it has freed something. SIGTERM ends it, too. What came of it is the last
// line on stdout: "killed N", "stopped POINTS", "ended STATUS POINTS".
//
// Calls are stopped by a filter (seccomp) that the program and its children carry, so all others
// run at full speed.
#include <elf.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kWrites = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

// Where a call says what it changes: which argument is a descriptor, a path, the flags of an open.
struct Call {
  const char* name;
  long number;
  int fd = -1;     // the file, or the folder of `path`
  int path = -1;   // read from the program's memory
  int to_fd = -1;  // of the second name of a rename or link
  int to = -1;
  int flags = -1;  // only opens that write are points
  int bytes = -1;  // of a write
};

constexpr Call kCalls[] = {
    {.name = "openat", .number = SYS_openat, .fd = 0, .path = 1, .flags = 2},
    {.name = "write", .number = SYS_write, .fd = 0, .bytes = 2},
    {.name = "pwrite", .number = SYS_pwrite64, .fd = 0, .bytes = 2},
    {.name = "writev", .number = SYS_writev, .fd = 0},
    {.name = "pwritev", .number = SYS_pwritev, .fd = 0},
    {.name = "sendfile", .number = SYS_sendfile, .fd = 0},
    {.name = "copy_file_range", .number = SYS_copy_file_range, .fd = 2},
    {.name = "truncate", .number = SYS_truncate, .path = 0},
    {.name = "ftruncate", .number = SYS_ftruncate, .fd = 0},
    {.name = "fallocate", .number = SYS_fallocate, .fd = 0},
    {.name = "fsync", .number = SYS_fsync, .fd = 0},
    {.name = "fdatasync", .number = SYS_fdatasync, .fd = 0},
    {.name = "renameat", .number = SYS_renameat, .fd = 0, .path = 1, .to_fd = 2, .to = 3},
    {.name = "renameat2", .number = SYS_renameat2, .fd = 0, .path = 1, .to_fd = 2, .to = 3},
    {.name = "linkat", .number = SYS_linkat, .fd = 0, .path = 1, .to_fd = 2, .to = 3},
    {.name = "symlinkat", .number = SYS_symlinkat, .fd = 1, .path = 2},
    {.name = "unlinkat", .number = SYS_unlinkat, .fd = 0, .path = 1},
    {.name = "mkdirat", .number = SYS_mkdirat, .fd = 0, .path = 1},
    {.name = "fchmod", .number = SYS_fchmod, .fd = 0},
    {.name = "fchmodat", .number = SYS_fchmodat, .fd = 0, .path = 1},
    {.name = "fchown", .number = SYS_fchown, .fd = 0},
    {.name = "fchownat", .number = SYS_fchownat, .fd = 0, .path = 1},
    {.name = "utimensat", .number = SYS_utimensat, .fd = 0, .path = 1},
    {.name = "execve", .number = SYS_execve, .path = 0},
#ifdef SYS_open  // what newer machines do not have any more
    {.name = "open", .number = SYS_open, .path = 0, .flags = 1},
    {.name = "creat", .number = SYS_creat, .path = 0},
    {.name = "rename", .number = SYS_rename, .path = 0, .to = 1},
    {.name = "link", .number = SYS_link, .path = 0, .to = 1},
    {.name = "symlink", .number = SYS_symlink, .path = 1},
    {.name = "unlink", .number = SYS_unlink, .path = 0},
    {.name = "rmdir", .number = SYS_rmdir, .path = 0},
    {.name = "mkdir", .number = SYS_mkdir, .path = 0},
    {.name = "chmod", .number = SYS_chmod, .path = 0},
    {.name = "chown", .number = SYS_chown, .path = 0},
#endif
};

struct Options {
  std::string below, record;
  long kill = -1, hang_up = -1;
  std::string replace;
  bool half = false;
  std::optional<std::uint64_t> free_bytes;
  char** program = nullptr;
};

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "kill_points: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

// --- The filter ----------------------------------------------------------------------------------

// What of a call is to be seen before the tracer is asked.
void install_filter(bool with_free) {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  const auto trace = [&](long number, int flags) {
    if (flags < 0) {
      filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(number), 0, 1));
      filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
      return;
    }
    const auto offset = std::uint32_t(offsetof(seccomp_data, args) + std::size_t(flags) * 8);
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(number), 0, 4));
    filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kWrites, 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  };
  for (const Call& call : kCalls) trace(call.number, call.flags);
  if (with_free) trace(SYS_fstatfs, -1);
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    die("seccomp");
}

pid_t start(const Options& options) {
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child > 0) return child;
  ::setpgid(0, 0);
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) die("ptrace");
  ::raise(SIGSTOP);
  install_filter(options.free_bytes.has_value());
  ::execv(options.program[0], options.program);
  die(options.program[0]);
}

// --- Looking into the program --------------------------------------------------------------------

std::string read_text(pid_t pid, std::uint64_t address) {
  std::string text;
  for (char piece[64]; text.size() < PATH_MAX;) {
    // Not over the end of a page, which may be the last.
    const std::size_t size = std::min<std::size_t>(sizeof piece, 4096 - (address & 4095));
    iovec to{piece, size}, from{reinterpret_cast<void*>(address), size};
    const ssize_t got = ::process_vm_readv(pid, &to, 1, &from, 1, 0);
    if (got <= 0) break;
    const char* end = std::find(piece, piece + got, '\0');
    text.append(piece, std::size_t(end - piece));
    if (end != piece + got) break;
    address += std::uint64_t(got);
  }
  return text;
}

std::string link_of(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), text, sizeof text);
  return size < 0 ? std::string() : std::string(text, std::size_t(size));
}

std::string place(pid_t pid, bool has_fd, std::int32_t fd, const std::optional<std::string>& path) {
  if (path && path->starts_with('/')) return *path;
  const std::string root = "/proc/" + std::to_string(pid);
  const std::string base = has_fd && fd != AT_FDCWD ? link_of(root + "/fd/" + std::to_string(fd))
                                                    : link_of(root + "/cwd");
  return path ? base + "/" + *path : base;
}

// "blobs/#", "state.json.new": without what differs from blob to blob.
std::string place_class(std::string_view path) {
  std::string text;
  std::size_t at = 0;
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  while (at < path.size()) {
    std::size_t end = at;
    while (end < path.size() && is_hex(path[end])) ++end;
    if (end - at >= 64) {
      text += '#';
      at = end;
    } else if (path[at] >= '0' && path[at] <= '9') {
      while (at < path.size() && path[at] >= '0' && path[at] <= '9') ++at;
      text += 'N';
    } else {
      text += path[at++];
    }
  }
  return text;
}

std::string phase_in(const std::string& folder) {
  std::ifstream file(folder + "/state.json", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  constexpr std::string_view kKey = "\"phase\":";
  std::size_t at = text.find(kKey);
  if (at == text.npos) return "none";
  at = text.find('"', at + kKey.size());
  return text.substr(at + 1, text.find('"', at + 1) - at - 1);
}

// --- Changing what it does -----------------------------------------------------------------------

#if defined(__x86_64__)
using Registers = user_regs_struct;
unsigned long long& argument(Registers& registers, int index) {
  unsigned long long* const all[] = {&registers.rdi, &registers.rsi, &registers.rdx,
                                     &registers.r10, &registers.r8,  &registers.r9};
  return *all[index];
}
#elif defined(__aarch64__)
using Registers = user_regs_struct;
unsigned long long& argument(Registers& registers, int index) { return registers.regs[index]; }
#endif

void set_argument(pid_t pid, int index, std::uint64_t value) {
  Registers registers{};
  iovec vector{&registers, sizeof registers};
  if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector) != 0) die("registers");
  argument(registers, index) = value;
  if (::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector) != 0) die("registers");
}

volatile sig_atomic_t is_stopped = 0;

class Tracer {
 public:
  explicit Tracer(Options options) : options_(std::move(options)) {
    if (!options_.record.empty()) record_.open(options_.record);
  }

  int run() {
    child_ = start(options_);
    int status = 0;
    if (::waitpid(child_, &status, __WALL) != child_ || !WIFSTOPPED(status)) die("start");
    constexpr long kEvents = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL |
                             PTRACE_O_TRACESYSGOOD;
    if (::ptrace(PTRACE_SETOPTIONS, child_, nullptr, kEvents) != 0) die("ptrace");
    tracees_[child_] = {};
    ::ptrace(PTRACE_CONT, child_, nullptr, nullptr);
    while (!tracees_.empty()) {
      const pid_t pid = is_stopped ? -1 : ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == ECHILD) break;
      if (is_stopped) return end("stopped", points_);
      if (pid < 0) continue;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        tracees_.erase(pid);
        if (pid == child_) exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (pid == child_) break;
        continue;
      }
      if (WIFSTOPPED(status) && stopped(pid, status)) return end("killed", options_.kill);
    }
    std::printf("ended %d %ld\n", exit_, points_);
    end(nullptr, 0);
    return 0;
  }

 private:
  enum class After { kNothing, kKill, kTellFree };
  struct Tracee {
    After after = After::kNothing;  // the call that is under way
    std::uint64_t address = 0;      // of its statfs
    bool is_new = true;
  };

  // Ends every process, and waits for them: their locks are free then.
  int end(const char* what, long number) {
    for (const auto& [pid, tracee] : tracees_) ::kill(pid, SIGKILL);
    ::kill(-child_, SIGKILL);
    for (int status = 0; ::waitpid(-1, &status, __WALL) > 0 || errno == EINTR;) {
    }
    if (what) std::printf("%s %ld\n", what, number);
    return 0;
  }

  // Whether everything is to be ended now.
  bool stopped(pid_t pid, int status) {
    Tracee& tracee = tracees_[pid];
    const int event = status >> 16, signal = WSTOPSIG(status);
    long deliver = 0;
    int go_on = PTRACE_CONT;
    if (event == PTRACE_EVENT_SECCOMP) {
      if (point(pid, tracee)) return true;
      if (tracee.after != After::kNothing) go_on = PTRACE_SYSCALL;
    } else if (signal == (SIGTRAP | 0x80)) {
      // The end of the call; before it, on some kernels, its beginning.
      if (call_ended(pid)) {
        if (tracee.after == After::kKill) return true;
        tell_free(pid, tracee);
        tracee.after = After::kNothing;
      } else {
        go_on = PTRACE_SYSCALL;
      }
    } else if (event == 0 && !(signal == SIGSTOP && tracee.is_new)) {
      deliver = signal;
    }
    if (event != 0 || signal == SIGSTOP) tracee.is_new = false;
    ::ptrace(__ptrace_request(go_on), pid, nullptr, deliver);
    return false;
  }

  bool call_ended(pid_t pid) {
    __ptrace_syscall_info info{};
    ::ptrace(__ptrace_request(PTRACE_GET_SYSCALL_INFO), pid, sizeof info, &info);
    return info.op == PTRACE_SYSCALL_INFO_EXIT;
  }

  bool point(pid_t pid, Tracee& tracee) {
    __ptrace_syscall_info info{};
    if (::ptrace(__ptrace_request(PTRACE_GET_SYSCALL_INFO), pid, sizeof info, &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_SECCOMP)
      return false;
    const auto& args = info.seccomp.args;
    if (info.seccomp.nr == SYS_fstatfs) {
      tracee.after = After::kTellFree;
      tracee.address = args[1];
      return false;
    }
    const auto* call = std::ranges::find_if(
        kCalls, [&](const Call& c) { return std::uint64_t(c.number) == info.seccomp.nr; });
    if (call == std::end(kCalls)) return false;
    const auto name = [&](int fd, int path) {
      return place(pid, fd >= 0, fd >= 0 ? std::int32_t(args[fd]) : 0,
                   path >= 0 ? std::optional(read_text(pid, args[path])) : std::nullopt);
    };
    std::string from = name(call->fd, call->path);
    const bool is_below = from.starts_with(options_.below + "/") || from == options_.below;
    if (!is_below) return false;
    has_freed_ |= call->number == SYS_unlinkat;
    const long number = points_++;
    if (record_.is_open()) write_record(*call, args, number, from, name);
    if (number == options_.hang_up) {
      const std::string& file = options_.replace;
      if (::rename((file + ".new").c_str(), file.c_str()) != 0) die(file.c_str());
      ::kill(child_, SIGHUP);
    }
    if (number != options_.kill) return false;
    if (!options_.half || call->bytes < 0 || args[call->bytes] < 2) return true;
    set_argument(pid, call->bytes, args[call->bytes] / 2);
    tracee.after = After::kKill;
    return false;
  }

  template <class Name>
  void write_record(const Call& call, const std::uint64_t* args, long number,
                    const std::string& from, const Name& name) {
    const auto below = [&](const std::string& path) {
      return place_class(path.size() > options_.below.size()
                             ? std::string_view(path).substr(options_.below.size() + 1)
                             : std::string_view("."));
    };
    record_ << number << '\t' << phase_in(options_.below) << '\t' << call.name << '\t'
            << below(from);
    if (call.to >= 0) record_ << " > " << below(name(call.to_fd, call.to));
    record_ << '\t' << (call.bytes >= 0 ? args[call.bytes] : 0) << std::endl;
  }

  // In place of what is free on the disk.
  void tell_free(pid_t pid, const Tracee& tracee) {
    if (tracee.after != After::kTellFree || has_freed_) return;
    struct statfs info {};
    iovec ours{&info, sizeof info}, theirs{reinterpret_cast<void*>(tracee.address), sizeof info};
    if (::process_vm_readv(pid, &ours, 1, &theirs, 1, 0) != ssize_t(sizeof info)) return;
    info.f_bavail = info.f_bfree = *options_.free_bytes / std::uint64_t(info.f_bsize);
    ::process_vm_writev(pid, &ours, 1, &theirs, 1, 0);
  }

  Options options_;
  std::ofstream record_;
  pid_t child_ = 0;
  int exit_ = 0;
  long points_ = 0;
  bool has_freed_ = false;
  std::map<pid_t, Tracee> tracees_;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--half") {
      options.half = true;
      continue;
    }
    if (i + 1 == argc) break;
    if (word == "--") {
      options.program = argv + i + 1;
      break;
    }
    const char* value = argv[++i];
    if (word == "--below") options.below = value;
    else if (word == "--record") options.record = value;
    else if (word == "--kill") options.kill = std::atol(value);
    else if (word == "--hang-up") options.hang_up = std::atol(value);
    else if (word == "--replace") options.replace = value;
    else if (word == "--free") options.free_bytes = std::strtoull(value, nullptr, 10);
    else return {};
  }
  if (options.program == nullptr || options.below.empty()) return {};
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<Options> options = parse(argc, argv);
  if (!options) {
    std::fprintf(stderr,
                 "usage: kill_points --below DIR [--kill N [--half]] [--hang-up N --replace FILE] "
                 "[--free BYTES] [--record FILE] -- PROGRAM ARG...\n");
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { is_stopped = 1; };
  ::sigaction(SIGTERM, &action, nullptr);  // without SA_RESTART: waitpid() is to return
  return Tracer(std::move(*options)).run();
}
