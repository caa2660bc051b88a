// Certificates (X.509, RFC 5280) by which devices and hubs know each other over TLS.
//
//   TRY_VALUE(const CertificateRequest asked, read_certificate_request(pem));
//   TRY_VALUE(const std::string certificate, issue_certificate(*authority_key, authority_pem,
//                 asked.key, {.use = CertificateUse::kClient, .common_name = "cam-7", ...}));
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trust/key.h"

namespace polder::trust {

inline constexpr std::size_t kMaxCertificateBytes = 64u << 10;  // in PEM
inline constexpr std::size_t kMaxCertificateHosts = 64;

struct CertificateRequest {
  PublicKey key;
  std::string common_name;  // as it was asked for; who issues decides
};

// Of a request in PEM that its own key has signed. Errors: kCorrupt; kDenied for a signature that
// is not the key's; kUnsupported for another type of key.
Result<CertificateRequest> read_certificate_request(std::string_view pem);

enum class CertificateUse : std::uint8_t {
  kAuthority,  // signs those of others, and nothing below it does
  kServer,     // is met under the names of `hosts`
  kClient,     // a device
};

struct CertificateTerms {
  CertificateUse use = CertificateUse::kClient;
  std::string common_name;         // 1 to 64 printable characters of ASCII
  std::vector<std::string> hosts;  // of a server: names and IP addresses
  std::int64_t from_s = 0, until_s = 0;
};

// In PEM, with a random serial number, signed by the authority's key wherever it is (Ed25519, ECDSA
// P-256). `issuer_pem` is that key's own certificate; empty: `subject` signs for itself. Errors:
// kInvalid for terms that are none, an issuer that is no authority or has another key, a time that
// the issuer does not cover; kUnsupported; those of the signer.
Result<std::string> issue_certificate(Signer& issuer, std::string_view issuer_pem,
                                      const PublicKey& subject, const CertificateTerms& terms);

struct CertificateFacts {
  std::string common_name;
  std::string serial;       // hexadecimal
  std::string key_id;       // of PublicKey::id()
  std::string fingerprint;  // SHA-256 of the whole in DER, hexadecimal
  std::int64_t from_s = 0, until_s = 0;
  bool is_authority = false;
};

// Of the first certificate in PEM. Nothing is verified. Errors: kCorrupt, kUnsupported.
Result<CertificateFacts> read_certificate(std::string_view pem);

// The one certificate of a text in PEM, written anew and without what stands around it: what
// read_certificate() says of it is said of all that a peer would believe. Errors: kCorrupt, also
// for a text with more than one.
Result<std::string> only_certificate(std::string_view pem);

// Whether the authority issued it for this use, and it holds at `now_s`: what a TLS peer would ask.
// That who shows it has its key is for the handshake to find out. Errors: kDenied, with the reason;
// kCorrupt.
Status check_certificate(std::string_view pem, std::string_view authority_pem, CertificateUse use,
                         std::int64_t now_s);

}  // namespace polder::trust
