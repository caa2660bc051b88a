// Signed files: their signatures, read, counted and made.
#include "trust/tuf_metadata.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust::tuf {

namespace {

Result<Signature> read_signature(const Json& json, std::string where) {
  TRY_VALUE(const Object object, Object::of(json, std::move(where)));
  Signature signature;
  TRY_VALUE(signature.key_id, object.text("keyid", kMaxNameBytes));
  TRY_VALUE(signature.digits, object.text("sig", kMaxFieldBytes));
  signature.other = object.except({"keyid", "sig"});
  return signature;
}

}  // namespace

std::string_view Envelope::type() const {
  const Json* type = signed_part.find("_type");
  return type != nullptr && type->string() != nullptr ? std::string_view(*type->string()) : "";
}

Result<std::vector<std::string>> Envelope::signers(const Keys& keys, const RoleKeys& role) const {
  TRY_VALUE(const std::string text, signed_part.canonical());
  std::vector<const PublicKey*> signed_by;
  std::vector<std::string> ids;
  for (const Signature& signature : signatures) {
    if (std::find(role.key_ids.begin(), role.key_ids.end(), signature.key_id) ==
        role.key_ids.end()) {
      continue;
    }
    const auto key = keys.find(signature.key_id);
    const auto bytes = from_hex(signature.digits);
    if (key == keys.end() || !key->second.key || !bytes) continue;
    if (std::any_of(signed_by.begin(), signed_by.end(),
                    [&](const PublicKey* before) { return *before == *key->second.key; })) {
      continue;
    }
    if (!key->second.key->verify(text, *bytes).ok()) continue;
    signed_by.push_back(&*key->second.key);
    ids.push_back(signature.key_id);
  }
  return ids;
}

Result<int> Envelope::count(const Keys& keys, const RoleKeys& role) const {
  TRY_VALUE(const auto ids, signers(keys, role));
  return int(ids.size());
}

Status Envelope::check(const Keys& keys, const RoleKeys& role, std::string_view where) const {
  TRY_VALUE(const int found, count(keys, role));
  if (found >= role.threshold) return {};
  return fail(Code::kDenied, "{}: signatures of {} of its role's {} keys expected, {} found{}",
              where, role.threshold, role.key_ids.size(), found,
              found == 0 && !signatures.empty()
                  ? ": is it of another repository, or of another root than the trusted one?"
                  : "");
}

Status Envelope::add_signature(Signer& signer, std::string_view key_id) {
  TRY_VALUE(const std::string text, signed_part.canonical());
  TRY_VALUE(const std::string bytes, signer.sign(text));
  Signature signature;
  signature.key_id = key_id.empty() ? signer.public_key().id() : std::string(key_id);
  signature.digits = hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  for (Signature& before : signatures) {
    if (before.key_id != signature.key_id) continue;
    before = std::move(signature);
    return {};
  }
  signatures.push_back(std::move(signature));
  return {};
}

std::string Envelope::bytes() const {
  Json::Array list;
  for (const Signature& signature : signatures) {
    Json::Members members = signature.other;
    members["keyid"] = signature.key_id;
    members["sig"] = signature.digits;
    list.emplace_back(std::move(members));
  }
  Json::Members members = other;
  members["signed"] = signed_part;
  members["signatures"] = std::move(list);
  return Json(std::move(members)).compact();
}

Result<Envelope> parse_envelope(std::string_view bytes, std::size_t max_bytes,
                                std::string_view where) {
  if (bytes.size() > max_bytes) {
    return fail(Code::kExhausted, "{}: {} bytes; {} at most", where, bytes.size(), max_bytes);
  }
  TRY_VALUE(Json json, Json::parse(bytes, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  TRY_VALUE([[maybe_unused]] const Object body, object.object("signed"));
  TRY_VALUE(const Json::Array* list, object.array("signatures", kMaxSignatures));
  Envelope envelope;
  for (const Json& item : *list) {
    const std::string here = fmt::format("{}.signatures[{}]", where, envelope.signatures.size());
    TRY_VALUE(Signature signature, read_signature(item, here));
    for (const Signature& before : envelope.signatures) {
      if (before.key_id != signature.key_id) continue;
      return fail(Code::kCorrupt, "{}: a second signature of key '{}'", here,
                  clipped(signature.key_id));
    }
    envelope.signatures.push_back(std::move(signature));
  }
  envelope.other = object.except({"signed", "signatures"});
  envelope.signed_part = std::move(json.members()->find("signed")->second);
  return envelope;
}

Result<std::string> sign_metadata(Json signed_part, std::span<Signer* const> signers) {
  Envelope envelope;
  envelope.signed_part = std::move(signed_part);
  for (Signer* signer : signers) TRY(envelope.add_signature(*signer));
  return envelope.bytes();
}

}  // namespace polder::trust::tuf
