#include "hub/authority.h"

#include <algorithm>

#include "base/fail.h"

namespace polder::hub {
namespace {

constexpr std::size_t kMaxVerified = 50'000;  // about a kilobyte each

}  // namespace

Authority::Authority(std::unique_ptr<trust::Signer> key, std::string pem, std::int64_t device_s)
    : key_(std::move(key)), pem_(std::move(pem)), device_s_(device_s) {
  if (const auto facts = trust::read_certificate(pem_); facts.ok())
    fingerprint_ = facts->fingerprint;
}

Result<std::string> Authority::issue(const trust::PublicKey& key, std::string_view device,
                                     std::int64_t now_s) {
  const std::lock_guard lock(mutex_);
  // Of one that is short most lies ahead.
  const std::int64_t behind_s = std::min(kClocksBehindS, device_s_ / 8);
  return trust::issue_certificate(*key_, pem_, key,
                                  {.use = trust::CertificateUse::kClient,
                                   .common_name = std::string(device),
                                   .from_s = now_s - behind_s,
                                   .until_s = now_s + device_s_});
}

Result<std::string> Authority::issue_server(const trust::PublicKey& key,
                                            const std::vector<std::string>& hosts,
                                            std::int64_t now_s) {
  TRY_VALUE(const trust::CertificateFacts own, trust::read_certificate(pem_));
  const std::lock_guard lock(mutex_);
  return trust::issue_certificate(*key_, pem_, key,
                                  {.use = trust::CertificateUse::kServer,
                                   .common_name = "polder-hub",
                                   .hosts = hosts,
                                   .from_s = now_s - kClocksBehindS,
                                   .until_s = std::min(now_s + kServerCertificateS, own.until_s)});
}

Result<trust::CertificateFacts> Authority::check(std::string_view certificate_pem,
                                                 std::int64_t now_s) {
  const trust::Sha256 digest = trust::sha256(certificate_pem);
  {
    const std::lock_guard lock(verified_mutex_);
    const auto found = verified_.find(digest);
    if (found != verified_.end() && found->second.from_s <= now_s && now_s < found->second.until_s)
      return found->second;
  }
  TRY(trust::check_certificate(certificate_pem, pem_, trust::CertificateUse::kClient, now_s));
  TRY_VALUE(trust::CertificateFacts facts, trust::read_certificate(certificate_pem));
  const std::lock_guard lock(verified_mutex_);
  if (verified_.size() >= kMaxVerified) verified_.clear();
  verified_.emplace(digest, facts);
  return facts;
}

Result<std::string> make_authority(trust::Signer& key, std::int64_t now_s) {
  return trust::issue_certificate(key, "", key.public_key(),
                                  {.use = trust::CertificateUse::kAuthority,
                                   .common_name = "polder-hub",
                                   .from_s = now_s - 2 * kClocksBehindS,
                                   .until_s = now_s + 3'650 * kDayS});
}

}  // namespace polder::hub
