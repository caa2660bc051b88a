#include "agent/output_bounds.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "agent/kept_output.h"
#include "base/fail.h"
#include "platform/folder.h"

namespace polder::agent {
namespace {

namespace fs = std::filesystem;

// A file may come while another goes.
constexpr std::size_t kMaxEntries = kMaxKeptFiles + 100;

struct OldFile {
  fs::file_time_type time;
  std::uint64_t bytes = 0;
  fs::path path;
};

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
  std::error_code error;
  std::vector<OldFile> files;
  std::uint64_t bytes = 0;
  std::vector<fs::path> others;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code none;
    if (at->symlink_status(none).type() != fs::file_type::regular) {
      others.push_back(at->path());
      continue;
    }
    files.push_back({at->last_write_time(none), at->file_size(none), at->path()});
    bytes += files.back().bytes;
  }
  for (const fs::path& path : others) {
    if (!error) fs::remove_all(path, error);
  }
  std::ranges::sort(files, {}, &OldFile::time);
  std::size_t left = files.size();
  for (const OldFile& file : files) {
    if (error || (bytes <= cap_bytes && left <= kMaxKeptFiles)) break;
    fs::remove(file.path, error);
    bytes -= std::min(bytes, file.bytes);
    --left;
  }
  if (error) return fail(Code::kIo, "{}: cannot make room: {}", folder, error.message());
  return {};
}

}  // namespace polder::agent
