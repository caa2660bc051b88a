#include "cli/repo/expiry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "trust/tuf_metadata.h"

namespace polder::cli {

namespace {

using trust::tuf::kDayS;

constexpr std::int64_t kSoonDays = 30;  // for people who have to meet and sign

bool is_made_by_publish(const std::string& role) {
  return role == "snapshot" || role == "timestamp";
}

// Of a role that has so much left it is told.
std::int64_t soon_s(const std::string& role, const trust::tuf::Profile& profile) {
  if (role == "snapshot") return profile.snapshot_days * kDayS / 3;
  if (role == "timestamp") return profile.timestamp_days * kDayS / 3;
  const std::int64_t days = role == "root" ? profile.root_days : profile.targets_days;
  return std::min(kSoonDays * kDayS, days * kDayS / 3);
}

std::string left_text(std::int64_t left_s) {
  if (left_s <= 0) return "has expired";
  if (left_s < 2 * kDayS) return fmt::format("expires in {} hours", left_s / 3600);
  return fmt::format("expires in {} days", left_s / kDayS);
}

}  // namespace

std::vector<Expiring> expiring(const std::map<std::string, std::int64_t>& roles,
                               const trust::tuf::Profile& profile, const std::string& folder,
                               std::int64_t now_s) {
  std::vector<Expiring> result;
  for (const auto& [role, expires_s] : roles) {
    const std::int64_t left_s = expires_s - now_s;
    if (left_s > 0 && left_s >= soon_s(role, profile)) continue;
    result.push_back({role, expires_s, left_s,
                      is_made_by_publish(role)
                          ? fmt::format("polder repo publish {} --key KEY", folder)
                          : fmt::format("polder repo renew {} {} --key KEY", folder, role)});
  }
  return result;
}

trust::Json expiring_json(const std::vector<Expiring>& roles) {
  trust::Json::Array list;
  for (const Expiring& role : roles) {
    list.emplace_back(trust::Json::Members{{"role", role.role},
                                           {"expires", trust::tuf::time_text(role.expires_s)},
                                           {"expired", role.left_s <= 0},
                                           {"renewal", role.renewal}});
  }
  return list;
}

void print_expiring(std::FILE* stream, const std::vector<Expiring>& roles) {
  for (const Expiring& role : roles) {
    fmt::print(stream, "  warning: {} {}, {}: '{}'{}\n", one_line(role.role),
               left_text(role.left_s), trust::tuf::time_text(role.expires_s),
               one_line(role.renewal), is_made_by_publish(role.role) ? "" : ", and publish it");
  }
}

}  // namespace polder::cli
