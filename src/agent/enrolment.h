// What a hub gives a device: a certificate of the device's key, which is kept below the agent's
// folder and renewed in the last third of its life.
//
//   TRY_VALUE(const DeviceCertificate certificate, stored_certificate(storage));
//   if (fits(certificate, config.device, signer.public_key())) ...
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "platform/storage.h"
#include "trust/key.h"

namespace polder::agent {

inline constexpr char kCertificateName[] = "hub/certificate.pem";

struct DeviceCertificate {
  std::string pem;
  std::string device, key_id;
  std::int64_t from_s = 0, until_s = 0;
};

// Errors: those of trust::read_certificate(); kNotFound where none is kept.
Result<DeviceCertificate> read_device_certificate(std::string pem);
Result<DeviceCertificate> stored_certificate(Storage& storage);
// Durable when it returns: from then on the hub may forget the one before.
Status keep_certificate(Storage& storage, const std::string& pem);
bool fits(const DeviceCertificate& certificate, std::string_view device,
          const trust::PublicKey& key);
// When to ask for the next one: a third of its life before its end, or up to half of that later by
// chance, so that devices that were enrolled together do not come together.
std::int64_t renewal_s(const DeviceCertificate& certificate, std::uint64_t random);

// --- What the hub answers ------------------------------------------------------------------------

inline constexpr std::size_t kMaxHubAnswerBytes = 64 << 10;
inline constexpr std::int64_t kShortestPollS = 1, kLongestPollS = 3600;

// Of POST /v1/enrol and /v1/renew. Errors: kCorrupt.
Result<DeviceCertificate> certificate_of_answer(std::string_view body);

struct CheckinAnswer {
  std::int64_t next_s = 0;                // when to come again
  std::optional<std::int64_t> timestamp;  // the version of the repository's; none: it has none
  bool renew = false;                     // the certificate ends soon by the hub's clock
  bool describe = false;                  // it does not know what this device is
};
// Of POST /v1/checkin. Errors: kCorrupt.
Result<CheckinAnswer> checkin_answer(std::string_view body);

// Why it refuses, in its words, made fit to show; for what is no problem document (RFC 9457), the
// status.
std::string refusal_text(int status, std::string_view body);

}  // namespace polder::agent
