#include "trust/sealed_file.h"

#include <openssl/rand.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/fail.h"
#include "trust/hkdf.h"
#include "trust/hpke.h"

namespace polder::trust {

namespace {

static_assert(std::endian::native == std::endian::little);
constexpr char kMagic[] = "POLDSEAL";
constexpr std::uint32_t kFormat = 1;
constexpr std::string_view kIdInfo = "polder sealed file 1: file id";

template <class T>
T number_at(std::string_view bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::array<char, kGcmNonceBytes> nonce_of(std::uint64_t index, bool last) {
  std::array<char, kGcmNonceBytes> nonce{};
  for (int i = 0; i < 4; ++i) nonce[std::size_t(7 + i)] = char(index >> (24 - 8 * i));
  nonce[11] = last ? 1 : 0;
  return nonce;
}

}  // namespace

Result<ContentKey> ContentKey::generate() {
  Secret bytes(kBytes);
  if (RAND_priv_bytes(bytes.data(), int(kBytes)) != 1) {
    return fail(Code::kUnavailable, "no random numbers: {}", openssl_reason());
  }
  return from_bytes(std::move(bytes));
}

Result<ContentKey> ContentKey::from_bytes(Secret bytes) {
  if (bytes.size() != kBytes) {
    return fail(Code::kCorrupt, "a content key of {} bytes expected, {} found", kBytes,
                bytes.size());
  }
  TRY_VALUE(const Secret id, hkdf("", bytes.view(), kIdInfo, sizeof(Sha256)));
  Sha256 file_id;
  std::memcpy(file_id.data(), id.data(), file_id.size());
  return ContentKey(std::move(bytes), file_id);
}

std::string SealedHeader::bytes() const {
  std::string bytes(kSealedHeaderBytes, '\0');
  const std::uint32_t numbers[] = {kFormat, std::uint32_t(kSegmentBytes)};
  std::memcpy(bytes.data(), kMagic, 8);
  std::memcpy(bytes.data() + 8, numbers, sizeof numbers);
  std::memcpy(bytes.data() + 16, &plaintext_bytes, sizeof plaintext_bytes);
  std::memcpy(bytes.data() + 32, file_id.data(), file_id.size());
  return bytes;
}

Result<SealedHeader> SealedHeader::parse(std::string_view bytes, std::string_view where) {
  if (bytes.size() < kSealedHeaderBytes || bytes.substr(0, 8) != kMagic) {
    return fail(Code::kCorrupt, "{}: no sealed file: {} bytes that begin with {} expected", where,
                kSealedHeaderBytes, kMagic);
  }
  if (number_at<std::uint32_t>(bytes, 8) != kFormat ||
      number_at<std::uint32_t>(bytes, 12) != kSegmentBytes) {
    return fail(Code::kIncompatible,
                "{}: sealed in format {} with segments of {} bytes; this build reads format {} "
                "with {}",
                where, number_at<std::uint32_t>(bytes, 8), number_at<std::uint32_t>(bytes, 12),
                kFormat, kSegmentBytes);
  }
  SealedHeader header;
  header.plaintext_bytes = number_at<std::uint64_t>(bytes, 16);
  std::memcpy(header.file_id.data(), bytes.data() + 32, header.file_id.size());
  if (header.plaintext_bytes > kMaxSealedBytes) {
    return fail(Code::kExhausted, "{}: {} bytes sealed; {} at most", where, header.plaintext_bytes,
                kMaxSealedBytes);
  }
  if (header.bytes() != bytes.substr(0, kSealedHeaderBytes)) {
    return fail(Code::kCorrupt, "{}: the header's reserved bytes are not zero", where);
  }
  return header;
}

std::uint64_t SealedHeader::segments() const {
  return plaintext_bytes == 0 ? 1 : (plaintext_bytes - 1) / kSegmentBytes + 1;
}

std::size_t SealedHeader::segment_bytes(std::uint64_t index) const {
  POLDER_CHECK(index < segments());
  return std::size_t(
      std::min<std::uint64_t>(kSegmentBytes, plaintext_bytes - index * kSegmentBytes));
}

std::uint64_t SealedHeader::file_bytes() const {
  return kSealedHeaderBytes + plaintext_bytes + segments() * kGcmTagBytes;
}

Result<SegmentSealer> SegmentSealer::create(const ContentKey& key, std::uint64_t plaintext_bytes) {
  if (plaintext_bytes > kMaxSealedBytes) {
    return fail(Code::kExhausted, "{} bytes to seal; {} at most", plaintext_bytes, kMaxSealedBytes);
  }
  TRY_VALUE(Gcm gcm, Gcm::create(Gcm::Direction::kEncrypt, key.bytes().view()));
  return SegmentSealer({plaintext_bytes, key.file_id()}, std::move(gcm));
}

Status SegmentSealer::seal(std::uint64_t index, std::string_view plaintext, std::span<char> out) {
  POLDER_CHECK(plaintext.size() == header_.segment_bytes(index));
  const auto nonce = nonce_of(index, index + 1 == header_.segments());
  return gcm_.seal({nonce.data(), nonce.size()}, header_bytes_, plaintext, out);
}

Result<ContentKey> seal_file(const ReadableFile& plain, OutputFile& out) {
  TRY_VALUE(ContentKey key, ContentKey::generate());
  TRY(seal_file(plain, out, key));
  return key;
}

Status seal_file(const ReadableFile& plain, OutputFile& out, const ContentKey& key) {
  TRY_VALUE(SegmentSealer sealer, SegmentSealer::create(key, plain.size()));
  TRY(out.write(sealer.header().bytes()));
  Secret segment(kSegmentBytes);
  std::string sealed(kSealedSegmentBytes, '\0');
  for (std::uint64_t i = 0; i < sealer.header().segments(); ++i) {
    const std::size_t size = sealer.header().segment_bytes(i);
    TRY(plain.read(i * kSegmentBytes, segment.span().first(size)));
    const std::span<char> place(sealed.data(), size + kGcmTagBytes);
    TRY(sealer.seal(i, segment.view().substr(0, size), place));
    TRY(out.write({place.data(), place.size()}));
  }
  return {};
}

Result<SealedHeader> read_sealed_header(const ReadableFile& file) {
  std::array<char, kSealedHeaderBytes> bytes;
  const std::size_t size = std::size_t(std::min<std::uint64_t>(bytes.size(), file.size()));
  TRY(file.read(0, std::span(bytes).first(size)));
  TRY_VALUE(const SealedHeader header, SealedHeader::parse({bytes.data(), size}, file.path()));
  if (file.size() != header.file_bytes()) {
    return fail(Code::kCorrupt, "{}: truncated or extended: {} bytes expected, {} found",
                file.path(), header.file_bytes(), file.size());
  }
  return header;
}

Result<SealedFile> SealedFile::open(const ReadableFile& file, const ContentKey& key) {
  TRY_VALUE(const SealedHeader header, read_sealed_header(file));
  if (header.file_id != key.file_id()) {
    return fail(Code::kDenied,
                "{}: the key is that of another sealed file (or the header was "
                "changed)",
                file.path());
  }
  TRY_VALUE(Gcm gcm, Gcm::create(Gcm::Direction::kDecrypt, key.bytes().view()));
  return SealedFile(file, header, std::move(gcm));
}

Status SealedFile::read_segment(std::uint64_t index, std::span<char> out) {
  const std::size_t size = header_.segment_bytes(index);
  POLDER_CHECK(out.size() == size);
  sealed_.resize(size + kGcmTagBytes);
  TRY(file_->read(kSealedHeaderBytes + index * kSealedSegmentBytes, sealed_));
  const auto nonce = nonce_of(index, index + 1 == header_.segments());
  if (gcm_.open({nonce.data(), nonce.size()}, header_bytes_, sealed_, out)) return {};
  return fail(Code::kCorrupt,
              "{}: segment {} of {} was changed, or is not the one that was sealed there; fetch "
              "the file again",
              file_->path(), index, header_.segments());
}

Status SealedFile::write_to(OutputFile& out) {
  Secret segment(kSegmentBytes);
  for (std::uint64_t i = 0; i < header_.segments(); ++i) {
    const std::size_t size = header_.segment_bytes(i);
    TRY(read_segment(i, segment.span().first(size)));
    TRY(out.write(segment.view().substr(0, size)));
  }
  return {};
}

Result<PrivateMemory> SealedFile::open_all(std::uint64_t max_bytes) {
  if (header_.plaintext_bytes > std::min<std::uint64_t>(max_bytes, SIZE_MAX)) {
    return fail(Code::kExhausted, "{}: {} bytes sealed; at most {} are accepted here",
                file_->path(), header_.plaintext_bytes, max_bytes);
  }
  auto memory = PrivateMemory::allocate(std::size_t(header_.plaintext_bytes));
  if (!memory) return std::move(memory).error().at(file_->path());
  for (std::uint64_t i = 0; i < header_.segments(); ++i) {
    TRY(read_segment(
        i, memory->writable().subspan(std::size_t(i * kSegmentBytes), header_.segment_bytes(i))));
  }
  memory->make_read_only();
  return memory;
}

}  // namespace polder::trust
