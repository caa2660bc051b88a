// The content key of a sealed file, wrapped for each recipient (sealed_file.h).
#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "trust/hpke.h"
#include "trust/hpke_steps.h"
#include "trust/sealed_file.h"

namespace polder::trust {

namespace {

constexpr char kKeysMagic[] = "POLDKEYS";
constexpr std::uint32_t kKeysFormat = 1;
constexpr std::size_t kHeadBytes = 48, kIdBytes = 32;
constexpr std::size_t kWrappedBytes = ContentKey::kBytes + kHpkeTagBytes;
constexpr std::string_view kInfo = "polder sealed file 1: content key";
static_assert(SealedKeys::kRecordBytes == kIdBytes + kHpkeEncBytes + kWrappedBytes);

std::string_view text(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// Of the point and not of a file's bytes: a key can be written in several ways.
Result<Sha256> id_of(const PublicKey& key) {
  TRY_VALUE(const std::string point, p256_point(key));
  return sha256(point);
}

}  // namespace

std::string sealed_keys_path(const std::string& sealed_path) { return sealed_path + ".keys"; }

Result<SealedKeys> SealedKeys::parse(std::string bytes, std::string_view where) {
  if (bytes.size() < kHeadBytes + kIdBytes || !bytes.starts_with(kKeysMagic)) {
    return fail(Code::kCorrupt, "{}: no keys of a sealed file: they begin with {}", where,
                kKeysMagic);
  }
  std::uint32_t format, count;
  std::memcpy(&format, bytes.data() + 8, sizeof format);
  std::memcpy(&count, bytes.data() + 12, sizeof count);
  if (format != kKeysFormat) {
    return fail(Code::kIncompatible, "{}: keys in format {}; this build reads format {}", where,
                format, kKeysFormat);
  }
  if (count > kMaxRecipients) {
    return fail(Code::kExhausted, "{}: {} recipients; {} at most", where, count, kMaxRecipients);
  }
  const std::size_t body = kHeadBytes + count * kRecordBytes;
  if (bytes.size() != body + kIdBytes) {
    return fail(Code::kCorrupt, "{}: {} bytes expected for {} recipients, {} found", where,
                body + kIdBytes, count, bytes.size());
  }
  const std::string_view all(bytes);
  if (text(sha256(all.substr(0, body))) != all.substr(body)) {
    return fail(Code::kCorrupt, "{}: damaged: the checksum does not fit; fetch it again", where);
  }
  Sha256 file_id;
  std::memcpy(file_id.data(), bytes.data() + 16, file_id.size());
  SealedKeys keys(file_id);
  keys.records_ = all.substr(kHeadBytes, count * kRecordBytes);
  for (std::size_t at = kRecordBytes; at < keys.records_.size(); at += kRecordBytes) {
    const std::string_view records(keys.records_);
    if (records.substr(at - kRecordBytes, kIdBytes) >= records.substr(at, kIdBytes)) {
      return fail(Code::kCorrupt, "{}: recipient {} is out of order", where, at / kRecordBytes);
    }
  }
  return keys;
}

std::string SealedKeys::bytes() const {
  std::string bytes(kKeysMagic);
  const std::uint32_t numbers[] = {kKeysFormat, std::uint32_t(count())};
  bytes.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
  bytes += text(file_id_);
  bytes += records_;
  const Sha256 checksum = sha256(bytes);
  bytes += text(checksum);
  return bytes;
}

std::size_t SealedKeys::place_of(const Sha256& id) const {
  std::size_t low = 0, high = count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (std::string_view(records_).substr(middle * kRecordBytes, kIdBytes) < text(id)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low * kRecordBytes;
}

bool SealedKeys::is_at(std::size_t place, const Sha256& id) const {
  return place < records_.size() && std::string_view(records_).substr(place, kIdBytes) == text(id);
}

bool SealedKeys::has(const PublicKey& recipient) const {
  const auto id = id_of(recipient);
  return id.ok() && is_at(place_of(*id), *id);
}

Status SealedKeys::add(const ContentKey& key, const PublicKey& recipient) {
  if (key.file_id() != file_id_) {
    return fail(Code::kInvalid, "the key is that of another sealed file");
  }
  TRY_VALUE(const Sha256 id, id_of(recipient));
  const std::size_t place = place_of(id);
  if (is_at(place, id)) return {};
  if (count() == kMaxRecipients) {
    return fail(Code::kExhausted,
                "{} recipients are there already, and no more are taken: seal the file once more "
                "for the others",
                kMaxRecipients);
  }
  TRY_VALUE(const HpkeMessage message,
            hpke_seal(recipient, kInfo, text(file_id_), key.bytes().view()));
  records_.insert(place, std::string(text(id)) + message.enc + message.ciphertext);
  return {};
}

Result<ContentKey> SealedKeys::open(Decrypter& recipient) const {
  TRY_VALUE(const Sha256 id, id_of(recipient.public_key()));
  const std::size_t place = place_of(id);
  if (!is_at(place, id)) {
    return fail(Code::kDenied,
                "not sealed for this key ({}...): the releaser can add it: polder seal "
                "--add-recipient",
                recipient.public_key().id().substr(0, 16));
  }
  const HpkeMessage message{records_.substr(place + kIdBytes, kHpkeEncBytes),
                            records_.substr(place + kIdBytes + kHpkeEncBytes, kWrappedBytes)};
  TRY_VALUE(Secret bytes, hpke_open(recipient, message, kInfo, text(file_id_)));
  TRY_VALUE(ContentKey key, ContentKey::from_bytes(std::move(bytes)));
  if (key.file_id() == file_id_) return key;
  return fail(Code::kDenied, "the wrapped key is that of another sealed file");
}

}  // namespace polder::trust
