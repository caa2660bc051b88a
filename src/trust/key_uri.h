// Where a private key is, as people name it: file:PATH (or a plain path), pkcs11:... (RFC 7512) or
// tpm:HANDLE, and tpm:HANDLE?pass for a key with a passphrase.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace polder::trust {

// A PKCS#11 URI. What is not named fits anything.
struct Pkcs11Uri {
  std::optional<std::string> token, manufacturer, model, serial;  // of the token
  std::optional<std::uint64_t> slot_id;
  std::optional<std::string> object, id;  // CKA_LABEL, CKA_ID of the key
  std::string module_path;                // empty: p11-kit's proxy, which knows all tokens

  // Errors: kInvalid, saying which part; kDenied for a PIN in the URI.
  static Result<Pkcs11Uri> parse(std::string_view uri);
};

enum class KeyPlace { kFile, kPkcs11, kTpm };

struct KeyUri {
  KeyPlace place = KeyPlace::kFile;
  std::string path;              // kFile
  Pkcs11Uri pkcs11;              // kPkcs11
  std::uint32_t tpm_handle = 0;  // kTpm: persistent, 0x81000000 to 0x81ffffff
  bool tpm_passphrase = false;   // kTpm: the key has one, which a TPM does not tell

  // Errors: kInvalid.
  static Result<KeyUri> parse(const std::string& uri);
};

}  // namespace polder::trust
