#include "trust/csr.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "trust/openssl.h"

namespace polder::trust {

namespace {

using OwnedRequest = Owned<X509_REQ, X509_REQ_free>;
using OwnedAlgorithm = Owned<X509_ALGOR, X509_ALGOR_free>;
using OwnedBits = Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free>;

Result<int> algorithm_of(Scheme scheme) {
  if (scheme == Scheme::kEd25519) return NID_ED25519;
  if (scheme == Scheme::kEcdsaP256) return NID_ecdsa_with_SHA256;
  return fail(Code::kUnsupported,
              "certificate requests of {} keys: use an ECDSA P-256 or an Ed25519 key",
              scheme_name(scheme));
}

Error failed(const char* step) {
  return fail(Code::kExhausted, "certificate request: {}: {}", step, openssl_reason());
}

Status set_algorithm(X509_REQ* request, int algorithm) {
  const OwnedAlgorithm id(X509_ALGOR_new());
  // ECDSA and Ed25519 have no parameters (RFC 5758, RFC 8410).
  if (!id || X509_ALGOR_set0(id.get(), OBJ_nid2obj(algorithm), V_ASN1_UNDEF, nullptr) != 1 ||
      X509_REQ_set1_signature_algo(request, id.get()) != 1)
    return failed("algorithm");
  return {};
}

Result<std::string> signed_part(X509_REQ* request) {
  unsigned char* der = nullptr;
  const int size = i2d_re_X509_REQ_tbs(request, &der);
  if (size <= 0) return failed("encoding");
  std::string bytes(reinterpret_cast<const char*>(der), std::size_t(size));
  OPENSSL_free(der);
  return bytes;
}

Status set_signature(X509_REQ* request, std::string_view signature) {
  OwnedBits bits(ASN1_BIT_STRING_new());
  if (!bits || ASN1_BIT_STRING_set(bits.get(), const_cast<unsigned char*>(bytes_of(signature)),
                                   int(signature.size())) != 1)
    return failed("signature");
  // No bit of the last byte is unused.
  bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
  bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
  X509_REQ_set0_signature(request, bits.release());
  return {};
}

}  // namespace

Status check_common_name(std::string_view name) {
  const bool printable = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
  if (!name.empty() && name.size() <= kMaxCommonNameBytes && printable) return {};
  return fail(Code::kInvalid,
              "the name of a device: 1 to {} printable characters of ASCII, '{}' given",
              kMaxCommonNameBytes, clipped(name));
}

Result<std::string> certificate_request(Signer& signer, std::string_view common_name) {
  TRY(check_common_name(common_name));
  const PublicKey& key = signer.public_key();
  TRY_VALUE(const int algorithm, algorithm_of(key.scheme()));
  const OwnedRequest request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), KeyAccess::handle(key)) != 1)
    return failed("public key");
  if (X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName,
                                 MBSTRING_UTF8, bytes_of(common_name), int(common_name.size()), -1,
                                 0) != 1)
    return failed("name");
  TRY(set_algorithm(request.get(), algorithm));
  TRY_VALUE(const std::string part, signed_part(request.get()));
  TRY_VALUE(const std::string signature, signer.sign(part));
  TRY(set_signature(request.get(), signature));
  const OwnedBio bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) return failed("writing");
  return text_of(bio.get());
}

}  // namespace polder::trust
