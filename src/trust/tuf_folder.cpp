#include "trust/tuf_folder.h"

#include "base/fail.h"
#include "platform/file.h"
#include "trust/digest.h"

namespace polder::trust::tuf {

namespace {

// The name of a file, of a relative URL as Updater makes it.
std::string percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? from_hex(text.substr(i + 1, 2)) : Result(std::string());
    if (byte && byte->size() == 1) {
      result += *byte;
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

Result<std::string> FolderStore::read(const std::string& name, std::size_t cap_bytes) {
  return read_file(folder_ + "/" + name, cap_bytes);
}

Status FolderStore::replace(const std::string& name, std::string_view bytes) {
  return write_file_atomic(folder_ + "/" + name, bytes);
}

Status FolderStore::remove(const std::string& name) { return remove_file(folder_ + "/" + name); }

// Of links only those that stay in the folder are followed: a stick may hold anything.
Result<std::string> FolderFetcher::fetch_metadata(const std::string& name, std::size_t cap_bytes) {
  TRY_VALUE(const std::string path, resolve_within(metadata_folder_, percent_decoded(name)));
  return read_file(path, cap_bytes);
}

Status FolderFetcher::fetch_target(const std::string& name, std::int64_t cap_bytes,
                                   const Sink& sink) {
  TRY_VALUE(const std::string path, resolve_within(targets_folder_, percent_decoded(name)));
  TRY_VALUE([[maybe_unused]] const std::uint64_t bytes,
            stream_file(path, std::uint64_t(cap_bytes), sink));
  return {};
}

}  // namespace polder::trust::tuf
