#include "agent/output_bounds.h"

#include "agent/kept_output.h"
#include "base/fail.h"
#include "platform/folder.h"

namespace polder::agent {
namespace {

// A file may come while another goes.
constexpr std::size_t kMaxEntries = kMaxKeptFiles + 100;

}  // namespace

Status check_output(const std::string& folder, std::uint64_t cap_bytes) {
  const auto entries = walk_folder(folder, kMaxEntries);
  if (!entries.ok()) {
    // What else hinders reading it, a file that has just gone among others, says nothing of its
    // size.
    if (entries.error().code != Code::kExhausted) return {};
    return Error(entries.error());
  }
  std::uint64_t bytes = 0;
  for (const FolderEntry& entry : *entries) bytes += entry.bytes;
  if (bytes <= cap_bytes + cap_bytes / 2) return {};
  return fail(Code::kExhausted, "{}: holds {} bytes, {} are allowed ([output] megabytes)", folder,
              bytes, cap_bytes);
}

Status trim_output(const std::string& folder, std::uint64_t cap_bytes) {
  return trim_folder(folder, cap_bytes, kMaxKeptFiles);
}

}  // namespace polder::agent
