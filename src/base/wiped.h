// Bytes that must not stay in memory once they have done their work: a key on its way to a process.
// Copies are wiped as well, each at its end. trust::Secret cannot be copied and is for all else.
#pragma once

#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace polder {

// Zero bytes, whatever the compiler thinks of it.
inline void wipe(std::span<char> bytes) {
  if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

class WipedBytes {
 public:
  WipedBytes() = default;
  explicit WipedBytes(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  WipedBytes(const WipedBytes&) = default;
  WipedBytes(WipedBytes&& other) noexcept { bytes_.swap(other.bytes_); }
  WipedBytes& operator=(WipedBytes other) noexcept {
    bytes_.swap(other.bytes_);
    return *this;
  }
  ~WipedBytes() { wipe(bytes_); }

  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool operator==(const WipedBytes&) const = default;

 private:
  std::vector<char> bytes_;
};

}  // namespace polder
