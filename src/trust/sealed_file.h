// Sealed files: encrypted for a group of devices, so that a copy is of no use to anybody else.
//
//   TRY_VALUE(const ContentKey key, seal_file(*plan, *output));         // on the workbench
//   SealedKeys keys(key);
//   for (const PublicKey& device : devices) TRY(keys.add(key, device));
//
//   TRY_VALUE(const ContentKey key, keys.open(*decrypter));             // on the device
//   TRY_VALUE(const SealedFile file, SealedFile::open(*blob, key));
//   TRY_VALUE(const PrivateMemory plan, file.open_all());
//
// The sealed file, numbers little-endian:
//
//   offset 0   "POLDSEAL"
//          8   u32 format, 1
//         12   u32 bytes of plaintext in a segment, 65,536
//         16   u64 bytes of plaintext
//         24   u64 zero
//         32   file id, 32 bytes: HKDF-SHA-256 of the content key, so that it commits to the key
//         64   segments: ciphertext, then a tag of 16 bytes; all but the last one full
//
// Segment i is AES-256-GCM under the content key, which is random and serves this file alone. Its
// nonce is 7 zero bytes, i as u32 in big-endian order, and 1 for the last segment, else 0 (the
// STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015); its additional data is the
// header. So a segment opens only in its place in its file, and neither the number of segments nor
// the header can be changed. An empty file has one segment, of nothing.
//
// Any segment can be read alone: segment i begins at 64 + i * 65,552. With the content key a
// segment can be made again from its plaintext, byte for byte: whoever has most of a new version's
// plaintext need not fetch those segments.
//
// Beside it, PATH.keys holds the content key for each recipient, and may grow without a change of
// the sealed file (SealedKeys).
#pragma once

#include <polder/error.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "platform/file.h"
#include "platform/private_memory.h"
#include "platform/random_access.h"
#include "trust/digest.h"
#include "trust/gcm.h"
#include "trust/key.h"
#include "trust/secret.h"
#include "trust/unwrap.h"

namespace polder::trust {

inline constexpr std::size_t kSealedHeaderBytes = 64;
inline constexpr std::size_t kSegmentBytes = 64 * 1024;  // of plaintext
inline constexpr std::size_t kSealedSegmentBytes = kSegmentBytes + kGcmTagBytes;
inline constexpr std::uint64_t kMaxSealedBytes = std::uint64_t(64) << 30;  // of plaintext
inline constexpr std::size_t kMaxRecipients = 10'000;

// What encrypts one file, and the id that it gives the file.
class ContentKey {
 public:
  static constexpr std::size_t kBytes = 32;
  static Result<ContentKey> generate();
  // 32 bytes.
  static Result<ContentKey> from_bytes(Secret bytes);
  const Secret& bytes() const { return bytes_; }
  const Sha256& file_id() const { return file_id_; }

 private:
  ContentKey(Secret bytes, Sha256 file_id) : bytes_(std::move(bytes)), file_id_(file_id) {}
  Secret bytes_;
  Sha256 file_id_;
};

struct SealedHeader {
  std::uint64_t plaintext_bytes = 0;
  Sha256 file_id{};

  std::string bytes() const;
  // Errors: kCorrupt; kIncompatible for another format; kExhausted above kMaxSealedBytes.
  static Result<SealedHeader> parse(std::string_view bytes, std::string_view where);
  std::uint64_t segments() const;
  // Of the plaintext of a segment.
  std::size_t segment_bytes(std::uint64_t index) const;
  // Of the whole sealed file.
  std::uint64_t file_bytes() const;
};

// Encrypts segments of one file. Not thread-safe.
class SegmentSealer {
 public:
  // `key` must be new, or that with which the file was sealed.
  static Result<SegmentSealer> create(const ContentKey& key, std::uint64_t plaintext_bytes);
  const SealedHeader& header() const { return header_; }
  // `plaintext` is all of the segment; `out` takes 16 bytes more.
  Status seal(std::uint64_t index, std::string_view plaintext, std::span<char> out);

 private:
  SegmentSealer(SealedHeader header, Gcm gcm)
      : header_(header), header_bytes_(header.bytes()), gcm_(std::move(gcm)) {}
  SealedHeader header_;
  std::string header_bytes_;
  Gcm gcm_;
};

// Seals a whole file under a new key; the caller commits `out`. Memory: two segments.
Result<ContentKey> seal_file(const ReadableFile& plain, OutputFile& out);
// The same under a key that seals nothing else.
Status seal_file(const ReadableFile& plain, OutputFile& out, const ContentKey& key);

// A sealed file and its key. Borrows the file. Not thread-safe.
class SealedFile {
 public:
  // Errors: kDenied when the key is another file's; kCorrupt, kIncompatible or kExhausted for a
  // header that cannot be, or that the length of the file contradicts.
  static Result<SealedFile> open(const ReadableFile& file, const ContentKey& key);
  const SealedHeader& header() const { return header_; }
  // `out` takes header().segment_bytes(index) bytes, which are authentic when this succeeds and
  // zero when it does not. Errors: kCorrupt, naming the segment.
  Status read_segment(std::uint64_t index, std::span<char> out);
  // The whole plaintext in memory that nothing else sees, read-only, aligned to a page. Errors:
  // kExhausted above `max_bytes` or without memory; as read_segment().
  Result<PrivateMemory> open_all(std::uint64_t max_bytes = kMaxSealedBytes);
  // The whole plaintext into a file, which the caller commits. Memory: two segments. Errors: as
  // read_segment(); those of the file.
  Status write_to(OutputFile& out);

 private:
  SealedFile(const ReadableFile& file, SealedHeader header, Gcm gcm)
      : file_(&file), header_(header), header_bytes_(header.bytes()), gcm_(std::move(gcm)) {}
  const ReadableFile* file_;
  SealedHeader header_;
  std::string header_bytes_;
  Gcm gcm_;
  std::string sealed_;  // a segment as it was read
};

// The file id of a sealed file, without any key. Errors: as SealedFile::open().
Result<SealedHeader> read_sealed_header(const ReadableFile& file);

std::string sealed_keys_path(const std::string& sealed_path);

// The content key of a sealed file, wrapped for each recipient by HPKE (trust/hpke.h); numbers
// little-endian:
//
//   offset 0   "POLDKEYS"
//          8   u32 format, 1
//         12   u32 number of recipients
//         16   file id, 32 bytes
//         48   recipients by rising id, 145 bytes each: id, SHA-256 of the uncompressed point
//              (32); ephemeral public key (65); wrapped key (48)
//       then   SHA-256 of all before, against damage: nobody's signature is needed here, as a
//              content key that does not fit the file id opens nothing
class SealedKeys {
 public:
  explicit SealedKeys(const ContentKey& key) : file_id_(key.file_id()) {}
  // Errors: kCorrupt; kIncompatible; kExhausted above kMaxRecipients.
  static Result<SealedKeys> parse(std::string bytes, std::string_view where);
  std::string bytes() const;

  const Sha256& file_id() const { return file_id_; }
  std::size_t count() const { return records_.size() / kRecordBytes; }
  bool has(const PublicKey& recipient) const;
  // Wraps the key for another recipient; for one that is there already nothing changes. Errors:
  // kInvalid for a key that is not on P-256 or is another file's; kExhausted above kMaxRecipients.
  Status add(const ContentKey& key, const PublicKey& recipient);
  // Errors: kDenied when this key is no recipient; as hpke_open().
  Result<ContentKey> open(Decrypter& recipient) const;

  static constexpr std::size_t kRecordBytes = 145;
  static constexpr std::size_t kMaxBytes = 48 + kMaxRecipients * kRecordBytes + 32;

 private:
  explicit SealedKeys(const Sha256& file_id) : file_id_(file_id) {}
  // Where the record of an id is, or would be: its offset in records_.
  std::size_t place_of(const Sha256& id) const;
  bool is_at(std::size_t place, const Sha256& id) const;

  Sha256 file_id_;
  std::string records_;
};

}  // namespace polder::trust
