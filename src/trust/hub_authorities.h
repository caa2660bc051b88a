// Whose certificates the hub of a repository shows, as root says it: the authorities (X.509) by
// which devices know the servers of their hub. So they are exchanged as keys are, by whoever signs
// root, and devices follow without a visit.
//
//   TRY_VALUE(const auto authorities, hub_authorities(root));  // PEM; none: root does not say
#pragma once

#include <polder/error.h>

#include <string>
#include <string_view>
#include <vector>

#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

// Of root's signed part: an array of certificates in PEM. Other clients keep it and mean nothing.
inline constexpr char kAuthoritiesMember[] = "x-polder-hub-authorities";
inline constexpr std::size_t kMaxHubAuthorities = 8;

// Each is one certificate, as only_certificate() writes it, and nothing else. Errors: kCorrupt for
// what is no list of certificates of authorities; kExhausted for too many.
Result<std::vector<std::string>> hub_authorities(const Root& root);
// In place of those that it names; none: it says nothing. Errors: kInvalid.
Status set_hub_authorities(Root& root, const std::vector<std::string>& pems);

// "5F:0E:...": the SHA-256 of a certificate as OpenSSL prints it, of CertificateFacts::fingerprint.
std::string shown_fingerprint(std::string_view hex);

}  // namespace polder::trust::tuf
