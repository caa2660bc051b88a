#include "trust/secret.h"

#include <openssl/crypto.h>

#include <cstring>
#include <utility>

#include "base/check.h"

namespace polder::trust {

Secret::Secret(std::size_t size) : bytes_(std::make_unique<char[]>(size)), size_(size) {}

Secret Secret::copy(std::string_view bytes) {
  Secret secret(bytes.size());
  if (!bytes.empty()) std::memcpy(secret.data(), bytes.data(), bytes.size());
  return secret;
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

// shrink() has wiped what lies beyond.
Secret::~Secret() {
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get(), size_);
}

void Secret::shrink(std::size_t size) {
  POLDER_CHECK(size <= size_);
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get() + size, size_ - size);
  size_ = size;
}

}  // namespace polder::trust
