// Bytes that must not stay in memory: a passphrase, the file of a private key, an agreed secret.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace polder::trust {

// Owns a fixed number of bytes and wipes them at its end. It cannot be copied; copy() does so where
// that is meant.
class Secret {
 public:
  Secret() = default;
  // `size` zero bytes.
  explicit Secret(std::size_t size);
  static Secret copy(std::string_view bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  std::string_view view() const { return {bytes_.get(), size_}; }
  std::span<char> span() { return {bytes_.get(), size_}; }
  unsigned char* data() { return reinterpret_cast<unsigned char*>(bytes_.get()); }
  const unsigned char* data() const { return reinterpret_cast<const unsigned char*>(bytes_.get()); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Keeps the first `size` bytes, at most size(), and wipes the others.
  void shrink(std::size_t size);

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace polder::trust
