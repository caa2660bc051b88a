// A session with one PKCS#11 token: finding it, logging in, finding and reading objects. Inside
// this room.
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trust/key_uri.h"
#include "trust/passphrase.h"

namespace polder::trust {

class Pkcs11Session {
 public:
  // Finds the one token that `uri` names and logs in, asking for the PIN unless this process is
  // logged in already. Errors: kUnavailable without the module or the token; kInvalid when several
  // tokens fit; kDenied for a wrong PIN.
  static Result<Pkcs11Session> open(const Pkcs11Uri& uri, const std::string& where,
                                    PassphraseSource& pin);
  Pkcs11Session(Pkcs11Session&& other) noexcept;
  Pkcs11Session& operator=(Pkcs11Session&&) = delete;
  ~Pkcs11Session();

  CK_FUNCTION_LIST& call() { return *functions_; }
  CK_SESSION_HANDLE handle() const { return session_; }
  const std::string& token() const { return token_; }
  const std::string& where() const { return where_; }

  // Those whose attributes are all as in `wanted`, at most kMaxObjects.
  static constexpr std::size_t kMaxObjects = 256;
  Result<std::vector<CK_OBJECT_HANDLE>> find(std::span<const CK_ATTRIBUTE> wanted);
  // Nothing when the object has no such attribute or does not tell.
  std::optional<std::string> attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  std::optional<CK_ULONG> number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  // What a call said that did not succeed.
  Error error(const char* action, CK_RV value) const;

 private:
  Pkcs11Session(CK_FUNCTION_LIST* functions, std::string where)
      : functions_(functions), where_(std::move(where)) {}
  Status choose(const Pkcs11Uri& uri);
  Status log_in(PassphraseSource& pin);

  CK_FUNCTION_LIST* functions_;
  std::string where_, token_;
  CK_SLOT_ID slot_ = 0;
  CK_FLAGS token_flags_ = 0;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

}  // namespace polder::trust
