// A process that was taken over tries what would reach beyond it. seccomp alone: no Landlock here,
// as on a kernel that has none.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "platform/child.h"
#include "platform/host.h"
#include "platform/process.h"

namespace polder {
namespace {

// Not in the headers of every system; their numbers are the same on all machines.
constexpr long kFchmodat2 = 452, kMemfdSecret = 447, kOpenat2 = 437, kMountSetattr = 442,
               kFutureCall = 990;

struct Try {
  const char* name;
  long call;
  std::array<long, 6> arguments = {};
};
long at(const void* data) { return reinterpret_cast<long>(data); }

template <class F>
int in_fork(F body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

class Confined : public testing::Test {
 protected:
  void SetUp() override {
    if (in_fork([] { return confine_this_process().ok() ? 0 : 1; }) != 0)
      GTEST_SKIP() << "this kernel has no seccomp";
    folder_ =
        std::filesystem::temp_directory_path() / ("polder-seccomp-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "key.pem";
    other_ = folder_ / "other";
    std::ofstream(path_) << "text";
    ::chmod(path_.c_str(), 0640);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  // What a confined process is not refused.
  static std::string not_refused(const std::vector<Try>& tries) {
    const int first = in_fork([&] {
      if (!confine_this_process().ok()) return 255;
      for (std::size_t i = 0; i < tries.size(); ++i) {
        const auto& a = tries[i].arguments;
        errno = 0;
        const long result = ::syscall(tries[i].call, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result != -1 || (errno != EPERM && errno != ENOSYS)) return int(i) + 1;
      }
      return 0;
    });
    if (first == 0) return "";
    return std::size_t(first) <= tries.size() ? tries[std::size_t(first) - 1].name
                                              : "status " + std::to_string(first);
  }
  std::filesystem::path folder_;
  std::string path_, other_;
};

TEST_F(Confined, WritesNoFile) {
  const int file = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  const std::string folder_path = folder_;
  const long path = at(path_.c_str()), other = at(other_.c_str()), here = AT_FDCWD,
             folder = at(folder_path.c_str());
  const std::vector<Try> tries = {
    {"truncate", SYS_truncate, {path, 0}},
    {"open to write", SYS_openat, {here, path, O_WRONLY}},
    {"open to read and write", SYS_openat, {here, path, O_RDWR}},
    {"open to add", SYS_openat, {here, path, O_WRONLY | O_APPEND}},
    {"open to make", SYS_openat, {here, other, O_RDONLY | O_CREAT, 0600}},
    {"a file without a name", SYS_openat, {here, folder, O_WRONLY | O_TMPFILE, 0600}},
    {"the same, to be read", SYS_openat, {here, folder, O_RDONLY | O_TMPFILE, 0600}},
    {"write at a place", SYS_pwrite64, {file, path, 4, 0}},
    {"ftruncate", SYS_ftruncate, {file, 0}},
    {"fallocate", SYS_fallocate, {file, 0, 0, 1 << 20}},
    {"fsync", SYS_fsync, {file}},
    {"renameat2", SYS_renameat2, {here, path, here, other, 0}},
    {"unlinkat", SYS_unlinkat, {here, path, 0}},
    {"mkdirat", SYS_mkdirat, {here, other, 0700}},
    {"open to cut", SYS_openat, {here, path, O_RDONLY | O_TRUNC}},
    {"open to cut, in a mode of its own", SYS_openat, {here, path, O_ACCMODE | O_TRUNC}},
    {"open for requests alone", SYS_openat, {here, path, O_ACCMODE}},
    {"openat2", kOpenat2, {here, path, 0, 0}},
    {"fchmod", SYS_fchmod, {file, 0}},
    {"fchmodat", SYS_fchmodat, {here, path, 0}},
    {"fchmodat2", kFchmodat2, {here, path, 0, 0}},
    {"fchown", SYS_fchown, {file, 1, 1}},
    {"fchownat", SYS_fchownat, {here, path, 1, 1, 0}},
    {"utimensat", SYS_utimensat, {here, path, 0, 0}},
    {"setxattr", SYS_setxattr, {path, at("user.a"), at("b"), 1, 0}},
    {"lsetxattr", SYS_lsetxattr, {path, at("user.a"), at("b"), 1, 0}},
    {"fsetxattr", SYS_fsetxattr, {file, at("user.a"), at("b"), 1, 0}},
    {"removexattr", SYS_removexattr, {path, at("user.a")}},
    {"lremovexattr", SYS_lremovexattr, {path, at("user.a")}},
    {"fremovexattr", SYS_fremovexattr, {file, at("user.a")}},
    {"mknodat", SYS_mknodat, {here, other, S_IFIFO | 0600, 0}},
    {"linkat", SYS_linkat, {here, path, here, other, 0}},
    {"symlinkat", SYS_symlinkat, {path, here, other}},
    {"flock", SYS_flock, {file, 2}},
    {"a lock of a part", SYS_fcntl, {file, F_SETLK, 0}},
    {"a lease", SYS_fcntl, {file, F_SETLEASE, F_WRLCK}},
    {"flags of a file", SYS_ioctl, {file, FS_IOC_SETFLAGS, 0}},
    {"attributes of a file", SYS_ioctl, {file, long(FS_IOC_FSSETXATTR), 0}},
    {"a clone of a file", SYS_ioctl, {file, FICLONE, file}},
    {"mount", SYS_mount, {0, 0, 0, 0, 0}},
    {"mount_setattr", kMountSetattr, {-1, 0, 0, 0, 0}},
    {"chroot", SYS_chroot, {path}},
    {"quotactl", SYS_quotactl, {0, 0, 0, 0}},
    {"name_to_handle_at", SYS_name_to_handle_at, {here, path, 0, 0, 0}},
    {"fanotify_init", SYS_fanotify_init, {0, 0}},
#if defined(__x86_64__)
    {"creat", SYS_creat, {path, 0600}},
    {"open to write, as it was", SYS_open, {path, O_WRONLY}},
    {"a file without a name, as it was", SYS_open, {folder, O_RDWR | O_TMPFILE, 0600}},
    {"rename", SYS_rename, {path, other}},
    {"unlink", SYS_unlink, {path}},
    {"mkdir", SYS_mkdir, {other, 0700}},
    {"open to cut, as it was", SYS_open, {path, O_RDONLY | O_TRUNC}},
    {"chmod", SYS_chmod, {path, 0}},
    {"chown", SYS_chown, {path, 1, 1}},
    {"lchown", SYS_lchown, {path, 1, 1}},
    {"utime", SYS_utime, {path, 0}},
    {"utimes", SYS_utimes, {path, 0}},
    {"futimesat", SYS_futimesat, {here, path, 0}},
    {"mknod", SYS_mknod, {other, S_IFIFO | 0600, 0}},
    {"link", SYS_link, {path, other}},
    {"symlink", SYS_symlink, {path, other}},
#endif
  };
  EXPECT_EQ(not_refused(tries), "");
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 4);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_FALSE(std::filesystem::exists(other_));
  ::close(file);
}

TEST_F(Confined, WritesNotEvenWhatWasOpenBefore) {
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_EQ(in_fork([&] {
              if (!confine_this_process().ok()) return 1;
              return ::write(file, "more", 4) < 0 ? 2 : 3;
            }),
            128 + SIGXFSZ);
  struct stat info {};
  ASSERT_EQ(::fstat(file, &info), 0);
  EXPECT_EQ(info.st_size, 4);
  ::close(file);
}

TEST_F(Confined, ReachesNoOtherProcess) {
  const int self = ::getpid();  // the parent of the one that tries
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const sched_param parameter{};
  const f_owner_ex owner{F_OWNER_PID, self};
  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(0, &processors);
  const std::vector<Try> tries = {
      {"limits of another", SYS_prlimit64, {self, RLIMIT_NOFILE, at(&limit), 0}},
      {"whom a pipe wakes", SYS_fcntl, {ends[0], F_SETOWN, self}},
      {"whom a pipe wakes, extended", SYS_fcntl, {ends[0], F_SETOWN_EX, at(&owner)}},
      {"by which signal", SYS_fcntl, {ends[0], F_SETSIG, SIGKILL}},
      {"changes in a folder", SYS_fcntl, {ends[0], F_NOTIFY, 1}},
      {"whom a device wakes", SYS_ioctl, {ends[0], FIOSETOWN, at(&self)}},
      {"whom a socket wakes", SYS_ioctl, {ends[0], SIOCSPGRP, at(&self)}},
      {"that it wakes", SYS_ioctl, {ends[0], FIOASYNC, at(&self)}},
      {"typing in a terminal", SYS_ioctl, {ends[0], TIOCSTI, at("x")}},
      {"a terminal's group", SYS_ioctl, {ends[0], TIOCSPGRP, at(&self)}},
      {"sched_setaffinity", SYS_sched_setaffinity, {self, sizeof processors, at(&processors)}},
      {"sched_setscheduler", SYS_sched_setscheduler, {self, SCHED_OTHER, at(&parameter)}},
      {"sched_setparam", SYS_sched_setparam, {self, at(&parameter)}},
      {"sched_setattr", SYS_sched_setattr, {self, 0, 0}},
      {"setpriority", SYS_setpriority, {PRIO_PROCESS, self, 0}},
      {"ioprio_set", SYS_ioprio_set, {1, self, 0}},
      {"migrate_pages", SYS_migrate_pages, {self, 0, 0, 0}},
      {"move_pages", SYS_move_pages, {self, 0, 0, 0, 0, 0}},
      {"setpgid", SYS_setpgid, {0, 0}},
      {"setsid", SYS_setsid},
      {"kill", SYS_kill, {self, 0}},
      {"kill all", SYS_kill, {-1, 0}},
      {"tkill", SYS_tkill, {self, 0}},
      {"tgkill", SYS_tgkill, {self, self, 0}},
      {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {self, 0, 0}},
      {"pidfd_open", SYS_pidfd_open, {self, 0}},
      {"pidfd_send_signal", SYS_pidfd_send_signal, {-1, 0, 0, 0}},
      {"pidfd_getfd", SYS_pidfd_getfd, {-1, 0, 0}},
      {"process_madvise", SYS_process_madvise, {-1, 0, 0, 0, 0}},
      {"process_vm_readv", SYS_process_vm_readv, {self, 0, 0, 0, 0, 0}},
      {"process_vm_writev", SYS_process_vm_writev, {self, 0, 0, 0, 0, 0}},
      {"kcmp", SYS_kcmp, {self, self, 0, 0, 0}},
      {"ptrace", SYS_ptrace, {16, self, 0, 0}},
      {"perf_event_open", SYS_perf_event_open, {0, self, -1, -1, 0}},
      {"bpf", SYS_bpf, {-1, 0, 0}},
      {"userfaultfd", SYS_userfaultfd, {0}},
      {"io_uring_setup", SYS_io_uring_setup, {1, 0}},
      {"io_setup", SYS_io_setup, {0, 0}},
      {"keyctl", SYS_keyctl, {0, 0, 0, 0, 0}},
      {"add_key", SYS_add_key, {0, 0, 0, 0, 0}},
      {"clone a process", SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
      {"clone with name spaces",
       SYS_clone,
       {CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNS, 0, 0, 0, 0}},
      {"clone3", SYS_clone3, {0, 0}},
      {"unshare", SYS_unshare, {0}},
      {"setns", SYS_setns, {-1, 0}},
      {"shmget", SYS_shmget, {0, 4096, 0600}},
      {"msgget", SYS_msgget, {0, 0600}},
      {"semget", SYS_semget, {0, 1, 0600}},
      {"mq_open", SYS_mq_open, {at("polder"), O_RDWR, 0, 0}},
      {"syslog", SYS_syslog, {10, 0, 0}},
      {"personality", SYS_personality, {0xffffffff}},
      {"socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
      {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, at(ends)}},
      {"sendmsg", SYS_sendmsg, {-1, 0, 0}},
      {"setsockopt", SYS_setsockopt, {-1, 0, 0, 0, 0}},
      {"a call that is younger than this test", kFutureCall},
  };
  EXPECT_EQ(not_refused(tries), "");
  ::close(ends[0]);
  ::close(ends[1]);
}

// RLIMIT_AS counts what is mapped, not what is written into such files.
TEST_F(Confined, HasNoMemoryBesideItsOwn) {
  EXPECT_EQ(not_refused({{"memfd_create", SYS_memfd_create, {at("x"), 0}},
                         {"memfd_create, as huge pages", SYS_memfd_create, {at("x"), MFD_HUGETLB}},
                         {"memfd_secret", kMemfdSecret, {0}},
                         {"a file of /dev/shm",
                          SYS_openat,
                          {AT_FDCWD, at("/dev/shm/polder-test"), O_RDWR | O_CREAT, 0600}},
                         {"one without a name there",
                          SYS_openat,
                          {AT_FDCWD, at("/dev/shm"), O_RDWR | O_TMPFILE, 0600}}}),
            "");
}

TEST_F(Confined, KeepsWhatItsSupervisorHasSet) {
  EXPECT_EQ(not_refused({{"to outlive it", SYS_prctl, {PR_SET_PDEATHSIG, 0}},
                         {"memory to be read", SYS_prctl, {PR_SET_DUMPABLE, 1}},
                         {"a tracer", SYS_prctl, {PR_SET_PTRACER, -1}},
                         {"orphans", SYS_prctl, {PR_SET_CHILD_SUBREAPER, 1}},
                         {"places of memory", SYS_prctl, {PR_SET_MM, 0}},
                         {"another filter", SYS_seccomp, {0, 0, 0}}}),
            "");
  EXPECT_EQ(in_fork([] {
              if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !confine_this_process().ok()) return 1;
              return ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : 2;
            }),
            0);
}

TEST_F(Confined, GoesFirstWhenMemoryIsShort) {
  EXPECT_EQ(in_fork([] {
              if (!confine_this_process().ok()) return 1;
              const auto text = read_kernel_text("/proc/self/oom_score_adj");
              return text.ok() && *text == "1000\n" ? 0 : 2;
            }),
            0);
}

TEST_F(Confined, WorkGoesOn) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(in_fork([&] {
              if (!confine_this_process().ok()) return 1;
              const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
              if (file < 0) return 2;
              char text[4];
              if (::pread(file, text, 4, 0) != 4 || ::fcntl(file, F_GETFL) < 0) return 3;
              struct stat info {};
              if (::fstat(file, &info) != 0 || info.st_size != 4) return 4;
              if (::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0) return 5;
              if (::write(ends[1], "x", 1) != 1 || ::read(ends[0], text, 1) != 1) return 6;
              // A stream asks whether it is a terminal.
              if (::isatty(file) != 0 || errno != ENOTTY) return 8;
              rlimit limit{};
              if (::getrlimit(RLIMIT_AS, &limit) != 0) return 9;
              if (::prctl(PR_SET_NAME, "worker") != 0) return 10;
              void* page =
                  ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              if (page == MAP_FAILED || ::mprotect(page, 4096, PROT_READ) != 0) return 11;
              return ::kill(::getpid(), 0) == 0 ? 0 : 12;
            }),
            0);
}

// Of the same user, which a worker is of its agent.
TEST_F(Confined, AHiddenProcessIsNotRead) {
  EXPECT_EQ(in_fork([] {
              constexpr unsigned kNobody = 65534;
              if (::getuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) return 1;
              if (::prctl(PR_SET_DUMPABLE, 1) != 0) return 2;
              const auto memory_of_child = [](bool is_hidden) {
                int ends[2];
                if (::pipe2(ends, O_CLOEXEC) != 0) return -2;
                const pid_t child = ::fork();
                if (child == 0) {
                  if (is_hidden) hide_this_process();
                  if (::write(ends[1], "x", 1) == 1) ::pause();
                  ::_exit(1);
                }
                char told = 0;
                const bool was_told = ::read(ends[0], &told, 1) == 1;
                const std::string path = "/proc/" + std::to_string(child) + "/mem";
                const int memory = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
                ::kill(child, SIGKILL);
                ::waitpid(child, nullptr, 0);
                return was_told ? memory : -2;
              };
              if (memory_of_child(false) < 0) return 77;  // where nobody may, nothing is shown
              return memory_of_child(true) == -1 ? 0 : 3;
            }),
            0);
}

}  // namespace
}  // namespace polder
