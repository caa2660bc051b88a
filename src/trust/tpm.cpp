#include "trust/tpm.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include <algorithm>
#include <cstring>

#include "base/fail.h"
#include "platform/process.h"
#include "trust/evp_key.h"

namespace polder::trust {

namespace {

constexpr char kProvider[] = "tpm2";
constexpr char kProperties[] = "?provider=tpm2";  // without it OpenSSL would sign by itself

using OwnedStore = Owned<OSSL_STORE_CTX, OSSL_STORE_close>;
using OwnedInfo = Owned<OSSL_STORE_INFO, OSSL_STORE_INFO_free>;
using OwnedUi = Owned<UI_METHOD, UI_destroy_method>;

// OpenSSL with the provider, apart from the OpenSSL of the rest of the process.
class TpmLibrary {
 public:
  static Result<std::shared_ptr<TpmLibrary>> load(const std::string& where) {
    set_default_environment("TSS2_LOG", "all+none");  // it would print what the errors say
    auto library = std::make_shared<TpmLibrary>();
    ERR_clear_error();
    library->context_ = OSSL_LIB_CTX_new();
    if (library->context_ == nullptr)
      return fail(Code::kExhausted, "{}: {}", where, openssl_reason());
    library->tpm_ = OSSL_PROVIDER_load(library->context_, kProvider);
    if (library->tpm_ == nullptr) {
      const bool missing = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_DSO;
      ERR_clear_error();
      if (missing) {
        return fail(Code::kUnavailable,
                    "{}: OpenSSL has no provider for TPMs: install tpm2-openssl", where);
      }
      return fail(Code::kUnavailable,
                  "{}: no TPM answers: start the resource manager (package tpm2-abrmd), or say "
                  "where the TPM is: TPM2OPENSSL_TCTI=device:/dev/tpmrm0",
                  where);
    }
    library->plain_ = OSSL_PROVIDER_load(library->context_, "default");
    if (library->plain_ == nullptr)
      return fail(Code::kUnavailable, "{}: {}", where, openssl_reason());
    return library;
  }
  TpmLibrary() = default;
  TpmLibrary(const TpmLibrary&) = delete;
  TpmLibrary& operator=(const TpmLibrary&) = delete;
  ~TpmLibrary() {
    if (plain_ != nullptr) OSSL_PROVIDER_unload(plain_);
    if (tpm_ != nullptr) OSSL_PROVIDER_unload(tpm_);
    OSSL_LIB_CTX_free(context_);
  }
  OSSL_LIB_CTX* context() const { return context_; }

 private:
  OSSL_LIB_CTX* context_ = nullptr;
  OSSL_PROVIDER* tpm_ = nullptr;
  OSSL_PROVIDER* plain_ = nullptr;
};

// What the provider's question for a passphrase is answered with.
struct Asked {
  PassphraseSource* source;
  const std::string* where;
  std::optional<Error> error;
};

int answer(char* buffer, int size, int, void* data) {
  Asked& asked = *static_cast<Asked*>(data);
  auto passphrase = asked.source->existing(*asked.where);
  if (passphrase.ok() && passphrase->size() <= std::size_t(size)) {
    std::memcpy(buffer, passphrase->data(), passphrase->size());
    return int(passphrase->size());
  }
  asked.error = passphrase.ok()
                    ? fail(Code::kExhausted, "{}: the passphrase is too long", *asked.where)
                    : std::move(passphrase).error();
  return -1;
}

struct TpmKey {
  OwnedKey key;
  EvpContext context;
};

Result<TpmKey> open_key(std::uint32_t handle, const std::string& where, PassphraseSource* source) {
  TRY_VALUE(auto library, TpmLibrary::load(where));
  const OwnedUi ui(UI_UTIL_wrap_read_pem_callback(answer, 0));
  Asked asked{source, &where, {}};
  const std::string uri =
      fmt::format("handle:0x{:08x}{}", handle, source != nullptr ? "?pass" : "");
  OwnedStore store(OSSL_STORE_open_ex(uri.c_str(), library->context(), kProperties, ui.get(),
                                      &asked, nullptr, nullptr, nullptr));
  OwnedKey key;
  while (store && !key && OSSL_STORE_eof(store.get()) == 0) {
    const OwnedInfo info(OSSL_STORE_load(store.get()));
    if (!info) break;
    if (OSSL_STORE_INFO_get_type(info.get()) == OSSL_STORE_INFO_PKEY)
      key.reset(OSSL_STORE_INFO_get1_PKEY(info.get()));
  }
  if (asked.error.has_value()) return std::move(*asked.error);
  if (!key) {
    ERR_clear_error();
    return fail(Code::kNotFound,
                "{}: the TPM has no key under this handle; list them with tpm2_getcap "
                "handles-persistent, or make one: polder keys create --tpm 0x{:08x}",
                where, handle);
  }
  ERR_clear_error();
  const std::string hint =
      source != nullptr
          ? "wrong passphrase; mind that a TPM locks itself after too many"
          : fmt::format("the key has a passphrase: name it tpm:0x{:08x}?pass", handle);
  return TpmKey{std::move(key), EvpContext{library->context(), kProperties, library, hint}};
}

}  // namespace

Result<std::unique_ptr<Signer>> open_tpm(std::uint32_t handle, const std::string& where,
                                         PassphraseSource* passphrase) {
  TRY_VALUE(TpmKey opened, open_key(handle, where, passphrase));
  TRY_VALUE(auto signer, evp_signer(std::move(opened.key), std::move(opened.context), where));
  if (signer->public_key().scheme() == Scheme::kEcdsaP256) return signer;
  return fail(Code::kUnsupported, "{}: a key of {}; in a TPM, P-256 keys are supported", where,
              scheme_name(signer->public_key().scheme()));
}

Result<std::unique_ptr<Decrypter>> open_tpm_decrypter(std::uint32_t handle,
                                                      const std::string& where,
                                                      PassphraseSource* passphrase) {
  TRY_VALUE(TpmKey opened, open_key(handle, where, passphrase));
  return evp_decrypter(std::move(opened.key), std::move(opened.context), where);
}

}  // namespace polder::trust
