// The OpenSSF model-signing format: what PyPI's `model-signing` accepts, and writes, with a key.
//
//   TRY_VALUE(const std::string bundle, sign_model("release", "release/model.sig", *signer));
//   TRY(write_file_atomic("release/model.sig", bundle));
//
//   TRY_VALUE(const SignedModel model, verify_model("release", "release/model.sig", public_key));
//
// A signature is a Sigstore bundle (version 0.3) around a DSSE envelope around an in-toto statement
// (version 1) that lists every file of a model, by its path, with its SHA-256. ECDSA P-256 keys
// only; no certificates, no transparency log. Specification: OpenSSF Model Signing v1.0.
#pragma once

#include <polder/error.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trust/digest.h"
#include "trust/key.h"

namespace polder::trust {

inline constexpr std::size_t kMaxModelFiles = 16384;
inline constexpr std::size_t kMaxModelPathBytes = 4096;
inline constexpr std::size_t kMaxIgnoredPaths = 256;
inline constexpr std::size_t kMaxBundleBytes = 32u << 20;
inline constexpr std::uint64_t kMaxModelFileBytes = std::uint64_t(256) << 30;

struct SignedFile {
  std::string path;  // below the model's folder; "." when the model is one file
  Sha256 sha256{};
  bool operator==(const SignedFile&) const = default;
};

struct SignedModel {
  std::string name;  // for people: the last part of the folder's path
  std::vector<SignedFile> files;
  // Paths, and what lies below them, that the signature says nothing of.
  std::vector<std::string> ignored;
};

// The files of a folder, or the file, that `path` leads to, in the order of their paths' parts,
// without those that `ignored` covers.
// Errors: kNotFound; kDenied for a link, kInvalid for a pipe or device and for a name that is not
// UTF-8; kExhausted above the caps; kInvalid when nothing is left.
Result<SignedModel> hash_model(const std::string& path, std::span<const std::string> ignored);

// Hashes the model and signs it; the bundle's text. Not part of what is signed are, as
// model-signing has it, a signature that lies in the folder, and .git, .gitattributes, .github and
// .gitignore. Errors: as hash_model(); kUnsupported for a key of another scheme; the signer's.
Result<std::string> sign_model(const std::string& path, const std::string& signature_path,
                               Signer& signer);
Result<std::string> sign_model(const SignedModel& model, Signer& signer);

// What a bundle says, once its signature has been checked; the files have not. Errors: kDenied when
// the signature is not this key's; kCorrupt; kUnsupported for certificates and for other ways to
// hash than SHA-256 file by file; kExhausted. `where` names the bundle.
Result<SignedModel> verify_bundle(std::string_view bundle, const PublicKey& key,
                                  std::string_view where);

// Whether it is a bundle of whatever version and signer, by what it says.
bool is_bundle(std::string_view bytes);

// What an in-toto statement says; verify_bundle() is the way to one that can be trusted.
Result<SignedModel> parse_statement(std::string_view payload, std::string_view where);

// Checks the signature, and that the model has exactly the files that it lists. Errors: as
// verify_bundle() and hash_model(); kDenied naming the first file that differs, is missing or is
// not signed.
Result<SignedModel> verify_model(const std::string& path, const std::string& signature_path,
                                 const PublicKey& key);

}  // namespace polder::trust
