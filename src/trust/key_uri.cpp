#include "trust/key_uri.h"

#include <charconv>

#include "base/fail.h"
#include "base/text.h"
#include "trust/digest.h"

namespace polder::trust {

namespace {

constexpr std::string_view kFileScheme = "file:", kPkcs11Scheme = "pkcs11:", kTpmScheme = "tpm:";
constexpr std::size_t kMaxUriBytes = 4096;
constexpr std::uint32_t kFirstPersistent = 0x81000000, kLastPersistent = 0x81ffffff;

Error bad(std::string_view uri, std::string_view what) {
  return fail(Code::kInvalid, "'{}': {}", clipped(uri), what);
}

Result<std::string> percent_decoded(std::string_view text, std::string_view uri) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const auto byte = from_hex(text.substr(i + 1, 2));
    if (!byte.ok() || byte->size() != 1) return bad(uri, "two hexadecimal digits expected after %");
    bytes += *byte;
    i += 2;
  }
  return bytes;
}

// Takes what stands before `separator` from the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

Status set_once(std::optional<std::string>& field, std::string value, std::string_view uri,
                std::string_view name) {
  if (field.has_value()) return bad(uri, fmt::format("'{}' is given twice", name));
  field = std::move(value);
  return {};
}

// RFC 7512, section 2.3, path attributes.
Status set_attribute(Pkcs11Uri& result, std::string_view name, std::string value,
                     std::string_view uri) {
  if (name == "token") return set_once(result.token, std::move(value), uri, name);
  if (name == "manufacturer") return set_once(result.manufacturer, std::move(value), uri, name);
  if (name == "model") return set_once(result.model, std::move(value), uri, name);
  if (name == "serial") return set_once(result.serial, std::move(value), uri, name);
  if (name == "object") return set_once(result.object, std::move(value), uri, name);
  if (name == "id") return set_once(result.id, std::move(value), uri, name);
  if (name == "slot-id") {
    std::uint64_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code != std::errc() || end != value.data() + value.size())
      return bad(uri, "'slot-id' is a whole number");
    result.slot_id = number;
    return {};
  }
  if (name == "type") {
    if (value == "private") return {};
    return bad(uri, "'type' is private: it is a private key that is meant");
  }
  return bad(uri,
             fmt::format("unknown attribute '{}': token, manufacturer, model, serial, slot-id, "
                         "object, id and type exist",
                         clipped(name)));
}

}  // namespace

Result<Pkcs11Uri> Pkcs11Uri::parse(std::string_view uri) {
  if (uri.size() > kMaxUriBytes || !uri.starts_with(kPkcs11Scheme))
    return bad(uri, "a PKCS#11 URI is expected: pkcs11:token=NAME;object=KEY");
  std::string_view query = uri.substr(kPkcs11Scheme.size());
  std::string_view path = take(query, '?');
  Pkcs11Uri result;
  while (!path.empty()) {
    std::string_view value = take(path, ';');
    const std::string_view name = take(value, '=');
    TRY_VALUE(std::string decoded, percent_decoded(value, uri));
    TRY(set_attribute(result, name, std::move(decoded), uri));
  }
  while (!query.empty()) {
    std::string_view value = take(query, '&');
    const std::string_view name = take(value, '=');
    if (name == "pin-value" || name == "pin-source") {
      return fail(Code::kDenied,
                  "a PIN has no place in a key's name, which others can read: leave out '{}' and "
                  "use the prompt, --passphrase-fd or POLDER_PASSPHRASE",
                  name);
    }
    if (name != "module-path") {
      return bad(uri, fmt::format("unknown query '{}': module-path exists", clipped(name)));
    }
    TRY_VALUE(result.module_path, percent_decoded(value, uri));
  }
  return result;
}

Result<KeyUri> KeyUri::parse(const std::string& uri) {
  KeyUri result;
  const std::string_view text = uri;
  if (text.starts_with(kPkcs11Scheme)) {
    result.place = KeyPlace::kPkcs11;
    TRY_VALUE(result.pkcs11, Pkcs11Uri::parse(text));
    return result;
  }
  if (text.starts_with(kTpmScheme)) {
    result.place = KeyPlace::kTpm;
    std::string_view query = text.substr(kTpmScheme.size());
    std::string_view digits = take(query, '?');
    result.tpm_passphrase = query == "pass";
    const bool prefixed = digits.starts_with("0x") || digits.starts_with("0X");
    if (prefixed) digits.remove_prefix(2);
    const auto [end, code] =
        std::from_chars(digits.data(), digits.data() + digits.size(), result.tpm_handle, 16);
    if (!prefixed || !(query.empty() || result.tpm_passphrase) || code != std::errc() ||
        end != digits.data() + digits.size() || result.tpm_handle < kFirstPersistent ||
        result.tpm_handle > kLastPersistent) {
      return bad(uri,
                 "a persistent handle of the TPM is expected, from tpm:0x81000000 to "
                 "tpm:0x81ffffff, with ?pass "
                 "behind it when the key has a passphrase");
    }
    return result;
  }
  result.path = text.starts_with(kFileScheme) ? text.substr(kFileScheme.size()) : text;
  if (result.path.starts_with("//")) result.path.erase(0, 2);  // file:///path, of this machine
  if (result.path.empty() || result.path.find('\0') != std::string::npos)
    return bad(uri, "the path of a key is expected");
  return result;
}

}  // namespace polder::trust
