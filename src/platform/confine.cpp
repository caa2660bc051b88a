#include "platform/confine.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fail.h"
#include "platform/child.h"

namespace polder {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "confine.cpp knows the system calls of x86-64 and arm64"
#endif

// The calls by which a process reaches the network, other processes or the machine's set-up.
// io_uring does the work of any call without being that call.
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
// Beside these: other programs, child processes, signals.
constexpr int kNoOthers[] = {
    SYS_execve, SYS_execveat, SYS_pidfd_send_signal, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_tkill,  SYS_setsid,   SYS_setpgid,
#if defined(__x86_64__)
    SYS_fork,   SYS_vfork,
#endif
};

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
  void refuse(int call, std::uint32_t with = kEperm) {
    add(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(call), 0, 1);
    give(with);
  }
  // `call` only with its first argument equal to `value`, or (any_of) with one of its bits.
  void allow_only(int call, std::uint32_t value, bool any_of) {
    add(BPF_JMP | BPF_JEQ | BPF_K, std::uint32_t(call), 0, 4);
    load(offsetof(seccomp_data, args));  // its low half: little-endian
    add(std::uint16_t(BPF_JMP | (any_of ? BPF_JSET : BPF_JEQ) | BPF_K), value, 1, 0);
    give(kEperm);
    give(SECCOMP_RET_ALLOW);
  }
  std::vector<sock_filter> finish() {
    give(SECCOMP_RET_ALLOW);
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

}  // namespace

std::vector<sock_filter> network_filter() {
  Writer writer;
  for (const int call : kNoNetwork) writer.refuse(call);
  return writer.finish();
}

std::vector<sock_filter> confining_filter(pid_t self) {
  Writer writer;
  for (const int call : kNoNetwork) writer.refuse(call);
  for (const int call : kNoOthers) writer.refuse(call);
  // Its flags are in memory, which a filter cannot read: the C library falls back to clone().
  writer.refuse(SYS_clone3, kEnosys);
  writer.allow_only(SYS_clone, CLONE_THREAD, true);
  writer.allow_only(SYS_kill, std::uint32_t(self), false);
  writer.allow_only(SYS_tgkill, std::uint32_t(self), false);
  return writer.finish();
}

int install_filter(const std::vector<sock_filter>& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return errno;
  return 0;
}

Status confine_this_process() {
  const int error = install_filter(confining_filter(::getpid()));
  if (error == 0) return {};
  return fail(Code::kUnsupported, "this kernel does not confine processes (seccomp): {}",
              std::strerror(error));
}

}  // namespace polder
