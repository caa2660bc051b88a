#include "agent/enrolment.h"

#include <algorithm>
#include <array>

#include "agent/hub_standing.h"
#include "agent/state.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/certificate.h"
#include "trust/json.h"

namespace polder::agent {

namespace {

constexpr std::array<std::string_view, 5> kStates = {"none", "not enrolled", "enrolled", "refused",
                                                     "away"};
constexpr std::size_t kMaxDetailBytes = 512;
constexpr std::int64_t kMaxVersion = std::int64_t(1) << 53;

}  // namespace

std::string_view hub_state_name(HubState state) { return kStates[std::size_t(state)]; }

std::optional<HubState> hub_state_from_name(std::string_view name) {
  const auto found = std::ranges::find(kStates, name);
  if (found == kStates.end()) return {};
  return HubState(found - kStates.begin());
}

Result<DeviceCertificate> read_device_certificate(std::string pem) {
  TRY_VALUE(trust::CertificateFacts facts, trust::read_certificate(pem));
  return DeviceCertificate{.pem = std::move(pem),
                           .device = std::move(facts.common_name),
                           .key_id = std::move(facts.key_id),
                           .from_s = facts.from_s,
                           .until_s = facts.until_s};
}

Result<DeviceCertificate> stored_certificate(Storage& storage) {
  TRY_VALUE(std::string pem, read_stored(storage, kCertificateName, trust::kMaxCertificateBytes));
  auto certificate = read_device_certificate(std::move(pem));
  if (!certificate.ok()) return std::move(certificate).error().at(storage.path(kCertificateName));
  return certificate;
}

Status keep_certificate(Storage& storage, const std::string& pem) {
  TRY(storage.make_folder(storage_folder(kCertificateName)));
  return replace_stored(storage, kCertificateName, pem);
}

bool fits(const DeviceCertificate& certificate, std::string_view device,
          const trust::PublicKey& key) {
  return certificate.device == device && certificate.key_id == key.id();
}

std::int64_t renewal_s(const DeviceCertificate& certificate, std::uint64_t random) {
  const std::int64_t third_s =
      std::max<std::int64_t>(certificate.until_s - certificate.from_s, 0) / 3;
  return certificate.until_s - third_s + std::int64_t(random % std::uint64_t(third_s / 2 + 1));
}

Result<DeviceCertificate> certificate_of_answer(std::string_view body) {
  TRY_VALUE(const trust::Json document, trust::Json::parse(body, "the hub's answer"));
  TRY_VALUE(const trust::Object answer, trust::Object::of(document, "the hub's answer"));
  TRY_VALUE(std::string pem, answer.text("certificate", kMaxHubAnswerBytes));
  return read_device_certificate(std::move(pem));
}

Result<CheckinAnswer> checkin_answer(std::string_view body) {
  TRY_VALUE(const trust::Json document, trust::Json::parse(body, "the hub's answer"));
  TRY_VALUE(const trust::Object answer, trust::Object::of(document, "the hub's answer"));
  CheckinAnswer read;
  TRY_VALUE(const std::int64_t next_s, answer.integer("next_s", 0, kMaxTimeS));
  read.next_s = std::clamp(next_s, kShortestPollS, kLongestPollS);
  if (const trust::Json* version = document.find("timestamp"); version && !version->is_null()) {
    TRY_VALUE(read.timestamp, answer.integer("timestamp", 0, kMaxVersion));
  }
  const auto says = [&](std::string_view name) {
    const trust::Json* found = document.find(name);
    return found && found->boolean() && *found->boolean();
  };
  read.renew = says("renew");
  read.describe = says("describe");
  return read;
}

std::string refusal_text(int status, std::string_view body) {
  const auto document = trust::Json::parse(body, "");
  const trust::Json* detail = document.ok() ? document->find("detail") : nullptr;
  if (!detail || !detail->string()) return fmt::format("it answers {}", status);
  return one_line(detail->string()->substr(0, kMaxDetailBytes));
}

}  // namespace polder::agent
