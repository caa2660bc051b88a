#include "trust/tuf_folder.h"

#include "platform/file.h"

namespace polder::trust::tuf {

Result<std::string> FolderStore::read(const std::string& name, std::size_t cap_bytes) {
  return read_file(folder_ + "/" + name, cap_bytes);
}

Status FolderStore::replace(const std::string& name, std::string_view bytes) {
  return write_file_atomic(folder_ + "/" + name, bytes);
}

Status FolderStore::remove(const std::string& name) { return remove_file(folder_ + "/" + name); }

}  // namespace polder::trust::tuf
