#include "platform/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/fail.h"
#include "platform/child.h"
#include "platform/descriptor.h"
#include "platform/process.h"

namespace polder {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "confine.cpp knows the system calls of x86-64 and arm64"
#endif

// What every child is refused: the calls by which a process reaches the network, other processes or
// the machine's set-up. io_uring does the work of any call without being that call.
constexpr int kNoNetwork[] = {
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_setns,
    SYS_unshare,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
    SYS_open_by_handle_at,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
};
// All that a confined process may do whatever the arguments: reads what is open, writes to its
// channels and pipes, asks about files, has memory and threads of its own, waits, and asks about
// itself. What makes, changes, locks, moves or removes a file, or names another process, is not
// here. The calls that a pipeline makes most come first.
constexpr int kWork[] = {
    SYS_read,
    SYS_write,
    SYS_futex,
    SYS_clock_nanosleep,
    SYS_recvfrom,
    SYS_sendto,
    SYS_pread64,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_madvise,
    SYS_mremap,
    SYS_brk,
    SYS_mlock,
    SYS_munlock,
    SYS_membarrier,
    SYS_get_mempolicy,  // of its own threads, as libnuma does when a codec loads it
    SYS_set_mempolicy,
    SYS_close,
    SYS_close_range,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_fadvise64,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getrusage,
    SYS_getrandom,
    SYS_getcpu,
    SYS_sysinfo,
    SYS_uname,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
#if defined(__x86_64__)
    // Older doors to the same.
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_time,
    SYS_getrlimit,
    SYS_arch_prctl,
#endif
};
// Of requests to a descriptor: none by which another process is woken, locked out or watched.
constexpr std::uint32_t kDescriptorRequests[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,
                                                 F_SETFD, F_GETFL,         F_SETFL};
// Of requests to what a descriptor stands for (cameras and accelerators have their own, hundreds):
// these of terminals, whose names streams ask for everything; else none of the kinds of terminals
// ('T'), sockets and owners (0x89), disks (0x12), and flags, attributes and clones of files.
constexpr std::uint32_t kStreamRequests[] = {TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
constexpr std::uint32_t kRefusedKinds[] = {0x5400, 0x8900, 0x1200, 0x6600, 0x5800, 0x9400};
constexpr std::uint32_t kKindMask = 0xff00;
// Of settings of the process: nothing that unbinds it from its supervisor or opens it to others.
constexpr std::uint32_t kSettings[] = {
    PR_SET_NAME,       PR_GET_NAME,      PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS,
    PR_GET_DUMPABLE,   PR_GET_PDEATHSIG, PR_GET_SECCOMP,      PR_CAPBSET_READ,
    PR_GET_TIMERSLACK, PR_SET_VMA,       PR_SVE_GET_VL,
};
constexpr std::uint32_t kThread[] = {CLONE_THREAD};
constexpr std::uint32_t kNameSpaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint32_t kSelf[] = {0};

// Of the flags of open() all by which a file is written, made or cut off. No source opens a device
// for writing.
constexpr std::uint32_t kToWrite = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
constexpr std::uint32_t kToRead[] = {O_RDONLY};

constexpr std::uint32_t kEperm = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

class Writer {
 public:
  Writer() {
    load(offsetof(seccomp_data, arch));
    unless_equal(kArchitecture, SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    // The calls of x32, which have numbers of their own.
    constexpr std::uint32_t kX32 = 0x4000'0000;
    add(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1);
    give(SECCOMP_RET_KILL_PROCESS);
#endif
  }
  void give_for(int call, std::uint32_t verdict) {
    add(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(call), 0, 1);
    give(verdict);
  }
  void refuse(int call, std::uint32_t with = kEperm) { give_for(call, with); }
  void allow(int call) { give_for(call, SECCOMP_RET_ALLOW); }
  // For `call` with an argument whose bits of `mask` are one of `values`; else it goes on.
  void give_for(int call, int argument, std::uint32_t mask, std::span<const std::uint32_t> values,
                std::uint32_t verdict) {
    const auto count = std::uint8_t(values.size());
    add(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(call), 0, std::uint8_t(count + 5));
    // Its low half: little-endian. The kernel reads no more of any that is judged here.
    load(offsetof(seccomp_data, args) + std::size_t(argument) * sizeof(std::uint64_t));
    add(BPF_ALU | BPF_AND | BPF_K, mask);
    for (std::uint8_t i = 0; i < count; ++i)
      add(BPF_JMP | BPF_JEQ | BPF_K, values[i], std::uint8_t(count - i + 1), 0);
    load(offsetof(seccomp_data, nr));
    add(BPF_JMP | BPF_JA, 1);
    give(verdict);
  }
  std::vector<sock_filter> allow_the_rest() {
    give(SECCOMP_RET_ALLOW);
    return std::move(program_);
  }
  // What is younger than this list is not there: libraries then do it the older way.
  std::vector<sock_filter> refuse_the_rest() {
    add(BPF_JMP | BPF_JGT | BPF_K, SYS_landlock_restrict_self, 0, 1);
    give(kEnosys);
    give(kEperm);
    return std::move(program_);
  }

 private:
  void add(std::uint16_t code, std::uint32_t value, std::uint8_t when_true = 0,
           std::uint8_t when_false = 0) {
    program_.push_back({code, when_true, when_false, value});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, std::uint32_t(offset)); }
  void give(std::uint32_t verdict) { add(BPF_RET | BPF_K, verdict); }
  void unless_equal(std::uint32_t value, std::uint32_t verdict) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    give(verdict);
  }
  std::vector<sock_filter> program_;
};

// When memory is short the kernel ends this process and not the one that watches over it. Where it
// cannot be said the kernel chooses as it always does.
void be_ended_first() {
  const Descriptor file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  constexpr std::string_view kMost = "1000";
  if (file.get() >= 0 && ::write(file.get(), kMost.data(), kMost.size()) < 0) return;
}

// Not even what was opened before can be written from now on.
bool end_writing() {
  const rlimit nothing{0, 0};
  return ::setrlimit(RLIMIT_FSIZE, &nothing) == 0;
}

}  // namespace

std::vector<sock_filter> network_filter() {
  Writer writer;
  for (const int call : kNoNetwork) writer.refuse(call);
  return writer.allow_the_rest();
}

std::vector<sock_filter> confining_filter(pid_t self) {
  constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW, kAll = ~0U;
  const std::uint32_t me[] = {std::uint32_t(self)};
  Writer writer;
  for (const int call : kWork) writer.allow(call);
  writer.give_for(SYS_openat, 2, kToWrite, kToRead, kAllow);
#if defined(__x86_64__)
  writer.give_for(SYS_open, 1, kToWrite, kToRead, kAllow);
#endif
  // Their flags are in memory, which a filter cannot read: libraries fall back to the older calls.
  writer.refuse(SYS_clone3, kEnosys);
  writer.refuse(SYS_openat2, kEnosys);
  writer.give_for(SYS_clone, 0, CLONE_THREAD | kNameSpaces, kThread, kAllow);
  writer.give_for(SYS_kill, 0, kAll, me, kAllow);
  writer.give_for(SYS_tgkill, 0, kAll, me, kAllow);
  writer.give_for(SYS_prlimit64, 0, kAll, kSelf, kAllow);
  writer.give_for(SYS_prctl, 0, kAll, kSettings, kAllow);
  writer.give_for(SYS_fcntl, 1, kAll, kDescriptorRequests, kAllow);
  writer.give_for(SYS_ioctl, 1, kAll, kStreamRequests, kAllow);
  writer.give_for(SYS_ioctl, 1, kKindMask, kRefusedKinds, kEperm);
  writer.allow(SYS_ioctl);
  return writer.refuse_the_rest();
}

int install_filter(const std::vector<sock_filter>& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return errno;
  return 0;
}

Status confine_this_process() {
  be_ended_first();  // before its files in /proc are root's
  hide_this_process();
  // Only now: sanitizers write a file of their own as a program starts.
  if (!end_writing())
    return fail(Code::kUnsupported, "cannot limit what this process writes: {}",
                std::strerror(errno));
  const int error = install_filter(confining_filter(::getpid()));
  if (error == 0) return {};
  return fail(Code::kUnsupported, "this kernel does not confine processes (seccomp): {}",
              std::strerror(error));
}

}  // namespace polder
