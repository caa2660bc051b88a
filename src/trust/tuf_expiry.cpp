#include "trust/tuf_expiry.h"

#include <fmt/format.h>

#include <algorithm>

#include "trust/tuf_metadata.h"

namespace polder::trust::tuf {

namespace {

constexpr std::int64_t kSoonDays = 30;  // for people who have to meet and sign

// Of a role that has so much left it is told.
std::int64_t soon_s(const std::string& role, const Profile& profile) {
  if (role == "snapshot") return profile.snapshot_days * kDayS / 3;
  if (role == "timestamp") return profile.timestamp_days * kDayS / 3;
  const std::int64_t days = role == "root" ? profile.root_days : profile.targets_days;
  return std::min(kSoonDays * kDayS, days * kDayS / 3);
}

}  // namespace

bool is_made_by_publishing(std::string_view role) {
  return role == "snapshot" || role == "timestamp";
}

std::vector<Expiring> expiring(const std::map<std::string, std::int64_t>& roles,
                               const Profile& profile, const std::string& folder,
                               std::int64_t now_s) {
  std::vector<Expiring> result;
  for (const auto& [role, expires_s] : roles) {
    const std::int64_t left_s = expires_s - now_s;
    if (left_s > 0 && left_s >= soon_s(role, profile)) continue;
    result.push_back({role, expires_s, left_s,
                      is_made_by_publishing(role)
                          ? fmt::format("polder repo publish {} --key KEY", folder)
                          : fmt::format("polder repo renew {} {} --key KEY", folder, role)});
  }
  return result;
}

Json expiring_json(const std::vector<Expiring>& roles) {
  Json::Array list;
  for (const Expiring& role : roles) {
    list.emplace_back(Json::Members{{"role", role.role},
                                    {"expires", time_text(role.expires_s)},
                                    {"expired", role.left_s <= 0},
                                    {"renewal", role.renewal}});
  }
  return list;
}

}  // namespace polder::trust::tuf
