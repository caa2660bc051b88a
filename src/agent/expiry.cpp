#include "agent/expiry.h"

#include <algorithm>

#include "agent/repository_client.h"
#include "base/fail.h"
#include "base/text.h"
#include "trust/json.h"
#include "trust/tuf_limits.h"
#include "trust/tuf_metadata.h"

namespace polder::agent {

namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kMaxFiles = 4096, kMaxBytes = 16u << 20;
constexpr std::int64_t kHourS = 3600, kDayS = trust::tuf::kDayS;

bool is_renewed_online(std::string_view role) { return role == "timestamp" || role == "snapshot"; }

std::int64_t notice_s(const Expiry& item) {
  constexpr std::int64_t kLongestS = 30 * kDayS;
  if (!is_renewed_online(item.role)) return kLongestS;
  return std::clamp(item.life_s / 7, item.role == "timestamp" ? 2 * kHourS : kDayS, kLongestS);
}

Result<Expiry> read_expiry(Storage& storage, const std::string& role, const std::string& name) {
  TRY_VALUE(const std::string bytes, read_stored(storage, name, kMaxBytes));
  TRY_VALUE(const trust::Json document, trust::Json::parse(bytes, name));
  TRY_VALUE(const trust::Object object, trust::Object::of(document, name));
  TRY_VALUE(const trust::Object body, object.object("signed"));
  TRY_VALUE(const std::string text, body.text("expires", 64));
  TRY_VALUE(const std::int64_t expires_s, trust::tuf::parse_time(text, name));
  return Expiry{role, expires_s, trust::tuf::life_days(body.members()) * kDayS};
}

}  // namespace

std::vector<Expiry> trusted_expiries(Storage& storage) {
  std::vector<Expiry> all;
  const auto names = storage.list(kMetadataFolder, kMaxFiles);
  if (!names.ok()) return all;
  for (const std::string& name : *names) {
    if (!name.ends_with(kSuffix)) continue;
    auto found = read_expiry(storage, name.substr(0, name.size() - kSuffix.size()),
                             fmt::format("{}/{}", kMetadataFolder, name));
    if (found.ok()) all.push_back(*std::move(found));
  }
  std::ranges::sort(all, {}, &Expiry::expires_s);
  return all;
}

std::vector<Expiry> soon(const std::vector<Expiry>& all, std::int64_t now_s) {
  std::vector<Expiry> found;
  for (const Expiry& item : all) {
    const std::int64_t left_s = item.expires_s - now_s;
    if (left_s > 0 && left_s < notice_s(item)) found.push_back(item);
  }
  return found;
}

std::string expiry_text(const Expiry& expiry, std::int64_t now_s) {
  const std::int64_t left_s = expiry.expires_s - now_s;
  const std::string left = left_s >= 2 * kDayS ? fmt::format("{} days", left_s / kDayS)
                           : left_s >= kHourS  ? fmt::format("{} hours", left_s / kHourS)
                                               : fmt::format("{} minutes", left_s / 60);
  return fmt::format("{}.json expires at {} (in {}): from then on nothing is updated", expiry.role,
                     trust::tuf::time_text(expiry.expires_s), left);
}

std::string renewal(const Expiry& expiry) {
  if (is_renewed_online(expiry.role))
    return "whoever serves the repository renews it with the online key: 'polder repo publish'";
  const char* who = expiry.role == "root"      ? "the holders of the root keys renew it"
                    : expiry.role == "targets" ? "the releaser renews it"
                                               : "the holder of that role's key renews it";
  return fmt::format("{}: 'polder repo renew REPO {}', sign, publish", who, expiry.role);
}

}  // namespace polder::agent
