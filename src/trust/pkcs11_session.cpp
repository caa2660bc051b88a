#include "trust/pkcs11_session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fail.h"
#include "base/text.h"
#include "platform/library.h"

namespace polder::trust {

namespace {

constexpr char kProxy[] = "p11-kit-proxy.so";
constexpr CK_ULONG kMaxSlots = 256;
constexpr CK_ULONG kMaxAttributeBytes = 16 * 1024;

struct Reason {
  CK_RV value;
  Code code;
  const char* text;
};
// What users can meet and do something about.
constexpr Reason kReasons[] = {
    {CKR_PIN_INCORRECT, Code::kDenied, "wrong PIN; mind that tokens lock after a few"},
    {CKR_PIN_INVALID, Code::kDenied, "wrong PIN; mind that tokens lock after a few"},
    {CKR_PIN_LEN_RANGE, Code::kDenied, "wrong PIN: it is too short or too long"},
    {CKR_PIN_LOCKED, Code::kDenied, "the PIN is locked: unlock it with the token's own tool"},
    {CKR_PIN_EXPIRED, Code::kDenied, "the PIN has expired: change it with the token's own tool"},
    {CKR_USER_PIN_NOT_INITIALIZED, Code::kDenied, "the token has no user PIN yet: set one"},
    {CKR_TOKEN_WRITE_PROTECTED, Code::kDenied, "the token is write-protected"},
    {CKR_TOKEN_NOT_PRESENT, Code::kUnavailable, "the token is not there any more"},
    {CKR_TOKEN_NOT_RECOGNIZED, Code::kUnavailable, "the token is not recognised"},
    {CKR_DEVICE_REMOVED, Code::kUnavailable, "the token has been removed"},
    {CKR_DEVICE_ERROR, Code::kUnavailable, "the token reports an error of its own"},
    {CKR_SESSION_HANDLE_INVALID, Code::kUnavailable, "the token has been removed or reset"},
    {CKR_SESSION_CLOSED, Code::kUnavailable, "the token has been removed or reset"},
    {CKR_DEVICE_MEMORY, Code::kExhausted, "the token is full"},
    {CKR_MECHANISM_INVALID, Code::kUnsupported, "the token does not know how"},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, Code::kDenied, "the key is not for this use"},
    {CKR_FUNCTION_NOT_SUPPORTED, Code::kUnsupported, "the token does not know how"},
    {CKR_USER_NOT_LOGGED_IN, Code::kDenied, "the token wants another login"},
};

// Fields of a token's description are padded with spaces.
template <std::size_t N>
std::string trimmed(const unsigned char (&field)[N]) {
  std::string_view text(reinterpret_cast<const char*>(field), N);
  const std::size_t last = text.find_last_not_of(std::string_view(" \0", 2));
  return std::string(text.substr(0, last == text.npos ? 0 : last + 1));
}

bool fits(const Pkcs11Uri& uri, CK_SLOT_ID slot, const CK_TOKEN_INFO& info) {
  const auto same = [](const std::optional<std::string>& wanted, const std::string& found) {
    return !wanted.has_value() || *wanted == found;
  };
  if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) return false;
  // Without a name, what keeps no secrets (the certificates of the system) is not meant.
  const bool named = uri.token.has_value() || uri.serial.has_value() || uri.slot_id.has_value();
  if (!named && (info.flags & CKF_LOGIN_REQUIRED) == 0) return false;
  return same(uri.token, trimmed(info.label)) &&
         same(uri.manufacturer, trimmed(info.manufacturerID)) &&
         same(uri.model, trimmed(info.model)) && same(uri.serial, trimmed(info.serialNumber)) &&
         (!uri.slot_id.has_value() || *uri.slot_id == slot);
}

// Modules are neither finalised nor unloaded: other keys of this process may be in use, and many
// modules do not survive it.
Result<CK_FUNCTION_LIST*> load_module(const std::string& path, const std::string& where) {
  const bool proxy = path.empty();
  auto library = SharedLibrary::open(proxy ? kProxy : path);
  if (!library) {
    return fail(Code::kUnavailable, "{}: the PKCS#11 module cannot be loaded ({}); {}", where,
                library.error().message,
                proxy ? "install p11-kit-modules (and for a software token softhsm2), or name the "
                        "token's own with ?module-path=FILE"
                      : "install the package of the token's module");
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(library->symbol("C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (get == nullptr || get(&functions) != CKR_OK || functions == nullptr) {
    return fail(Code::kUnavailable, "{}: '{}' is no PKCS#11 module", where, proxy ? kProxy : path);
  }
  library->stay();
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const CK_RV value = functions->C_Initialize(&arguments);
  if (value == CKR_OK || value == CKR_CRYPTOKI_ALREADY_INITIALIZED) return functions;
  return fail(Code::kUnavailable, "{}: the PKCS#11 module '{}' does not start (0x{:x})", where,
              proxy ? kProxy : path, value);
}

}  // namespace

Result<Pkcs11Session> Pkcs11Session::open(const Pkcs11Uri& uri, const std::string& where,
                                          PassphraseSource& pin) {
  TRY_VALUE(CK_FUNCTION_LIST * functions, load_module(uri.module_path, where));
  Pkcs11Session session(functions, where);
  TRY(session.choose(uri));
  // Sessions that may write: a token is logged in to for all of them or none.
  const CK_RV value = functions->C_OpenSession(session.slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                               nullptr, nullptr, &session.session_);
  if (value != CKR_OK) return session.error("open a session", value);
  TRY(session.log_in(pin));
  return session;
}

Pkcs11Session::Pkcs11Session(Pkcs11Session&& other) noexcept
    : functions_(other.functions_),
      where_(std::move(other.where_)),
      token_(std::move(other.token_)),
      slot_(other.slot_),
      token_flags_(other.token_flags_),
      session_(std::exchange(other.session_, CK_INVALID_HANDLE)) {}

Pkcs11Session::~Pkcs11Session() {
  if (session_ != CK_INVALID_HANDLE) functions_->C_CloseSession(session_);
}

Status Pkcs11Session::choose(const Pkcs11Uri& uri) {
  CK_SLOT_ID slots[kMaxSlots];
  CK_ULONG count = kMaxSlots;
  if (const CK_RV value = functions_->C_GetSlotList(CK_TRUE, slots, &count); value != CKR_OK)
    return error("list tokens", value);
  std::string fitting, all;
  int fits_count = 0;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    if (functions_->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    const std::string label = one_line(trimmed(info.label));
    if ((info.flags & CKF_TOKEN_INITIALIZED) != 0)
      all += fmt::format("{}'{}'", all.empty() ? "" : ", ", label);
    if (!fits(uri, slots[i], info)) continue;
    fitting += fmt::format("{}'{}' (serial {})", fitting.empty() ? "" : ", ", label,
                           one_line(trimmed(info.serialNumber)));
    ++fits_count;
    slot_ = slots[i];
    token_ = label;
    token_flags_ = info.flags;
  }
  if (fits_count == 1) return {};
  if (fits_count > 1) {
    return fail(Code::kInvalid, "{}: {} tokens fit: {}; say which with token= or serial=", where_,
                fits_count, fitting);
  }
  return fail(
      Code::kNotFound, "{}: no such token; {}{}", where_,
      all.empty() ? "none is there: is it plugged in, and does its module know it?" : "there are ",
      all);
}

Status Pkcs11Session::log_in(PassphraseSource& source) {
  CK_SESSION_INFO info{};
  if ((token_flags_ & CKF_LOGIN_REQUIRED) == 0) return {};
  if (functions_->C_GetSessionInfo(session_, &info) == CKR_OK &&
      (info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS)) {
    return {};
  }
  if ((token_flags_ & CKF_USER_PIN_LOCKED) != 0) return error("log in", CKR_PIN_LOCKED);
  CK_RV value = CKR_OK;
  if ((token_flags_ & CKF_PROTECTED_AUTHENTICATION_PATH) != 0) {  // a key pad of its own
    value = functions_->C_Login(session_, CKU_USER, nullptr, 0);
  } else {
    const bool last = (token_flags_ & CKF_USER_PIN_FINAL_TRY) != 0;
    TRY_VALUE(Secret pin, source.existing(fmt::format("token '{}'{}", token_,
                                                      last ? " (PIN, the last try)" : " (PIN)")));
    value = functions_->C_Login(session_, CKU_USER, pin.data(), pin.size());
  }
  if (value == CKR_OK || value == CKR_USER_ALREADY_LOGGED_IN) return {};
  return error("log in", value);
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Session::find(std::span<const CK_ATTRIBUTE> wanted) {
  std::vector<CK_ATTRIBUTE> attributes(wanted.begin(), wanted.end());
  CK_RV value = functions_->C_FindObjectsInit(session_, attributes.data(), attributes.size());
  if (value != CKR_OK) return error("look for keys", value);
  std::vector<CK_OBJECT_HANDLE> found(kMaxObjects);
  CK_ULONG count = 0, total = 0;
  do {
    value = functions_->C_FindObjects(session_, found.data() + total, kMaxObjects - total, &count);
    total += value == CKR_OK ? std::min<CK_ULONG>(count, kMaxObjects - total) : 0;
  } while (value == CKR_OK && count > 0 && total < kMaxObjects);
  functions_->C_FindObjectsFinal(session_);
  if (value != CKR_OK) return error("look for keys", value);
  found.resize(total);
  return found;
}

std::optional<std::string> Pkcs11Session::attribute(CK_OBJECT_HANDLE object,
                                                    CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE asked{type, nullptr, 0};
  if (functions_->C_GetAttributeValue(session_, object, &asked, 1) != CKR_OK ||
      asked.ulValueLen == CK_UNAVAILABLE_INFORMATION || asked.ulValueLen > kMaxAttributeBytes) {
    return std::nullopt;
  }
  std::string value(asked.ulValueLen, '\0');
  asked.pValue = value.data();
  if (functions_->C_GetAttributeValue(session_, object, &asked, 1) != CKR_OK ||
      asked.ulValueLen > value.size()) {
    return std::nullopt;
  }
  value.resize(asked.ulValueLen);
  return value;
}

std::optional<CK_ULONG> Pkcs11Session::number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  const auto bytes = attribute(object, type);
  CK_ULONG value = 0;
  if (!bytes.has_value() || bytes->size() != sizeof value) return std::nullopt;
  std::memcpy(&value, bytes->data(), sizeof value);
  return value;
}

Error Pkcs11Session::error(const char* action, CK_RV value) const {
  const std::string place = token_.empty() ? where_ : fmt::format("{}: token '{}'", where_, token_);
  for (const Reason& reason : kReasons) {
    if (reason.value == value)
      return fail(reason.code, "{}: cannot {}: {}", place, action, reason.text);
  }
  return fail(Code::kIo, "{}: cannot {}: PKCS#11 error 0x{:x}", place, action, value);
}

}  // namespace polder::trust
