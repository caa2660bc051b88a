// What lies in a folder, link by link and without following any.
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <cstdint>
#include <string>
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

// Of the path itself, not of what a link leads to. Errors: kNotFound, kIo, kDenied.
Result<EntryKind> entry_kind(const std::string& path);

}  // namespace polder
