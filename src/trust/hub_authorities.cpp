#include "trust/hub_authorities.h"

#include <utility>

#include "base/fail.h"
#include "trust/certificate.h"

namespace polder::trust::tuf {
namespace {

Status check_authority(std::string_view pem, std::string_view where) {
  auto facts = read_certificate(pem);
  if (!facts.ok()) return std::move(facts).error().at(where);
  if (!facts->is_authority)
    return fail(Code::kCorrupt, "{}: the certificate of '{}' is none of an authority", where,
                facts->common_name);
  // Whoever signs is shown that certificate, and devices believe all that stands there.
  const auto only = only_certificate(pem);
  if (!only.ok()) return Error(only.error()).at(where);
  if (*only == pem) return {};
  return fail(Code::kCorrupt, "{}: more stands there than the certificate of '{}'", where,
              facts->common_name);
}

}  // namespace

Result<std::vector<std::string>> hub_authorities(const Root& root) {
  const std::string where = std::string("root: ") + kAuthoritiesMember;
  std::vector<std::string> pems;
  const auto found = root.other.find(kAuthoritiesMember);
  if (found == root.other.end()) return pems;
  const Json::Array* const list = found->second.array();
  if (!list) return fail(Code::kCorrupt, "{}: a list of certificates in PEM expected", where);
  if (list->size() > kMaxHubAuthorities)
    return fail(Code::kExhausted, "{}: {} certificates; {} at most", where, list->size(),
                kMaxHubAuthorities);
  for (const Json& item : *list) {
    if (!item.string() || item.string()->size() > kMaxCertificateBytes)
      return fail(Code::kCorrupt, "{}: a certificate in PEM expected", where);
    TRY(check_authority(*item.string(), where));
    pems.push_back(*item.string());
  }
  return pems;
}

Status set_hub_authorities(Root& root, const std::vector<std::string>& pems) {
  root.other.erase(kAuthoritiesMember);
  if (pems.empty()) return {};
  root.other.emplace(kAuthoritiesMember, Json::Array(pems.begin(), pems.end()));
  const auto read = hub_authorities(root);
  return read.ok() ? Status() : Status(Error{Code::kInvalid, read.error().message});
}

std::string shown_fingerprint(std::string_view hex) {
  std::string text;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i > 0 && i % 2 == 0) text += ':';
    text += hex[i] >= 'a' ? static_cast<char>(hex[i] - 'a' + 'A') : hex[i];
  }
  return text;
}

}  // namespace polder::trust::tuf
