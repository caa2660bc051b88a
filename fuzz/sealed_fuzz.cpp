// Sealed files and their keys of any bytes: the plaintext that was sealed, or an error, never a
// crash, nor memory for what is not there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "trust/sealed_file.h"
#include "trust_seeds.h"

namespace {

using namespace polder;
using namespace polder::trust;

// Nothing but runs of x was ever sealed with the key.
void open_file(const std::string& bytes, const ContentKey& key) {
  const MemoryAppendFile file(bytes);
  if (const auto header = read_sealed_header(file); header.ok()) {
    POLDER_CHECK(header->file_bytes() == bytes.size());
    POLDER_CHECK(header->bytes() == bytes.substr(0, kSealedHeaderBytes));
  }
  auto sealed = SealedFile::open(file, key);
  if (!sealed.ok()) return;
  const auto memory = sealed->open_all(1 << 20);
  if (!memory.ok()) return;
  const auto plain = memory->bytes();
  POLDER_CHECK(plain.size() == 0 || plain.size() == 100);
  POLDER_CHECK(
      std::all_of(plain.begin(), plain.end(), [](std::byte b) { return b == std::byte('x'); }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ContentKey key = fuzz::content_key();
  static const auto recipient = fuzz::sealed_recipient();
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  open_file(bytes, key);
  // The checksum of the keys made to fit, so that what lies behind it is reached too.
  std::string fitting = bytes;
  if (size > 32) {
    const Sha256 checksum = sha256(std::string_view(bytes).substr(0, size - 32));
    std::copy(checksum.begin(), checksum.end(), fitting.end() - 32);
  }
  auto keys = SealedKeys::parse(fitting, "fuzz");
  if (!keys.ok()) return 0;
  POLDER_CHECK(keys->bytes() == fitting);
  POLDER_CHECK(keys->count() <= kMaxRecipients);
  if (keys->has(recipient->public_key())) (void)keys->open(*recipient);
  return 0;
}
