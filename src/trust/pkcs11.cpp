#include "trust/pkcs11.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"
#include "trust/openssl.h"
#include "trust/pkcs11_session.h"

namespace polder::trust {

namespace {

using OwnedBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using OwnedParams = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using OwnedNumber = Owned<BIGNUM, BN_free>;
using OwnedEcdsa = Owned<ECDSA_SIG, ECDSA_SIG_free>;

// The DER of prime256v1's object identifier, as CKA_EC_PARAMS holds it.
constexpr unsigned char kP256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::size_t kPointBytes = 65, kScalarBytes = 32;
constexpr CK_ULONG kRsaBits = 3072;
constexpr std::size_t kMaxSignatureBytes = 1024;
constexpr std::size_t kMaxNamed = 10;

CK_ATTRIBUTE attribute_of(CK_ATTRIBUTE_TYPE type, std::string& value) {
  return {type, value.data(), value.size()};
}
template <class T>
CK_ATTRIBUTE attribute_of(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, const_cast<std::remove_const_t<T>*>(&value), sizeof value};
}

Result<PublicKey> public_key_of(const char* type, const OSSL_PARAM_BLD* builder,
                                const std::string& where) {
  const OwnedParams parameters(OSSL_PARAM_BLD_to_param(const_cast<OSSL_PARAM_BLD*>(builder)));
  const OwnedKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return fail(Code::kCorrupt, "{}: the token's public key is none: {}", where, openssl_reason());
  }
  auto wrapped = KeyAccess::wrap(OwnedKey(key));
  if (!wrapped) return std::move(wrapped).error().at(where);
  return wrapped;
}

Result<PublicKey> ec_key(std::string_view curve, std::string_view point, const std::string& where) {
  if (curve != std::string_view(reinterpret_cast<const char*>(kP256), sizeof kP256)) {
    return fail(Code::kUnsupported,
                "{}: an elliptic curve other than P-256; make a P-256 or RSA key", where);
  }
  // An OCTET STRING in DER, as the specification says; some tokens leave the string out.
  if (point.size() == kPointBytes + 2 && point.starts_with("\x04\x41")) point.remove_prefix(2);
  const OwnedBuilder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return fail(Code::kExhausted, "{}: {}", where, openssl_reason());
  }
  return public_key_of("EC", builder.get(), where);
}

Result<PublicKey> rsa_key(const std::string& modulus, const std::string& exponent,
                          const std::string& where) {
  const OwnedNumber n(BN_bin2bn(bytes_of(modulus), int(modulus.size()), nullptr));
  const OwnedNumber e(BN_bin2bn(bytes_of(exponent), int(exponent.size()), nullptr));
  const OwnedBuilder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return fail(Code::kExhausted, "{}: {}", where, openssl_reason());
  }
  return public_key_of("RSA", builder.get(), where);
}

// Reads the public half from a public or, where it tells, a private key.
Result<PublicKey> read_public(Pkcs11Session& session, CK_OBJECT_HANDLE object) {
  const CK_ULONG type = session.number(object, CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION);
  if (type == CKK_EC) {
    const auto curve = session.attribute(object, CKA_EC_PARAMS);
    const auto point = session.attribute(object, CKA_EC_POINT);
    if (curve && point) return ec_key(*curve, *point, session.where());
  } else if (type == CKK_RSA) {
    const auto modulus = session.attribute(object, CKA_MODULUS);
    const auto exponent = session.attribute(object, CKA_PUBLIC_EXPONENT);
    if (modulus && exponent) return rsa_key(*modulus, *exponent, session.where());
  } else {
    return fail(Code::kUnsupported,
                "{}: a key of PKCS#11 type 0x{:x}; on a token, P-256 and RSA keys are supported",
                session.where(), type);
  }
  return fail(Code::kNotFound, "{}: the token tells no public half of the key", session.where());
}

Result<std::vector<CK_OBJECT_HANDLE>> find_keys(Pkcs11Session& session, CK_OBJECT_CLASS kind,
                                                std::optional<std::string> label,
                                                std::optional<std::string> id) {
  std::vector<CK_ATTRIBUTE> wanted = {attribute_of(CKA_CLASS, kind)};
  if (label.has_value()) wanted.push_back(attribute_of(CKA_LABEL, *label));
  if (id.has_value()) wanted.push_back(attribute_of(CKA_ID, *id));
  return session.find(wanted);
}

// "'a', 'b'": the private keys of the token.
std::string names_of_keys(Pkcs11Session& session) {
  const auto all = find_keys(session, CKO_PRIVATE_KEY, {}, {});
  if (!all.ok() || all->empty()) return "no private key at all";
  std::string names;
  for (std::size_t i = 0; i < all->size() && i < kMaxNamed; ++i) {
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ",
                         clipped(session.attribute((*all)[i], CKA_LABEL).value_or("")));
  }
  return all->size() > kMaxNamed ? names + ", ..." : names;
}

// The one private key that the URI names.
Result<CK_OBJECT_HANDLE> find_private(Pkcs11Session& session, const Pkcs11Uri& uri) {
  TRY_VALUE(const auto found, find_keys(session, CKO_PRIVATE_KEY, uri.object, uri.id));
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return fail(Code::kNotFound, "{}: token '{}' holds no such private key; it holds {}",
                session.where(), session.token(), names_of_keys(session));
  }
  return fail(Code::kInvalid,
              "{}: {} private keys fit: {}; say which with object= or id=", session.where(),
              found.size(), names_of_keys(session));
}

// Its public half: told by the public key of the same identifier, else by the private one.
Result<PublicKey> public_of_private(Pkcs11Session& session, CK_OBJECT_HANDLE key) {
  const auto id = session.attribute(key, CKA_ID);
  if (id.has_value() && !id->empty()) {
    TRY_VALUE(const auto found, find_keys(session, CKO_PUBLIC_KEY, {}, id));
    if (found.size() == 1) return read_public(session, found[0]);
  }
  return read_public(session, key);
}

// r and s, one after the other, as the DER that OpenSSL and TUF write.
Result<std::string> der_of(std::string_view raw, const std::string& where) {
  const OwnedEcdsa pair(ECDSA_SIG_new());
  OwnedNumber r(BN_bin2bn(bytes_of(raw), kScalarBytes, nullptr));
  OwnedNumber s(BN_bin2bn(bytes_of(raw) + kScalarBytes, kScalarBytes, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1)
    return fail(Code::kExhausted, "{}: {}", where, openssl_reason());
  (void)r.release(), (void)s.release();  // they are the pair's now
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return fail(Code::kExhausted, "{}: {}", where, openssl_reason());
  std::string signature(reinterpret_cast<char*>(der), std::size_t(size));
  OPENSSL_free(der);
  return signature;
}

class Pkcs11Signer final : public Signer {
 public:
  Pkcs11Signer(Pkcs11Session session, CK_OBJECT_HANDLE key, PublicKey half)
      : session_(std::move(session)), key_(key), public_(std::move(half)) {}

  const PublicKey& public_key() const override { return public_; }

  Result<std::string> sign(std::string_view message) override {
    TRY_VALUE(std::string signature, sign_any(sha256(message)));
    // Which public key belongs to it is what the token says: here it is seen.
    if (public_.verify(message, signature).ok()) return signature;
    return fail(
        Code::kIo,
        "{}: the signature does not fit the public key beside it: give the two the same id, "
        "which no other key has",
        session_.where());
  }

  Result<std::string> sign_digest(const Sha256& digest) override {
    if (public_.scheme() != Scheme::kEcdsaP256) return Signer::sign_digest(digest);
    return sign_any(digest);
  }

 private:
  Result<std::string> sign_any(Sha256 digest) {
    CK_RSA_PKCS_PSS_PARAMS padding{CKM_SHA256, CKG_MGF1_SHA256, std::tuple_size_v<Sha256>};
    const bool rsa = public_.scheme() == Scheme::kRsaPss;
    CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
    if (rsa) mechanism = {CKM_RSA_PKCS_PSS, &padding, sizeof padding};
    std::string signature(kMaxSignatureBytes, '\0');
    CK_ULONG size = signature.size();
    CK_FUNCTION_LIST& call = session_.call();
    CK_RV value = call.C_SignInit(session_.handle(), &mechanism, key_);
    if (value == CKR_OK) {
      value =
          call.C_Sign(session_.handle(), digest.data(), digest.size(), bytes_of(signature), &size);
    }
    if (value != CKR_OK) return session_.error("sign", value);
    signature.resize(std::min<std::size_t>(size, kMaxSignatureBytes));
    if (!rsa) {
      if (size != 2 * kScalarBytes) {
        return fail(Code::kIo, "{}: an ECDSA signature of {} bytes expected, {} found",
                    session_.where(), 2 * kScalarBytes, size);
      }
      TRY_VALUE(signature, der_of(signature, session_.where()));
    }
    return signature;
  }

  Pkcs11Session session_;
  CK_OBJECT_HANDLE key_;
  PublicKey public_;
};

// Makes the pair on the token; returns the public object.
Result<CK_OBJECT_HANDLE> generate(Pkcs11Session& session, Scheme scheme, std::string label,
                                  std::string id) {
  const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  const unsigned char exponent[] = {1, 0, 1};
  const CK_ULONG bits = kRsaBits;
  std::vector<CK_ATTRIBUTE> both = {attribute_of(CKA_TOKEN, yes), attribute_of(CKA_LABEL, label),
                                    attribute_of(CKA_ID, id)};
  std::vector<CK_ATTRIBUTE> of_public = both, of_private = both;
  of_public.push_back(attribute_of(CKA_PRIVATE, no));
  of_public.push_back(attribute_of(CKA_VERIFY, yes));
  if (scheme == Scheme::kEcdsaP256) {
    of_public.push_back(attribute_of(CKA_EC_PARAMS, kP256));
  } else {
    of_public.push_back(attribute_of(CKA_MODULUS_BITS, bits));
    of_public.push_back(attribute_of(CKA_PUBLIC_EXPONENT, exponent));
  }
  of_private.push_back(attribute_of(CKA_PRIVATE, yes));
  of_private.push_back(attribute_of(CKA_SENSITIVE, yes));
  of_private.push_back(attribute_of(CKA_EXTRACTABLE, no));
  of_private.push_back(attribute_of(CKA_SIGN, yes));
  CK_MECHANISM mechanism = {
      scheme == Scheme::kEcdsaP256 ? CKM_EC_KEY_PAIR_GEN : CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_object = 0, private_object = 0;
  const CK_RV value = session.call().C_GenerateKeyPair(
      session.handle(), &mechanism, of_public.data(), of_public.size(), of_private.data(),
      of_private.size(), &public_object, &private_object);
  if (value != CKR_OK) return session.error("make a key", value);
  return public_object;
}

}  // namespace

Result<std::unique_ptr<Signer>> open_pkcs11(const Pkcs11Uri& uri, const std::string& where,
                                            PassphraseSource& pin) {
  TRY_VALUE(Pkcs11Session session, Pkcs11Session::open(uri, where, pin));
  TRY_VALUE(const CK_OBJECT_HANDLE key, find_private(session, uri));
  TRY_VALUE(PublicKey half, public_of_private(session, key));
  const auto always = session.attribute(key, CKA_ALWAYS_AUTHENTICATE);
  if (always.has_value() && *always == std::string(1, char(CK_TRUE))) {
    return fail(Code::kUnsupported,
                "{}: the key wants its PIN for each signature, which is not supported; use another "
                "slot of the token",
                where);
  }
  return std::unique_ptr<Signer>(
      std::make_unique<Pkcs11Signer>(std::move(session), key, std::move(half)));
}

Result<PublicKey> create_pkcs11(const Pkcs11Uri& uri, const std::string& where, Scheme scheme,
                                PassphraseSource& pin) {
  if (scheme == Scheme::kEd25519) {
    return fail(Code::kUnsupported,
                "{}: an Ed25519 key on a token hides all others from OpenSSL's engine: choose "
                "--type p256 or rsa, or keep it in a file",
                where);
  }
  if (!uri.object.has_value() || uri.object->empty())
    return fail(Code::kInvalid, "{}: the key's name is missing: add ;object=NAME", where);
  TRY_VALUE(Pkcs11Session session, Pkcs11Session::open(uri, where, pin));
  TRY_VALUE(const auto same_name, find_keys(session, CKO_PRIVATE_KEY, uri.object, {}));
  std::string id = uri.id.value_or("");
  if (id.empty()) {
    id.resize(8);
    if (RAND_bytes(bytes_of(id), int(id.size())) != 1)
      return fail(Code::kIo, "{}: no random numbers: {}", where, openssl_reason());
  }
  TRY_VALUE(const auto same_id, find_keys(session, CKO_PRIVATE_KEY, {}, id));
  if (!same_name.empty() || !same_id.empty()) {
    return fail(Code::kDenied,
                "{}: token '{}' has a key of that {} already, and none is ever overwritten; choose "
                "another",
                where, session.token(), same_name.empty() ? "id" : "name");
  }
  TRY_VALUE(const CK_OBJECT_HANDLE made, generate(session, scheme, *uri.object, id));
  return read_public(session, made);
}

}  // namespace polder::trust
