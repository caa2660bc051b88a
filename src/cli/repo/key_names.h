// Where the keys of a repository are, for people: beside the ids of keys that its commands print.
//
//   TRY_VALUE(KeyNames names, KeyNames::of(repository.folder()));
//   names.set(key.id(), "root-1.pem");
//   TRY(names.save());
//   fmt::print("{}\n", names.beside("key 3fa1... has not signed"));  // key 3fa1... (root-1.pem)
//   has
//
// FOLDER/key-names.json has them from one command to the next, as {"KEYID": "root-1.pem"}: the file
// of a public key as a command was given it, and once the key signed its own file or URI. Nothing
// is decided by it, and no client asks for it.
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>

#include "trust/json.h"

namespace polder::cli {

class KeyNames {
 public:
  // Without names where the file is not there. Errors: kCorrupt, kExhausted above 1 MiB; kIo.
  static Result<KeyNames> of(const std::string& folder);
  void set(const std::string& key_id, std::string_view name);
  // The same where it has none.
  void set_unnamed(const std::string& key_id, std::string_view name) {
    if (!names_.contains(key_id)) set(key_id, name);
  }
  // Where something changed. Errors: kIo, kExhausted.
  Status save();
  // The text with " (NAME)" after each key id that it has a name for.
  std::string beside(std::string_view text) const;
  Error beside(Error error) const;
  // {"KEYID": "NAME"}
  const trust::Json::Members& json() const { return names_; }

 private:
  std::string path_;
  trust::Json::Members names_;
  bool changed_ = false;
};

}  // namespace polder::cli
