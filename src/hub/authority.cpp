#include "hub/authority.h"

#include "base/fail.h"

namespace polder::hub {

Result<std::string> Authority::issue(const trust::PublicKey& key, std::string_view device,
                                     std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  return trust::issue_certificate(*key_, pem_, key,
                                  {.use = trust::CertificateUse::kClient,
                                   .common_name = std::string(device),
                                   .from_s = now_s - kClocksBehindS,
                                   .until_s = now_s + kDeviceCertificateS});
}

Status Authority::check(std::string_view certificate_pem, std::int64_t now_s) const {
  return trust::check_certificate(certificate_pem, pem_, trust::CertificateUse::kClient, now_s);
}

Result<std::string> make_authority(trust::Signer& key, std::int64_t now_s) {
  return trust::issue_certificate(key, "", key.public_key(),
                                  {.use = trust::CertificateUse::kAuthority,
                                   .common_name = "polder-hub",
                                   .from_s = now_s - 2 * kClocksBehindS,
                                   .until_s = now_s + 3'650 * kDayS});
}

}  // namespace polder::hub
