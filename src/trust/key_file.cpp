#include "trust/key_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <array>

#include "base/fail.h"
#include "platform/private_file.h"
#include "platform/random_access.h"
#include "trust/signer.h"

namespace polder::trust {

namespace {

// scrypt (RFC 7914): 16 MB and about a quarter of a second on a small device. OpenSSL reads keys
// that take up to 32 MB.
constexpr std::uint64_t kScryptN = 1 << 14, kScryptR = 8, kScryptP = 5;
constexpr std::uint64_t kMaxScryptWork = 1 << 22;  // N·r·p
constexpr std::int64_t kMaxPbkdf2Rounds = 20'000'000;
constexpr int kSaltBytes = 16;

using OwnedSigned = Owned<X509_SIG, X509_SIG_free>;
using OwnedInfo = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using OwnedParameters = Owned<PBE2PARAM, PBE2PARAM_free>;
using OwnedPbkdf2 = Owned<PBKDF2PARAM, PBKDF2PARAM_free>;
using OwnedScrypt = Owned<SCRYPT_PARAMS, SCRYPT_PARAMS_free>;
using OwnedAlgorithm = Owned<X509_ALGOR, X509_ALGOR_free>;

// What is between the lines of a PEM text. Wiped: a key that is not encrypted is in it.
struct Pem {
  Pem() = default;
  Pem(const Pem&) = delete;
  Pem& operator=(const Pem&) = delete;
  ~Pem() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, std::size_t(size));
  }
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
};

Error convert(std::string_view where, std::string_view what) {
  return fail(Code::kUnsupported,
              "{}: {}; Polder reads PKCS#8: openssl pkcs8 -topk8 -v2 aes-256-cbc -scrypt -in OLD "
              "-out NEW",
              where, what);
}

Error no_key(std::string_view where) {
  return fail(Code::kCorrupt,
              "{}: a private key in PEM is expected (-----BEGIN ENCRYPTED PRIVATE KEY-----), "
              "something else found",
              where);
}

Status read_pem(std::string_view text, std::string_view where, Pem& pem) {
  const std::size_t begin = text.find("-----BEGIN ");
  if (begin == text.npos) return no_key(where);
  if (text.find("-----END ", begin) == text.npos) {
    return fail(Code::kCorrupt, "{}: cut off: there is no -----END----- line; restore the file",
                where);
  }
  text.remove_prefix(begin);
  const OwnedBio bio(BIO_new_mem_buf(text.data(), int(text.size())));
  if (PEM_read_bio(bio.get(), &pem.name, &pem.header, &pem.data, &pem.size) == 1) return {};
  return fail(Code::kCorrupt, "{}: damaged PEM ({}); restore the file", where, openssl_reason());
}

// What is no private key in PKCS#8, by the name in its first line.
Error refuse(std::string_view name, std::string_view where) {
  if (name == "PUBLIC KEY" || name == "RSA PUBLIC KEY" || name == "CERTIFICATE") {
    return fail(Code::kInvalid, "{}: a {}, where a private key is expected", where,
                name == "CERTIFICATE" ? "certificate" : "public key");
  }
  if (name == "OPENSSH PRIVATE KEY") {
    return fail(Code::kUnsupported,
                "{}: a key of OpenSSH; make one for Polder: polder keys create --output FILE",
                where);
  }
  if (name == "TSS2 PRIVATE KEY") {
    return fail(Code::kUnsupported,
                "{}: a key of a TPM in a file; make it persistent and use tpm:HANDLE", where);
  }
  if (name.ends_with(" PRIVATE KEY")) return convert(where, "an old format of private keys");
  return fail(Code::kCorrupt, "{}: a private key in PEM is expected, '{}' found", where, name);
}

// Nothing but PBES2 is read, and not what would take for ever.
Status check_work(const X509_SIG* sealed, std::string_view where) {
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(sealed, &algorithm, nullptr);
  const auto unpack = [](const X509_ALGOR* from, const ASN1_ITEM* item) -> void* {
    const ASN1_OBJECT* object = nullptr;
    int type = 0;
    const void* value = nullptr;
    X509_ALGOR_get0(&object, &type, &value, from);
    if (type != V_ASN1_SEQUENCE) return nullptr;
    return ASN1_item_unpack(static_cast<const ASN1_STRING*>(value), item);
  };
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  if (OBJ_obj2nid(object) != NID_pbes2) return convert(where, "encrypted in an old way");
  const auto damaged = [&] {
    ERR_clear_error();
    return fail(Code::kCorrupt, "{}: how the key is encrypted cannot be read; restore the file",
                where);
  };
  const OwnedParameters parameters(
      static_cast<PBE2PARAM*>(unpack(algorithm, ASN1_ITEM_rptr(PBE2PARAM))));
  if (!parameters) return damaged();
  const ASN1_OBJECT* function = nullptr;
  X509_ALGOR_get0(&function, nullptr, nullptr, parameters->keyfunc);
  const int kind = OBJ_obj2nid(function);
  bool bounded = false;
  if (kind == NID_id_pbkdf2) {
    const OwnedPbkdf2 pbkdf2(
        static_cast<PBKDF2PARAM*>(unpack(parameters->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM))));
    std::int64_t rounds = 0;
    if (!pbkdf2 || ASN1_INTEGER_get_int64(&rounds, pbkdf2->iter) != 1) return damaged();
    bounded = rounds > 0 && rounds <= kMaxPbkdf2Rounds;
  } else if (kind == NID_id_scrypt) {
    const OwnedScrypt scrypt(
        static_cast<SCRYPT_PARAMS*>(unpack(parameters->keyfunc, ASN1_ITEM_rptr(SCRYPT_PARAMS))));
    std::uint64_t n = 0, r = 0, p = 0;
    if (!scrypt || ASN1_INTEGER_get_uint64(&n, scrypt->costParameter) != 1 ||
        ASN1_INTEGER_get_uint64(&r, scrypt->blockSize) != 1 ||
        ASN1_INTEGER_get_uint64(&p, scrypt->parallelizationParameter) != 1) {
      return damaged();
    }
    bounded = n > 0 && r > 0 && p > 0 && n <= kMaxScryptWork && r <= kMaxScryptWork / n &&
              p <= kMaxScryptWork / n / r;
  } else {
    return convert(where, "encrypted in a way that is not known");
  }
  if (bounded) return {};
  return fail(Code::kExhausted,
              "{}: deriving the key from the passphrase would take too long; make the file anew "
              "with fewer rounds",
              where);
}

Result<OwnedInfo> decrypt(const Pem& pem, std::string_view where, PassphraseSource& source) {
  const unsigned char* at = pem.data;
  const OwnedSigned sealed(d2i_X509_SIG(nullptr, &at, pem.size));
  if (!sealed || at != pem.data + pem.size) {
    ERR_clear_error();
    return fail(Code::kCorrupt, "{}: the encrypted key is cut off or damaged; restore the file",
                where);
  }
  TRY(check_work(sealed.get(), where));
  TRY_VALUE(const Secret passphrase, source.existing(where));
  OwnedInfo info(
      PKCS8_decrypt(sealed.get(), passphrase.view().data(), int(passphrase.view().size())));
  if (info) return info;
  const bool too_large = ERR_GET_REASON(ERR_peek_last_error()) == EVP_R_MEMORY_LIMIT_EXCEEDED;
  ERR_clear_error();
  if (too_large) {
    return fail(Code::kExhausted, "{}: scrypt with more than 32 MB; make the file anew with less",
                where);
  }
  return fail(
      Code::kDenied,
      "{}: wrong passphrase: try again; if it is forgotten, another key has to take its place",
      where);
}

}  // namespace

Result<OwnedKey> parse_private_key(std::string_view text, std::string_view where,
                                   PassphraseSource& passphrase) {
  if (text.size() > kMaxKeyFileBytes)
    return fail(Code::kCorrupt, "{}: a private key is expected, {} bytes found", where,
                text.size());
  Pem pem;
  TRY(read_pem(text, where, pem));
  const std::string_view name = pem.name;
  OwnedInfo info;
  if (name == "ENCRYPTED PRIVATE KEY") {
    TRY_VALUE(info, decrypt(pem, where, passphrase));
  } else if (name == "PRIVATE KEY") {
    const unsigned char* at = pem.data;
    info.reset(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, pem.size));
    if (at != pem.data + pem.size) info.reset();
  } else {
    return refuse(name, where);
  }
  OwnedKey key(info ? EVP_PKCS82PKEY(info.get()) : nullptr);
  if (key) return key;
  return fail(Code::kCorrupt, "{}: the private key is cut off or damaged ({}); restore the file",
              where, openssl_reason());
}

Result<OwnedKey> read_private_key(const std::string& path, PassphraseSource& passphrase) {
  Secret text(kMaxKeyFileBytes);
  const auto size = read_private_file(path, text.span());
  if (!size.ok()) {
    // Only of a private key it matters who else reads it.
    const bool is_shared = size.error().code == Code::kDenied && open_readable(path).ok();
    return is_shared && !holds_private_key(path) ? no_key(path) : size.error();
  }
  text.shrink(*size);
  return parse_private_key(text.view(), path, passphrase);
}

namespace {

// PBES2 with scrypt and AES-256-CBC.
OwnedSigned sealed_with(const Secret& passphrase, PKCS8_PRIV_KEY_INFO* info) {
  std::array<unsigned char, kSaltBytes> salt;
  if (RAND_bytes(salt.data(), kSaltBytes) != 1) return nullptr;
  OwnedAlgorithm algorithm(PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt.data(), kSaltBytes,
                                                 nullptr, kScryptN, kScryptR, kScryptP));
  if (!algorithm) return nullptr;
  OwnedSigned sealed(
      PKCS8_set0_pbe(passphrase.view().data(), int(passphrase.size()), info, algorithm.get()));
  if (sealed) (void)algorithm.release();  // it is the other's now
  return sealed;
}

}  // namespace

Result<Secret> write_private_key(EVP_PKEY* key, const std::optional<Secret>& passphrase) {
  const OwnedInfo info(EVP_PKEY2PKCS8(key));
  // OpenSSL wipes a memory BIO of this kind at its end.
  const OwnedBio bio(BIO_new(BIO_s_secmem()));
  bool written = false;
  if (info && bio && passphrase.has_value()) {
    const OwnedSigned sealed = sealed_with(*passphrase, info.get());
    written = sealed && PEM_write_bio_PKCS8(bio.get(), sealed.get()) == 1;
  } else if (info && bio) {
    written = PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio.get(), info.get()) == 1;
  }
  if (!written)
    return fail(Code::kUnsupported, "the private key cannot be written: {}", openssl_reason());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret::copy({data, std::size_t(size)});
}

}  // namespace polder::trust
