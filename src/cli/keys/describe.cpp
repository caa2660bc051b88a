#include "cli/keys/describe.h"

#include <fmt/format.h>

#include "base/text.h"
#include "trust/digest.h"

namespace polder::cli {

namespace {

std::string_view place_of(const std::string& uri) {
  if (uri.starts_with("pkcs11:")) return "PKCS#11 token";
  if (uri.starts_with("tpm:")) return "TPM";
  return "file";
}

std::string fingerprint(const trust::PublicKey& key) {
  return trust::hex(trust::sha256(key.der()));
}

}  // namespace

trust::Json key_description(const trust::PublicKey& key, const std::string& uri, bool is_private) {
  return trust::Json::Members{{"scheme", trust::scheme_name(key.scheme())},
                              {"keyid", key.id()},
                              {"sha256", fingerprint(key)},
                              {"place", place_of(uri)},
                              {"uri", uri},
                              {"private", is_private},
                              {"public", key.pem()}};
}

void print_key(const trust::PublicKey& key, const std::string& uri, bool is_private, bool json) {
  if (json) {
    fmt::print("{}", key_description(key, uri, is_private).pretty());
    return;
  }
  fmt::print("{:<10} {}\n", "key", one_line(uri));
  fmt::print("{:<10} {}, {}\n", "kind", is_private ? "private" : "public", place_of(uri));
  fmt::print("{:<10} {}\n", "scheme", trust::scheme_name(key.scheme()));
  fmt::print("{:<10} {}\n", "keyid", key.id());
  fmt::print("{:<10} {}\n", "sha256", fingerprint(key));
}

}  // namespace polder::cli
