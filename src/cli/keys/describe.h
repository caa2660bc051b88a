// What the commands print of a key.
#pragma once

#include <string>

#include "trust/json.h"
#include "trust/key.h"

namespace polder::cli {

// {"scheme", "keyid", "sha256", "place", "uri", "private"}: `sha256` is the fingerprint of the
// SubjectPublicKeyInfo.
trust::Json key_description(const trust::PublicKey& key, const std::string& uri, bool is_private);
void print_key(const trust::PublicKey& key, const std::string& uri, bool is_private, bool json);

}  // namespace polder::cli
