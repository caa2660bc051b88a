// A file for a while.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

namespace polder {

// An empty file of its own in the temporary folder ($TMPDIR, or /tmp), removed by the destructor.
class TemporaryFile {
 public:
  // `suffix` ends the name: ".plan". Errors name the folder.
  static Result<TemporaryFile> create(std::string_view suffix);
  TemporaryFile(TemporaryFile&& other) noexcept;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile();
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

}  // namespace polder
