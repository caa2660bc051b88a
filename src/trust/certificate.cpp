#include "trust/certificate.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/fail.h"
#include "base/text.h"
#include "trust/csr.h"
#include "trust/digest.h"
#include "trust/openssl.h"

namespace polder::trust {
namespace {

using OwnedCertificate = Owned<X509, X509_free>;
using OwnedRequest = Owned<X509_REQ, X509_REQ_free>;
using OwnedExtension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using OwnedNumber = Owned<BIGNUM, BN_free>;
using OwnedStore = Owned<X509_STORE, X509_STORE_free>;
using OwnedJudge = Owned<X509_STORE_CTX, X509_STORE_CTX_free>;

Error failed(const char* step) {
  return fail(Code::kExhausted, "certificate: {}: {}", step, openssl_reason());
}

OwnedBio reader(std::string_view pem) {
  return OwnedBio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// The next one of a text.
OwnedCertificate next(BIO* bio) {
  return OwnedCertificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

Result<OwnedBio> open_pem(std::string_view pem) {
  if (pem.size() > kMaxCertificateBytes)
    return fail(Code::kCorrupt, "certificate: {} bytes; at most {}", pem.size(),
                kMaxCertificateBytes);
  OwnedBio bio = reader(pem);
  if (!bio) return failed("reading");
  return bio;
}

Result<OwnedCertificate> parse(std::string_view pem) {
  TRY_VALUE(const OwnedBio bio, open_pem(pem));
  OwnedCertificate certificate = next(bio.get());
  if (!certificate) return fail(Code::kCorrupt, "certificate: {}", openssl_reason());
  return certificate;
}

Result<std::string> written(X509* certificate) {
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return failed("writing");
  return text_of(bio.get());
}

Result<std::string> common_name_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return std::string();
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (size < 0) return fail(Code::kCorrupt, "common name: {}", openssl_reason());
  std::string made(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return made;
}

Result<PublicKey> key_of(EVP_PKEY* borrowed, std::string_view what) {
  if (!borrowed) return fail(Code::kCorrupt, "{}: the key: {}", what, openssl_reason());
  EVP_PKEY_up_ref(borrowed);
  return KeyAccess::wrap(OwnedKey(borrowed));
}

Result<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1)
    return fail(Code::kCorrupt, "certificate: its time: {}", openssl_reason());
  return static_cast<std::int64_t>(::timegm(&parts));
}

Status check_terms(const CertificateTerms& terms) {
  const bool is_server = terms.use == CertificateUse::kServer;
  if (terms.from_s >= terms.until_s)
    return fail(Code::kInvalid, "certificate: it would end before it begins");
  if (is_server == terms.hosts.empty())
    return fail(Code::kInvalid, "certificate: {}",
                is_server ? "a server needs a name or address" : "only a server has hosts");
  if (terms.hosts.size() > kMaxCertificateHosts)
    return fail(Code::kInvalid, "certificate: {} hosts; at most {}", terms.hosts.size(),
                kMaxCertificateHosts);
  return check_common_name(terms.common_name);
}

// An authority that has this key and covers this time.
Status check_issuer(const CertificateFacts& issuer, const PublicKey& key,
                    const CertificateTerms& terms) {
  if (!issuer.is_authority)
    return fail(Code::kInvalid, "certificate of '{}': is no authority",
                clipped(issuer.common_name));
  if (issuer.key_id != key.id())
    return fail(Code::kInvalid, "certificate of '{}': is of another key than that which signs",
                clipped(issuer.common_name));
  if (terms.from_s < issuer.from_s || terms.until_s > issuer.until_s)
    return fail(Code::kInvalid, "certificate of '{}': does not hold for all of the time",
                clipped(issuer.common_name));
  return {};
}

Status set_serial(X509* certificate) {
  // RFC 5280: positive, at most 20 bytes.
  std::array<unsigned char, 16> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return failed("random");
  random[0] = static_cast<unsigned char>((random[0] & 0x7f) | 0x40);
  const OwnedNumber number(BN_bin2bn(random.data(), static_cast<int>(random.size()), nullptr));
  if (!number || !BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)))
    return failed("serial number");
  return {};
}

Status add_extension(X509* certificate, X509* issuer, int kind, const std::string& text) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const OwnedExtension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, text.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) return failed("extension");
  return {};
}

// A name or an address as OpenSSL's configuration has it. Nothing that could mean more.
Result<std::string> host_text(const std::string& host) {
  const OwnedNumber unused;
  if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(host.c_str())) {
    ASN1_OCTET_STRING_free(address);
    return "IP:" + host;
  }
  const bool is_name = !host.empty() && host.size() <= 253 && host.front() != '.' &&
                       std::ranges::all_of(host, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '.' || c == '-';
                       });
  if (is_name) return "DNS:" + host;
  return fail(Code::kInvalid, "certificate: '{}' is neither a host's name nor an address",
              clipped(host));
}

Status add_extensions(X509* certificate, X509* issuer, const CertificateTerms& terms) {
  const bool is_authority = terms.use == CertificateUse::kAuthority;
  TRY(add_extension(certificate, issuer, NID_basic_constraints,
                    is_authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE"));
  TRY(add_extension(certificate, issuer, NID_key_usage,
                    is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"));
  TRY(add_extension(certificate, issuer, NID_subject_key_identifier, "hash"));
  if (certificate != issuer)
    TRY(add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always"));
  if (is_authority) return {};
  const bool is_server = terms.use == CertificateUse::kServer;
  TRY(add_extension(certificate, issuer, NID_ext_key_usage,
                    is_server ? "serverAuth" : "clientAuth"));
  std::string names;
  for (const std::string& host : terms.hosts) {
    TRY_VALUE(const std::string text, host_text(host));
    names += (names.empty() ? "" : ",") + text;
  }
  if (!names.empty()) TRY(add_extension(certificate, issuer, NID_subject_alt_name, names));
  return {};
}

Result<int> algorithm_of(Scheme scheme) {
  if (scheme == Scheme::kEd25519) return NID_ED25519;
  if (scheme == Scheme::kEcdsaP256) return NID_ecdsa_with_SHA256;
  return fail(Code::kUnsupported, "certificates by {} keys: use an ECDSA P-256 or an Ed25519 key",
              scheme_name(scheme));
}

// OpenSSL signs with keys that it has; this one may be elsewhere. The parts of a certificate that
// only X509_sign() sets are its own to change before it is encoded.
Status sign(X509* certificate, Signer& issuer) {
  TRY_VALUE(const int algorithm, algorithm_of(issuer.public_key().scheme()));
  const ASN1_BIT_STRING* bits = nullptr;
  const X509_ALGOR* outer = nullptr;
  X509_get0_signature(&bits, &outer, certificate);
  for (const X509_ALGOR* one : {X509_get0_tbs_sigalg(certificate), outer}) {
    // Without parameters (RFC 5758, RFC 8410).
    if (X509_ALGOR_set0(const_cast<X509_ALGOR*>(one), OBJ_nid2obj(algorithm), V_ASN1_UNDEF,
                        nullptr) != 1)
      return failed("algorithm");
  }
  unsigned char* der = nullptr;
  const int size = i2d_re_X509_tbs(certificate, &der);
  if (size <= 0) return failed("encoding");
  const std::string part(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  TRY_VALUE(std::string signature, issuer.sign(part));
  auto* const to = const_cast<ASN1_BIT_STRING*>(bits);
  if (ASN1_BIT_STRING_set(to, bytes_of(signature), static_cast<int>(signature.size())) != 1)
    return failed("signature");
  to->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
  to->flags |= ASN1_STRING_FLAG_BITS_LEFT;  // no bit of the last byte is unused
  return {};
}

}  // namespace

Result<CertificateRequest> read_certificate_request(std::string_view pem) {
  if (pem.size() > kMaxCertificateBytes)
    return fail(Code::kCorrupt, "certificate request: {} bytes; at most {}", pem.size(),
                kMaxCertificateBytes);
  const OwnedBio bio = reader(pem);
  if (!bio) return failed("reading");
  const OwnedRequest request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return fail(Code::kCorrupt, "certificate request: {}", openssl_reason());
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  TRY_VALUE(PublicKey read, key_of(key, "certificate request"));
  if (X509_REQ_verify(request.get(), key) != 1)
    return fail(Code::kDenied, "certificate request: is not signed by the key that it names");
  TRY_VALUE(std::string name, common_name_of(X509_REQ_get_subject_name(request.get())));
  return CertificateRequest{std::move(read), std::move(name)};
}

Result<std::string> issue_certificate(Signer& issuer, std::string_view issuer_pem,
                                      const PublicKey& subject, const CertificateTerms& terms) {
  TRY(check_terms(terms));
  OwnedCertificate above;
  if (!issuer_pem.empty()) {
    TRY_VALUE(above, parse(issuer_pem));
    TRY_VALUE(const CertificateFacts facts, read_certificate(issuer_pem));
    TRY(check_issuer(facts, issuer.public_key(), terms));
  } else if (subject.id() != issuer.public_key().id()) {
    return fail(Code::kInvalid, "certificate: only its own key signs one that has no issuer");
  }
  const OwnedCertificate made(X509_new());
  X509* const certificate = made.get();
  if (!certificate || X509_set_version(certificate, X509_VERSION_3) != 1 ||
      X509_set_pubkey(certificate, KeyAccess::handle(subject)) != 1)
    return failed("public key");
  if (!ASN1_TIME_set(X509_getm_notBefore(certificate), std::time_t{terms.from_s}) ||
      !ASN1_TIME_set(X509_getm_notAfter(certificate), std::time_t{terms.until_s}))
    return fail(Code::kInvalid, "certificate: a time beyond what can be written");
  TRY(set_serial(certificate));
  X509_NAME* const name = X509_get_subject_name(certificate);
  if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, bytes_of(terms.common_name),
                                 static_cast<int>(terms.common_name.size()), -1, 0) != 1 ||
      X509_set_issuer_name(certificate, above ? X509_get_subject_name(above.get()) : name) != 1)
    return failed("name");
  TRY(add_extensions(certificate, above ? above.get() : certificate, terms));
  TRY(sign(certificate, issuer));
  return written(certificate);
}

Result<CertificateFacts> read_certificate(std::string_view pem) {
  TRY_VALUE(const OwnedCertificate certificate, parse(pem));
  CertificateFacts facts;
  TRY_VALUE(facts.common_name, common_name_of(X509_get_subject_name(certificate.get())));
  TRY_VALUE(const PublicKey key, key_of(X509_get0_pubkey(certificate.get()), "certificate"));
  facts.key_id = key.id();
  const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate.get());
  facts.serial =
      hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
  TRY_VALUE(facts.from_s, seconds_of(X509_get0_notBefore(certificate.get())));
  TRY_VALUE(facts.until_s, seconds_of(X509_get0_notAfter(certificate.get())));
  facts.is_authority = X509_check_ca(certificate.get()) == 1;
  std::array<unsigned char, 32> digest{};
  if (X509_digest(certificate.get(), EVP_sha256(), digest.data(), nullptr) != 1)
    return failed("fingerprint");
  facts.fingerprint = hex(digest);
  return facts;
}

Result<std::string> only_certificate(std::string_view pem) {
  TRY_VALUE(const OwnedBio bio, open_pem(pem));
  const OwnedCertificate first = next(bio.get());
  if (!first) return fail(Code::kCorrupt, "certificate: {}", openssl_reason());
  const bool is_only = !next(bio.get());
  (void)openssl_reason();  // the end of the text is an error of OpenSSL's
  if (is_only) return written(first.get());
  return fail(Code::kCorrupt, "certificate: one is expected, and more than one is there");
}

Status check_certificate(std::string_view pem, std::string_view authority_pem, CertificateUse use,
                         std::int64_t now_s) {
  TRY_VALUE(const OwnedCertificate certificate, parse(pem));
  TRY_VALUE(const OwnedCertificate authority, parse(authority_pem));
  const OwnedStore store(X509_STORE_new());
  const OwnedJudge judge(X509_STORE_CTX_new());
  if (!store || !judge || X509_STORE_add_cert(store.get(), authority.get()) != 1 ||
      X509_STORE_CTX_init(judge.get(), store.get(), certificate.get(), nullptr) != 1)
    return failed("checking");
  X509_STORE_CTX_set_purpose(judge.get(), use == CertificateUse::kServer   ? X509_PURPOSE_SSL_SERVER
                                          : use == CertificateUse::kClient ? X509_PURPOSE_SSL_CLIENT
                                                                           : X509_PURPOSE_ANY);
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(judge.get()), std::time_t{now_s});
  const bool holds = X509_verify_cert(judge.get()) == 1;
  const int reason = X509_STORE_CTX_get_error(judge.get());
  (void)openssl_reason();  // the queue is for who asks next
  if (holds) return {};
  return fail(Code::kDenied, "certificate: {}", X509_verify_cert_error_string(reason));
}

}  // namespace polder::trust
