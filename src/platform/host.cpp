#include "platform/host.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fail.h"

namespace polder {
namespace {

constexpr std::size_t kMaxTextBytes = 16 << 20;
constexpr std::size_t kBlockBytes = 16 << 10;

Error os_error(const std::string& path, std::string_view action) {
  const int number = errno;
  const Code code = number == ENOENT   ? Code::kNotFound
                    : number == EACCES ? Code::kDenied
                                       : Code::kIo;
  return fail(code, "{}: cannot {}: {}", path, action, std::strerror(number));
}

Result<std::string> read_to_end(int fd, const std::string& path) {
  std::string text;
  std::size_t used = 0;
  while (used <= kMaxTextBytes) {
    text.resize(used + kBlockBytes);
    const ssize_t got = ::read(fd, text.data() + used, kBlockBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "read");
    used += static_cast<std::size_t>(got);
    if (got == 0) return text.resize(used), text;
  }
  return fail(Code::kExhausted, "{}: more than {} bytes", path, kMaxTextBytes);
}

}  // namespace

int usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::max(1, CPU_COUNT(&allowed));
}

HostFacts host_facts() {
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN), pages = ::sysconf(_SC_PHYS_PAGES),
             page_bytes = ::sysconf(_SC_PAGESIZE);
  HostFacts facts{
      .architecture = {},
      .kernel = {},
      .cpus = std::uint32_t(std::max(cpus, 0L)),
      .memory_bytes = std::uint64_t(std::max(pages, 0L)) * std::uint64_t(std::max(page_bytes, 0L))};
  if (utsname names{}; ::uname(&names) == 0) {
    facts.architecture = names.machine;
    facts.kernel = names.release;
  }
  return facts;
}

Result<std::string> read_kernel_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error(path, "open");
  auto text = read_to_end(fd, path);
  ::close(fd);
  return text;
}

namespace {

// Of one program or library: what is only read or run is as it lies in the file.
int release_pages(dl_phdr_info* object, std::size_t, void*) {
  const std::uintptr_t page = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  if (std::string_view(object->dlpi_name).starts_with("linux-vdso")) return 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + part.p_vaddr) / page * page;
    const std::uintptr_t end = object->dlpi_addr + part.p_vaddr + part.p_filesz;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void release_idle_memory() {
  ::malloc_trim(0);
  ::dl_iterate_phdr(release_pages, nullptr);
}

}  // namespace polder
