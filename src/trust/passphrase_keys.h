// Keys of many sealed files from one passphrase: of a folder that somebody else keeps, such as a
// backup.
//
//   TRY_VALUE(const PassphraseKeys keys, PassphraseKeys::create(passphrase));
//   TRY(write_file_atomic(folder + "/passphrase.json", keys.text()));
//   TRY_VALUE(const ContentKey key, keys.of("hub.db"));
//   TRY(seal_file(*plain, *output, key));
//
// scrypt (N = 2^17, r = 8, p = 1: 128 MB and a moment) makes a key of the passphrase and a salt of
// chance, HKDF-SHA-256 a content key for each name of that. So a file opens by its passphrase, in
// its folder and under its name alone; another passphrase is a key of another file. What the text
// says goes into the keys: changed, it opens nothing.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "trust/sealed_file.h"
#include "trust/secret.h"

namespace polder::trust {

class PassphraseKeys {
 public:
  // With another salt each time. Errors: kUnavailable.
  static Result<PassphraseKeys> create(std::string_view passphrase);
  // As text() gave it; `where` names it. Errors: kCorrupt; kIncompatible for another way to make
  // keys; kUnavailable.
  static Result<PassphraseKeys> parse(std::string_view text, std::string_view where,
                                      std::string_view passphrase);
  // For everybody to read: the salt, and how keys are made.
  std::string text() const;
  // One name is sealed once. Errors: kUnavailable.
  Result<ContentKey> of(std::string_view name) const;

  static constexpr std::size_t kMaxTextBytes = 4096;

 private:
  static Result<PassphraseKeys> with(std::string_view passphrase, std::string salt);
  PassphraseKeys(std::string salt, Secret key) : salt_(std::move(salt)), key_(std::move(key)) {}

  std::string salt_;
  Secret key_;
};

}  // namespace polder::trust
