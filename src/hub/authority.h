// The hub's certificate authority: which devices belong to it.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trust/certificate.h"
#include "trust/digest.h"

namespace polder::hub {

inline constexpr std::int64_t kDayS = 86'400;
inline constexpr std::int64_t kDeviceCertificateS = 90 * kDayS;
// Made anew each day.
inline constexpr std::int64_t kServerCertificateS = 90 * kDayS;
// Clocks may be behind: certificates begin that much before they are made.
inline constexpr std::int64_t kClocksBehindS = 3'600;
// Of devices' certificates, what may be chosen.
inline constexpr std::int64_t kShortestCertificateS = 20, kLongestCertificateS = 825 * kDayS;

// Thread-safe.
class Authority {
 public:
  // The key, and its own certificate; for how long those of devices hold.
  Authority(std::unique_ptr<trust::Signer> key, std::string pem,
            std::int64_t device_s = kDeviceCertificateS);

  // A certificate of a device. Errors: those of issue_certificate().
  Result<std::string> issue(const trust::PublicKey& key, std::string_view device,
                            std::int64_t now_s);
  // One of the hub itself, for kServerCertificateS. Errors: those of issue_certificate().
  Result<std::string> issue_server(const trust::PublicKey& key,
                                   const std::vector<std::string>& hosts, std::int64_t now_s);
  // What a device's certificate says, which is from here and holds. Its signature is verified once:
  // devices show the same one in each request. Errors: kDenied, kCorrupt.
  Result<trust::CertificateFacts> check(std::string_view certificate_pem, std::int64_t now_s);
  const std::string& pem() const { return pem_; }
  const std::string& fingerprint() const { return fingerprint_; }  // as CertificateFacts has it

 private:
  std::mutex mutex_;  // keys on tokens do one thing at a time
  const std::unique_ptr<trust::Signer> key_;
  const std::string pem_;
  std::string fingerprint_;  // empty for what is no certificate
  const std::int64_t device_s_;

  std::mutex verified_mutex_;
  std::map<trust::Sha256, trust::CertificateFacts> verified_;  // by the SHA-256 of their PEM
};

// A new certificate of an authority, for ten years. Errors: those of issue_certificate().
Result<std::string> make_authority(trust::Signer& key, std::int64_t now_s);

}  // namespace polder::hub
