// What lies in a folder, link by link and without following any.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace polder {

enum class EntryKind : std::uint8_t { kFile, kFolder, kLink, kOther };

struct FolderEntry {
  std::string path;  // below the folder, with '/': "blobs/sha256/ab"
  EntryKind kind = EntryKind::kFile;
  std::uint64_t bytes = 0;  // of a file
};

inline constexpr int kMaxFolderDepth = 32;

// Everything below the folder, folders themselves too, ordered by the parts of their paths. Links
// are listed, not followed. Errors: kNotFound, kInvalid when it is no folder, kExhausted above
// `max_count` entries or kMaxFolderDepth, kIo.
Result<std::vector<FolderEntry>> walk_folder(const std::string& folder, std::size_t max_count);

// Where `path`, which need not exist, lies below the folder, every link resolved; empty when it
// lies elsewhere. Errors: kNotFound when there is no such folder.
Result<std::string> path_below(const std::string& folder, const std::string& path);

// Whether both lead to one file that is there, by device and inode.
bool is_same_file(const std::string& a, const std::string& b);

// Of the path itself, not of what a link leads to. Errors: kNotFound, kIo, kDenied.
Result<EntryKind> entry_kind(const std::string& path);

// Whether a file is one that a process had not given its name yet when it was killed (DiskStore).
// Where that process is surely gone it may be removed.
bool is_leftover(std::string_view path);

// Removes all that is in it; links are removed, not followed. While nobody writes there. Errors:
// kDenied, kIo.
Status empty_folder(const std::string& folder);

// The same, and then the folder itself; fine if it is not there.
Status remove_folder(const std::string& folder);

// A folder that is being filled. It appears under its name at commit(), complete; without commit
// the destructor removes every trace. Until then it is called PATH.new0, or with a higher number
// where that is taken; a process that is killed meanwhile leaves it so, and nothing uses or removes
// it. Not thread-safe.
class NewFolder {
 public:
  // A folder beside `path`, which must not be there. Errors: kDenied when something is; kNotFound
  // without the folder that it goes into; kIo.
  static Result<NewFolder> create(const std::string& path);
  NewFolder(NewFolder&& other) noexcept;
  NewFolder& operator=(NewFolder&&) = delete;
  ~NewFolder();
  // Where to put what goes in.
  const std::string& path() const { return path_; }
  // After success the name is on the disk, too. Errors: kDenied when something of that name has
  // come meanwhile; kIo.
  Status commit();

 private:
  NewFolder(std::string target, std::string path)
      : target_(std::move(target)), path_(std::move(path)) {}
  std::string target_, path_;  // path_ is empty when there is nothing to remove
};

}  // namespace polder
