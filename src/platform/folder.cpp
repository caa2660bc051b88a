#include "platform/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/fail.h"
#include "platform/descriptor.h"
#include "platform/os_error.h"

namespace polder {

namespace {

namespace fs = std::filesystem;

EntryKind kind_of(const fs::file_status& status) {
  switch (status.type()) {
    case fs::file_type::regular: return EntryKind::kFile;
    case fs::file_type::directory: return EntryKind::kFolder;
    case fs::file_type::symlink: return EntryKind::kLink;
    default: return EntryKind::kOther;
  }
}

class Walk {
 public:
  Walk(fs::path root, std::size_t max_count) : root_(std::move(root)), max_count_(max_count) {}

  // Entries of root/`below` and of the folders in it.
  Status add(const std::string& below, int depth) {
    if (depth > kMaxFolderDepth) {
      return fail(Code::kExhausted, "{}: folders more than {} deep", (root_ / below).string(),
                  kMaxFolderDepth);
    }
    TRY_VALUE(std::vector<FolderEntry> here, entries_of(below));
    for (FolderEntry& entry : here) {
      const std::string path = entry.path;
      const bool is_folder = entry.kind == EntryKind::kFolder;
      entries_.push_back(std::move(entry));
      if (is_folder) TRY(add(path, depth + 1));
    }
    return {};
  }
  std::vector<FolderEntry> take() { return std::move(entries_); }

 private:
  Result<std::vector<FolderEntry>> entries_of(const std::string& below) {
    std::vector<FolderEntry> here;
    std::error_code error;
    fs::directory_iterator entry(root_ / below, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      if (++count_ > max_count_) {
        return fail(Code::kExhausted, "{}: more than {} entries", root_.string(), max_count_);
      }
      const std::string name = entry->path().filename().string();
      FolderEntry found{below.empty() ? name : fmt::format("{}/{}", below, name),
                        kind_of(entry->symlink_status(error))};
      if (!error && found.kind == EntryKind::kFile) found.bytes = entry->file_size(error);
      if (error == std::errc::no_such_file_or_directory) {  // it has gone meanwhile
        error.clear();
        continue;
      }
      if (error) return os_error(entry->path().string(), "stat", error.value());
      here.push_back(std::move(found));
    }
    if (error) return os_error((root_ / below).string(), "list", error.value());
    std::sort(here.begin(), here.end(),
              [](const FolderEntry& a, const FolderEntry& b) { return a.path < b.path; });
    return here;
  }

  fs::path root_;
  std::size_t max_count_, count_ = 0;
  std::vector<FolderEntry> entries_;
};

}  // namespace

Result<std::string> path_below(const std::string& folder, const std::string& path) {
  std::error_code error;
  const fs::path base = fs::canonical(folder, error);
  if (error) return os_error(folder, "open", error.value());
  const fs::path whole = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return os_error(path, "open", error.value());
  const auto [in_base, in_whole] =
      std::mismatch(base.begin(), base.end(), whole.begin(), whole.end());
  if (in_base != base.end() || in_whole == whole.end()) return std::string();
  return whole.lexically_relative(base).string();
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

Status empty_folder(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> all;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    all.push_back(at->path());
  for (const fs::path& path : all) {
    if (!error) fs::remove_all(path, error);
  }
  if (error) return os_error(folder, "empty", error.value());
  return {};
}

Status remove_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  return error ? Status(os_error(folder, "remove", error.value())) : Status();
}

Result<EntryKind> entry_kind(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) return os_error(path, "open", ENOENT);
  if (error) return os_error(path, "stat", error.value());
  return kind_of(status);
}

Result<std::vector<FolderEntry>> walk_folder(const std::string& folder, std::size_t max_count) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) return os_error(folder, "open", ENOENT);
  if (error) return os_error(folder, "stat", error.value());
  if (status.type() != fs::file_type::directory) {
    return fail(Code::kInvalid, "{}: a folder is expected, this is none", folder);
  }
  Walk walk(folder, max_count);
  TRY(walk.add("", 1));
  return walk.take();
}

Result<NewFolder> NewFolder::create(const std::string& path) {
  std::string target = path;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  std::error_code error;
  if (fs::exists(fs::symlink_status(target, error))) {
    return fail(Code::kDenied, "{}: there is something of that name; nothing is overwritten",
                target);
  }
  constexpr int kTries = 100;  // of others that are being filled, or were left behind
  for (int i = 0; i < kTries; ++i) {
    std::string made = fmt::format("{}.new{}", target, i);
    if (::mkdir(made.c_str(), 0777) == 0) return NewFolder(std::move(target), std::move(made));
    if (errno != EEXIST) break;
  }
  return os_error(target, "make the folder", errno);
}

NewFolder::NewFolder(NewFolder&& other) noexcept
    : target_(std::move(other.target_)), path_(std::exchange(other.path_, {})) {}

NewFolder::~NewFolder() {
  std::error_code error;
  if (!path_.empty()) fs::remove_all(path_, error);
}

Status NewFolder::commit() {
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
    // File systems that do not know that flag; rename() replaces no folder with something in it.
    if (errno != EINVAL || ::rename(path_.c_str(), target_.c_str()) != 0) {
      return errno == EEXIST || errno == ENOTEMPTY
                 ? fail(Code::kDenied, "{}: something of that name has come meanwhile", target_)
                 : os_error(target_, "make the folder", errno);
    }
  }
  path_.clear();
  const std::size_t slash = target_.rfind('/');
  const std::string parent =
      slash == std::string::npos ? "." : target_.substr(0, std::max<std::size_t>(slash, 1));
  const Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL)
    return os_error(target_, "sync", errno);
  return {};
}

}  // namespace polder
