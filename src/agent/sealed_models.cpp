#include "agent/sealed_models.h"

#include "base/check.h"
#include "base/fail.h"
#include "trust/digest.h"

namespace polder::agent {
namespace {

constexpr char kSealedFolder[] = "sealed";
constexpr std::size_t kMaxFiles = 4096;

std::string file_name(const trust::Sha256& file_id) { return trust::hex(file_id) + ".keys"; }
std::string stored_name(const trust::Artifact& artifact) {
  POLDER_CHECK(artifact.sealed);
  return fmt::format("{}/{}", kSealedFolder, file_name(artifact.sealed->file_id));
}

Error sealed_for_others(const trust::Artifact& artifact, const trust::PublicKey& device) {
  return fail(Code::kDenied,
              "model '{}' is sealed for other devices; this one's decryption key is {}: the "
              "releaser adds it with 'polder seal --add-recipient'",
              artifact.name, device.id());
}

Result<trust::SealedKeys> parse(const trust::Artifact& artifact, std::string bytes) {
  TRY_VALUE(trust::SealedKeys keys,
            trust::SealedKeys::parse(std::move(bytes), stored_name(artifact)));
  if (keys.file_id() != artifact.sealed->file_id)
    return fail(Code::kCorrupt, "{}: the keys of another file", stored_name(artifact));
  return keys;
}

}  // namespace

Status keep_sealed_keys(Storage& storage, const trust::Artifact& artifact, std::string_view bytes,
                        const trust::PublicKey& device) {
  TRY_VALUE(const trust::SealedKeys keys, parse(artifact, std::string(bytes)));
  if (!keys.has(device)) return sealed_for_others(artifact, device);
  const std::string name = stored_name(artifact);
  const auto there = read_stored(storage, name, trust::SealedKeys::kMaxBytes);
  if (there.ok() && *there == bytes) return {};
  TRY(storage.make_folder(kSealedFolder));
  return replace_stored(storage, name, bytes);
}

Result<trust::ContentKey> content_key_of(Storage& storage, const trust::Artifact& artifact,
                                         trust::Decrypter& device) {
  TRY_VALUE(std::string bytes,
            read_stored(storage, stored_name(artifact), trust::SealedKeys::kMaxBytes));
  TRY_VALUE(const trust::SealedKeys keys, parse(artifact, std::move(bytes)));
  if (!keys.has(device.public_key())) return sealed_for_others(artifact, device.public_key());
  return keys.open(device);
}

Status remove_sealed_keys(Storage& storage, const std::set<trust::Sha256>& keep) {
  std::set<std::string> names;
  for (const trust::Sha256& file_id : keep) names.insert(file_name(file_id));
  auto there = storage.list(kSealedFolder, kMaxFiles);
  if (!there.ok() && there.error().code == Code::kNotFound) return {};
  if (!there.ok()) return std::move(there).error();
  for (const std::string& name : *there) {
    if (!names.contains(name) && !name.ends_with('/'))
      TRY(storage.remove(fmt::format("{}/{}", kSealedFolder, name)));
  }
  return {};
}

}  // namespace polder::agent
