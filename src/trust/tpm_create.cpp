// Makes a key in the TPM and keeps it there under a persistent handle, which tpm2-openssl's
// provider cannot do: through the enhanced system API of the TPM software stack, loaded at run
// time.
#include <openssl/crypto.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/fail.h"
#include "platform/library.h"
#include "platform/process.h"
#include "trust/tpm.h"

namespace polder::trust {

namespace {

constexpr char kEsys[] = "libtss2-esys.so.0", kLoader[] = "libtss2-tctildr.so.0";
// TCG TPM v2.0 Provisioning Guidance: where the owner's storage key is kept, if it is.
constexpr std::size_t kMaxAuthBytes = 32;  // of a key whose name is a SHA-256 digest

// The functions that are used, by their own types.
struct Stack {
#define POLDER_TSS2(library, name) \
  decltype(&::name) name = symbol<decltype(&::name)>(library, #name)
  SharedLibrary loader, esys;
  bool complete = true;
  POLDER_TSS2(loader, Tss2_TctiLdr_Initialize);
  POLDER_TSS2(loader, Tss2_TctiLdr_Finalize);
  POLDER_TSS2(esys, Esys_Initialize);
  POLDER_TSS2(esys, Esys_Finalize);
  POLDER_TSS2(esys, Esys_Free);
  POLDER_TSS2(esys, Esys_CreatePrimary);
  POLDER_TSS2(esys, Esys_Create);
  POLDER_TSS2(esys, Esys_Load);
  POLDER_TSS2(esys, Esys_EvictControl);
  POLDER_TSS2(esys, Esys_FlushContext);
  POLDER_TSS2(esys, Esys_TR_FromTPMPublic);
  POLDER_TSS2(esys, Esys_TR_Close);
#undef POLDER_TSS2

  Stack(SharedLibrary loader_library, SharedLibrary esys_library)
      : loader(std::move(loader_library)), esys(std::move(esys_library)) {}
  template <class F>
  F symbol(const SharedLibrary& library, const char* name) {
    void* found = library.symbol(name);
    complete = complete && found != nullptr;
    return reinterpret_cast<F>(found);
  }
};

// A connection with the TPM.
class Tpm {
 public:
  static Result<std::unique_ptr<Tpm>> connect(const std::string& where) {
    set_default_environment("TSS2_LOG", "all+none");  // it would print what the errors say
    auto loader = SharedLibrary::open(kLoader);
    auto esys = SharedLibrary::open(kEsys);
    if (!loader || !esys) {
      return fail(Code::kUnavailable, "{}: the TPM software stack is missing ({}): install {}",
                  where, (!loader ? loader : esys).error().message,
                  "tpm2-openssl, which brings it");
    }
    auto tpm = std::make_unique<Tpm>(std::move(*loader), std::move(*esys));
    if (!tpm->call.complete)
      return fail(Code::kUnavailable, "{}: the TPM software stack is too old", where);
    const char* tcti = std::getenv("TPM2OPENSSL_TCTI");
    const bool connected = tpm->call.Tss2_TctiLdr_Initialize(tcti, &tpm->tcti_) == 0 &&
                           tpm->call.Esys_Initialize(&tpm->context, tpm->tcti_, nullptr) == 0;
    if (connected) return tpm;
    return fail(Code::kUnavailable,
                "{}: no TPM answers: start the resource manager (package tpm2-abrmd), or say where "
                "the TPM is: TPM2OPENSSL_TCTI=device:/dev/tpmrm0",
                where);
  }
  Tpm(SharedLibrary loader, SharedLibrary esys) : call(std::move(loader), std::move(esys)) {}
  Tpm(const Tpm&) = delete;
  Tpm& operator=(const Tpm&) = delete;
  ~Tpm() {
    if (context != nullptr) call.Esys_Finalize(&context);
    if (tcti_ != nullptr) call.Tss2_TctiLdr_Finalize(&tcti_);
  }

  Stack call;
  ESYS_CONTEXT* context = nullptr;

 private:
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
};

// An object that is in the TPM for a while.
class Transient {
 public:
  explicit Transient(Tpm& tpm) : tpm_(tpm) {}
  Transient(const Transient&) = delete;
  Transient& operator=(const Transient&) = delete;
  ~Transient() {
    if (handle != ESYS_TR_NONE) tpm_.call.Esys_FlushContext(tpm_.context, handle);
  }
  ESYS_TR handle = ESYS_TR_NONE;

 private:
  Tpm& tpm_;
};

TPM2B_PUBLIC template_of(TPMA_OBJECT attributes) {
  TPM2B_PUBLIC key{};
  TPMT_PUBLIC& area = key.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                          TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | attributes;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  return key;
}

// The owner's storage key on P-256, as the TCG's provisioning guidance has it.
TPM2B_PUBLIC storage_template() {
  TPM2B_PUBLIC key = template_of(TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT);
  TPMT_SYM_DEF_OBJECT& symmetric = key.publicArea.parameters.eccDetail.symmetric;
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  return key;
}

Error refused(const std::string& where, const char* action, TSS2_RC code) {
  // Of an answer of the TPM itself: a wrong or missing authorisation, whatever its parameter.
  const TSS2_RC base = code & 0xbf;
  if (base == (TPM2_RC_BAD_AUTH & 0xbf) || base == (TPM2_RC_AUTH_FAIL & 0xbf)) {
    return fail(
        Code::kDenied,
        "{}: cannot {}: the TPM's owner has set a password; take a key that the owner makes", where,
        action);
  }
  return fail(Code::kIo, "{}: cannot {}: TPM error 0x{:x} (tpm2_rc_decode explains it)", where,
              action, code);
}

bool is_taken(Tpm& tpm, std::uint32_t handle) {
  ESYS_TR object = ESYS_TR_NONE;
  const TSS2_RC code = tpm.call.Esys_TR_FromTPMPublic(tpm.context, handle, ESYS_TR_NONE,
                                                      ESYS_TR_NONE, ESYS_TR_NONE, &object);
  if (code == 0) tpm.call.Esys_TR_Close(tpm.context, &object);
  return code == 0;
}

Status make_persistent(Tpm& tpm, std::uint32_t handle, const std::string& where,
                       TPM2B_SENSITIVE_CREATE& sensitive, TPMA_OBJECT attributes) {
  const TPM2B_SENSITIVE_CREATE nothing{};
  const TPM2B_DATA no_data{};
  const TPML_PCR_SELECTION no_registers{};
  const TPM2B_PUBLIC storage = storage_template(), wanted = template_of(attributes);
  Transient parent(tpm), key(tpm);
  TSS2_RC code = tpm.call.Esys_CreatePrimary(
      tpm.context, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nothing,
      &storage, &no_data, &no_registers, &parent.handle, nullptr, nullptr, nullptr, nullptr);
  if (code != 0) return refused(where, "open the owner's storage key", code);
  TPM2B_PRIVATE* sealed = nullptr;
  TPM2B_PUBLIC* half = nullptr;
  code = tpm.call.Esys_Create(tpm.context, parent.handle, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                              ESYS_TR_NONE, &sensitive, &wanted, &no_data, &no_registers, &sealed,
                              &half, nullptr, nullptr, nullptr);
  if (code != 0) return refused(where, "make a key", code);
  code = tpm.call.Esys_Load(tpm.context, parent.handle, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, sealed, half, &key.handle);
  tpm.call.Esys_Free(sealed);
  tpm.call.Esys_Free(half);
  if (code != 0) return refused(where, "load the key", code);
  ESYS_TR kept = ESYS_TR_NONE;
  code = tpm.call.Esys_EvictControl(tpm.context, ESYS_TR_RH_OWNER, key.handle, ESYS_TR_PASSWORD,
                                    ESYS_TR_NONE, ESYS_TR_NONE, handle, &kept);
  if (code != 0) return refused(where, "keep the key", code);
  tpm.call.Esys_TR_Close(tpm.context, &kept);
  return {};
}

// The passphrase that was just chosen.
class Known final : public PassphraseSource {
 public:
  explicit Known(const Secret& secret) : secret_(secret) {}
  Result<Secret> existing(std::string_view) override { return Secret::copy(secret_.view()); }
  Result<std::optional<Secret>> chosen(std::string_view) override {
    return std::optional<Secret>(Secret::copy(secret_.view()));
  }

 private:
  const Secret& secret_;
};

}  // namespace

Result<PublicKey> create_tpm(std::uint32_t handle, const std::string& where, Scheme scheme,
                             PassphraseSource& source) {
  if (scheme != Scheme::kEcdsaP256) {
    return fail(Code::kUnsupported, "{}: a TPM makes P-256 keys here: --type p256, not {}", where,
                scheme_name(scheme));
  }
  TRY_VALUE(auto tpm, Tpm::connect(where));
  if (is_taken(*tpm, handle)) {
    return fail(Code::kDenied,
                "{}: the TPM has a key under this handle, and none is ever overwritten; choose "
                "another",
                where);
  }
  TRY_VALUE(std::optional<Secret> chosen, source.chosen(where));
  Secret passphrase = chosen.has_value() ? std::move(*chosen) : Secret();
  if (passphrase.size() > kMaxAuthBytes) {
    return fail(Code::kExhausted, "{}: a TPM takes passphrases of at most {} bytes, {} given",
                where, kMaxAuthBytes, passphrase.size());
  }
  TPM2B_SENSITIVE_CREATE sensitive{};
  sensitive.sensitive.userAuth.size = std::uint16_t(passphrase.size());
  std::copy_n(passphrase.data(), passphrase.size(), sensitive.sensitive.userAuth.buffer);
  // Who guesses at a passphrase is locked out by the TPM; without one there is nothing to guess.
  const TPMA_OBJECT guard = passphrase.empty() ? TPMA_OBJECT_NODA : 0;
  const Status made = make_persistent(*tpm, handle, where, sensitive,
                                      TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_DECRYPT | guard);
  OPENSSL_cleanse(&sensitive, sizeof sensitive);
  if (!made.ok()) return Error(made.error());
  tpm.reset();  // a TPM without a resource manager serves one at a time
  Known known(passphrase);
  TRY_VALUE(const auto signer, open_tpm(handle, where, passphrase.empty() ? nullptr : &known));
  return signer->public_key();
}

}  // namespace polder::trust
