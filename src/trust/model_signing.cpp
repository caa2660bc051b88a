#include "trust/model_signing.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/fail.h"
#include "base/text.h"
#include "platform/file.h"
#include "platform/folder.h"
#include "trust/file_digest.h"
#include "trust/json.h"

namespace polder::trust {

namespace {

constexpr std::string_view kBundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr std::string_view kPayloadType = "application/vnd.in-toto+json";
constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
constexpr std::string_view kPredicateType = "https://model_signing/signature/v1.0";
// What model-signing leaves out unless it is told otherwise.
constexpr std::string_view kGitPaths[] = {".git", ".gitattributes", ".github", ".gitignore"};

// DSSE's pre-authentication encoding: what is signed (DSSE v1.0.2, protocol.md).
std::string encoded(std::string_view payload) {
  return fmt::format("DSSEv1 {} {} {} {}", kPayloadType.size(), kPayloadType, payload.size(),
                     payload);
}

// How bundles name a key: the SHA-256 of its PEM.
std::string hint_of(const PublicKey& key) {
  const Sha256 digest = sha256(key.pem());
  return hex(digest);
}

Status require_p256(const PublicKey& key) {
  if (key.scheme() == Scheme::kEcdsaP256) return {};
  return fail(Code::kUnsupported,
              "model signatures are made with ECDSA P-256 keys; this key's scheme is {}",
              scheme_name(key.scheme()));
}

// The digest of all: of the files' digests, one after the other.
Sha256 root_digest(const std::vector<SignedFile>& files) {
  Sha256Stream stream;
  for (const SignedFile& file : files) {
    stream.update({reinterpret_cast<const char*>(file.sha256.data()), file.sha256.size()});
  }
  return stream.finish();
}

// Whether `path` is `folder` or lies below it.
bool covers(std::string_view folder, std::string_view path) {
  return folder == "." || path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

bool is_ignored(std::span<const std::string> ignored, std::string_view path) {
  return std::any_of(ignored.begin(), ignored.end(),
                     [&](const std::string& folder) { return covers(folder, path); });
}

// The last part of a path that a person has given.
std::string last_part(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  path.erase(0, path.find_last_of('/') + 1);
  return path.empty() || path == "." || path == ".." ? "model" : path;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Whether a path from a signature stays below the folder that it is looked for in.
bool stays_below(std::string_view path) {
  if (path.empty() || path.find('\0') != path.npos) return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

Status hash_entry(const std::string& folder, const FolderEntry& entry, SignedModel& model) {
  const std::string path = folder + "/" + entry.path;
  if (entry.kind == EntryKind::kFolder) return {};
  if (entry.kind == EntryKind::kLink) {
    return fail(
        Code::kDenied,
        "{}: a symbolic link: what it leads to can change unseen; put the file itself there", path);
  }
  if (entry.kind != EntryKind::kFile) {
    return fail(Code::kInvalid, "{}: a file is expected, this is a device or a pipe", path);
  }
  if (!is_utf8(entry.path) || entry.path.size() > kMaxModelPathBytes) {
    return fail(Code::kInvalid, "{}: a name in UTF-8 of at most {} bytes is expected", path,
                kMaxModelPathBytes);
  }
  if (model.files.size() == kMaxModelFiles) {
    return fail(Code::kExhausted, "{}: more than {} files", folder, kMaxModelFiles);
  }
  TRY_VALUE(const FileDigest digest, digest_file(path, kMaxModelFileBytes));
  model.files.push_back({entry.path, digest.sha256});
  return {};
}

Json statement_of(const SignedModel& model) {
  Json::Array resources, ignored;
  for (const SignedFile& file : model.files) {
    resources.push_back(
        Json::Members{{"name", file.path}, {"algorithm", "sha256"}, {"digest", hex(file.sha256)}});
  }
  for (const std::string& path : model.ignored) ignored.push_back(path);
  Json::Members serialization{
      {"method", "files"}, {"hash_type", "sha256"}, {"allow_symlinks", false}};
  if (!ignored.empty()) serialization["ignore_paths"] = std::move(ignored);
  const Json::Members subject{{"name", model.name},
                              {"digest", Json::Members{{"sha256", hex(root_digest(model.files))}}}};
  return Json::Members{{"_type", kStatementType},
                       {"subject", Json::Array{subject}},
                       {"predicateType", kPredicateType},
                       {"predicate", Json::Members{{"serialization", std::move(serialization)},
                                                   {"resources", std::move(resources)}}}};
}

Status expect_text(const Object& object, std::string_view name, std::string_view expected) {
  TRY_VALUE(const std::string found, object.text(name));
  if (found == expected) return {};
  return fail(Code::kUnsupported, "{}: '{}' expected, '{}' found", object.place(name), expected,
              clipped(found));
}

Result<Sha256> read_sha256(const Object& object, std::string_view name) {
  TRY_VALUE(const std::string digits, object.text(name));
  const auto bytes = from_hex(digits);
  Sha256 digest;
  if (!bytes || bytes->size() != digest.size()) {
    return fail(Code::kCorrupt, "{}: 64 hexadecimal digits expected, '{}' found",
                object.place(name), clipped(digits));
  }
  std::memcpy(digest.data(), bytes->data(), digest.size());
  return digest;
}

Status read_serialization(const Object& predicate, SignedModel& model) {
  TRY_VALUE(const Object serialization, predicate.object("serialization"));
  TRY(expect_text(serialization, "method", "files"));
  TRY(expect_text(serialization, "hash_type", "sha256"));
  if (serialization.has("ignore_paths")) {
    TRY_VALUE(model.ignored,
              serialization.texts("ignore_paths", kMaxIgnoredPaths, kMaxModelPathBytes));
  }
  return {};
}

Status read_resources(const Object& predicate, SignedModel& model) {
  TRY_VALUE(const Json::Array* resources, predicate.array("resources", kMaxModelFiles));
  for (const Json& item : *resources) {
    const std::string place =
        fmt::format("{}[{}]", predicate.place("resources"), model.files.size());
    TRY_VALUE(const Object resource, Object::of(item, place));
    TRY(expect_text(resource, "algorithm", "sha256"));
    SignedFile file;
    TRY_VALUE(file.path, resource.text("name", kMaxModelPathBytes));
    TRY_VALUE(file.sha256, read_sha256(resource, "digest"));
    if (file.path != "." && !stays_below(file.path)) {
      return fail(Code::kCorrupt, "{}: '{}' does not stay below the model's folder",
                  resource.place("name"), clipped(file.path));
    }
    model.files.push_back(std::move(file));
  }
  if (model.files.empty()) {
    return fail(Code::kCorrupt, "{}: no file: this signs nothing", predicate.place("resources"));
  }
  std::vector<std::string_view> paths;
  for (const SignedFile& file : model.files) paths.push_back(file.path);
  std::sort(paths.begin(), paths.end());
  const auto twice = std::adjacent_find(paths.begin(), paths.end());
  if (twice == paths.end()) return {};
  return fail(Code::kCorrupt, "{}: '{}' twice", predicate.place("resources"),
              clipped(std::string(*twice)));
}

// The hint in the bundle, if it has one, is this key's.
Status check_material(const Object& bundle, const PublicKey& key, std::string_view where) {
  TRY_VALUE(const Object material, bundle.object("verificationMaterial"));
  for (const char* name : {"certificate", "x509CertificateChain"}) {
    if (material.has(name)) {
      return fail(Code::kUnsupported,
                  "{}: signed with a certificate; only signatures with a key are checked here",
                  where);
    }
  }
  TRY_VALUE(const Object identifier, material.object("publicKey"));
  if (!identifier.has("hint")) return {};
  TRY_VALUE(const std::string hint, identifier.text("hint"));
  if (hint.empty() || hint == hint_of(key)) return {};
  return fail(Code::kDenied,
              "{}: signed with another key: its hint is {}, that of the key given {}", where,
              clipped(hint), hint_of(key));
}

// The signed bytes.
Result<std::string> open_envelope(const Object& bundle, const PublicKey& key,
                                  std::string_view where) {
  TRY_VALUE(const Object envelope, bundle.object("dsseEnvelope"));
  TRY(expect_text(envelope, "payloadType", kPayloadType));
  TRY_VALUE(const std::string payload_text, envelope.text("payload", kMaxBundleBytes));
  auto payload = from_base64(payload_text);
  if (!payload) return std::move(payload).error().at(envelope.place("payload"));
  TRY_VALUE(const Json::Array* signatures, envelope.array("signatures", 1));
  if (signatures->empty()) {
    return fail(Code::kCorrupt, "{}: one signature expected, none found",
                envelope.place("signatures"));
  }
  TRY_VALUE(const Object signature,
            Object::of(signatures->front(), envelope.place("signatures[0]")));
  TRY_VALUE(const std::string signature_text, signature.text("sig"));
  const auto der = from_base64(signature_text);
  if (!der) return fail(Code::kCorrupt, "{}: {}", signature.place("sig"), der.error().message);
  if (Status status = key.verify(encoded(*payload), *der); !status) {
    return std::move(status).error().at(where);
  }
  return payload;
}

// The first difference between what is signed and what is there, as an error.
Status compare(const SignedModel& expected, const SignedModel& found, const std::string& path) {
  std::vector<const SignedFile*> wanted, there;
  for (const SignedFile& file : expected.files) wanted.push_back(&file);
  for (const SignedFile& file : found.files) there.push_back(&file);
  const auto by_path = [](const SignedFile* a, const SignedFile* b) { return a->path < b->path; };
  std::sort(wanted.begin(), wanted.end(), by_path);
  std::sort(there.begin(), there.end(), by_path);
  const auto denied = [&](const SignedFile* file, std::string_view what) {
    return fail(Code::kDenied, "{}: {}", file->path == "." ? path : path + "/" + file->path, what);
  };
  for (std::size_t i = 0; i < std::max(wanted.size(), there.size()); ++i) {
    const bool missing =
        i >= there.size() || (i < wanted.size() && wanted[i]->path < there[i]->path);
    if (missing) return denied(wanted[i], "signed, but missing");
    const bool extra = i >= wanted.size() || there[i]->path < wanted[i]->path;
    if (extra) return denied(there[i], "not signed: it was added after signing");
    if (wanted[i]->sha256 != there[i]->sha256) {
      return denied(there[i], fmt::format("changed after signing: SHA-256 {} signed, {} found",
                                          hex(wanted[i]->sha256), hex(there[i]->sha256)));
    }
  }
  return {};
}

// What signing and verifying leave out of a folder beside what was asked: its own signature.
Result<std::vector<std::string>> with_signature(std::vector<std::string> ignored,
                                                const std::string& path,
                                                const std::string& signature_path) {
  TRY_VALUE(const EntryKind kind, entry_kind(path));
  if (kind != EntryKind::kFolder) return ignored;
  TRY_VALUE(const std::string inside, path_below(path, signature_path));
  if (!inside.empty()) ignored.push_back(inside);
  return ignored;
}

}  // namespace

Result<SignedModel> parse_statement(std::string_view payload, std::string_view where) {
  TRY_VALUE(const Json json, Json::parse(payload, fmt::format("{}: statement", where)));
  TRY_VALUE(const Object statement, Object::of(json, fmt::format("{}: statement", where)));
  TRY(expect_text(statement, "_type", kStatementType));
  TRY(expect_text(statement, "predicateType", kPredicateType));
  TRY_VALUE(const Json::Array* subjects, statement.array("subject", 1));
  if (subjects->empty()) {
    return fail(Code::kCorrupt, "{}: one subject expected, none found", statement.place("subject"));
  }
  TRY_VALUE(const Object subject, Object::of(subjects->front(), statement.place("subject[0]")));
  SignedModel model;
  TRY_VALUE(model.name, subject.text("name"));
  TRY_VALUE(const Object digests, subject.object("digest"));
  TRY_VALUE(const Sha256 root, read_sha256(digests, "sha256"));
  TRY_VALUE(const Object predicate, statement.object("predicate"));
  TRY(read_serialization(predicate, model));
  TRY(read_resources(predicate, model));
  if (root != root_digest(model.files)) {
    return fail(Code::kCorrupt, "{}: the files listed do not add up to it",
                digests.place("sha256"));
  }
  return model;
}

Result<SignedModel> hash_model(const std::string& path, std::span<const std::string> ignored) {
  SignedModel model{last_part(path), {}, {ignored.begin(), ignored.end()}};
  std::sort(model.ignored.begin(), model.ignored.end());
  model.ignored.erase(std::unique(model.ignored.begin(), model.ignored.end()), model.ignored.end());
  TRY_VALUE(const EntryKind kind, entry_kind(path));
  if (kind == EntryKind::kLink) {
    return fail(Code::kDenied, "{}: a symbolic link; give what it leads to", path);
  }
  if (kind != EntryKind::kFolder) {
    TRY_VALUE(const FileDigest digest, digest_file(path, kMaxModelFileBytes));
    model.files.push_back({".", digest.sha256});
    return model;
  }
  TRY_VALUE(const std::vector<FolderEntry> entries, walk_folder(path, 4 * kMaxModelFiles));
  for (const FolderEntry& entry : entries) {
    if (!is_ignored(model.ignored, entry.path)) TRY(hash_entry(path, entry, model));
  }
  if (model.files.empty()) return fail(Code::kInvalid, "{}: no file to sign in it", path);
  return model;
}

Result<std::string> sign_model(const SignedModel& model, Signer& signer) {
  TRY(require_p256(signer.public_key()));
  const std::string payload = statement_of(model).compact();
  TRY_VALUE(const std::string signature, signer.sign(encoded(payload)));
  const Json::Members material{{"publicKey", Json::Members{{"hint", hint_of(signer.public_key())}}},
                               {"tlogEntries", Json::Array()}};
  const Json::Members envelope{
      {"payload", base64(payload)},
      {"payloadType", kPayloadType},
      {"signatures", Json::Array{Json::Members{{"sig", base64(signature)}, {"keyid", ""}}}}};
  return Json(Json::Members{{"mediaType", kBundleType},
                            {"verificationMaterial", material},
                            {"dsseEnvelope", envelope}})
      .compact();
}

Result<std::string> sign_model(const std::string& path, const std::string& signature_path,
                               Signer& signer) {
  TRY(require_p256(signer.public_key()));
  TRY_VALUE(const std::vector<std::string> ignored,
            with_signature({std::begin(kGitPaths), std::end(kGitPaths)}, path, signature_path));
  TRY_VALUE(const SignedModel model, hash_model(path, ignored));
  return sign_model(model, signer);
}

Result<SignedModel> verify_bundle(std::string_view bundle, const PublicKey& key,
                                  std::string_view where) {
  TRY(require_p256(key));
  if (bundle.size() > kMaxBundleBytes) {
    return fail(Code::kExhausted, "{}: {} bytes; a signature has at most {}", where, bundle.size(),
                kMaxBundleBytes);
  }
  TRY_VALUE(const Json json, Json::parse(bundle, where));
  TRY_VALUE(const Object object, Object::of(json, std::string(where)));
  TRY(expect_text(object, "mediaType", kBundleType));
  TRY(check_material(object, key, where));
  TRY_VALUE(const std::string payload, open_envelope(object, key, where));
  return parse_statement(payload, where);
}

bool is_bundle(std::string_view bytes) {
  const auto json = Json::parse(bytes, "");
  if (!json) return false;
  const auto object = Object::of(*json, "");
  if (!object) return false;
  const auto type = object->text("mediaType", kMaxBundleBytes);
  return type && type->starts_with("application/vnd.dev.sigstore.bundle");
}

Result<SignedModel> verify_model(const std::string& path, const std::string& signature_path,
                                 const PublicKey& key) {
  TRY_VALUE(const std::string bundle, read_file(signature_path, kMaxBundleBytes));
  TRY_VALUE(SignedModel expected, verify_bundle(bundle, key, signature_path));
  TRY_VALUE(const std::vector<std::string> ignored,
            with_signature(expected.ignored, path, signature_path));
  TRY_VALUE(const SignedModel found, hash_model(path, ignored));
  TRY(compare(expected, found, path));
  return expected;
}

}  // namespace polder::trust
