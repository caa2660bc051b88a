#include "hub/api/device_filter.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text.h"
#include "hub/tags.h"
#include "proto/report.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_updater.h"

namespace polder::hub {
namespace {

constexpr std::string_view kNames[] = {"query",  "health",      "version",
                                       "target", "seen_before", "revoked"};

Status check_health(std::string_view health) {
  std::string known;
  for (int i = 0; i < proto::kReportHealths; ++i) {
    const std::string_view name = proto::health_name(static_cast<proto::ReportHealth>(i));
    if (health == name) return {};
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  return fail(Code::kInvalid, "the query: health: one of {} expected, '{}' found", known,
              clipped(std::string(health)));
}

Status add_units(const Target& target, DeviceFilter& to) {
  const bool has_health = target.query.contains("health"),
             has_version = target.query.contains("version");
  if (!has_health && !has_version) return {};
  to.condition += " AND d.id IN (SELECT u.device FROM device_unit u WHERE 1 = 1";
  if (has_health) {
    const std::string health = target.text("health");
    TRY(check_health(health));
    to.condition += " AND u.health = ?";
    to.values.emplace_back(health);
  }
  if (has_version) {
    const std::string release = target.text("version");
    const std::size_t equals = release.find('=');
    if (equals == release.npos || equals == 0 || equals + 1 == release.size())
      return fail(Code::kInvalid,
                  "the query: version: MODEL=VERSION expected, such as people=1.2.0; '{}' found",
                  clipped(release));
    to.condition += " AND u.model = ? AND u.version = ?";
    to.values.emplace_back(release.substr(0, equals));
    to.values.emplace_back(release.substr(equals + 1));
  }
  to.condition += ")";
  return {};
}

}  // namespace

Result<DeviceFilter> DeviceFilter::read(const Target& target) {
  DeviceFilter filter;
  TRY_VALUE(const Tags query, read_query(target.text("query")));
  filter.condition = query_condition(query, "d.id", filter.values);
  TRY(add_units(target, filter));
  if (target.query.contains("target")) {
    filter.condition += " AND d.id IN (SELECT t.device FROM device_target t WHERE t.target = ?)";
    filter.values.emplace_back(target.text("target"));
  }
  if (target.query.contains("seen_before")) {
    TRY_VALUE(const std::int64_t time_s, target.time("seen_before", 0));
    filter.condition +=
        " AND COALESCE((SELECT l.seen_s FROM device_link l WHERE l.device = d.id), "
        "d.enrolled_s) < ?";
    filter.values.emplace_back(time_s);
  }
  if (target.query.contains("revoked")) {
    const std::string revoked = target.text("revoked");
    if (revoked != "true" && revoked != "false")
      return fail(Code::kInvalid, "the query: revoked: true or false expected, '{}' found",
                  clipped(revoked));
    filter.condition +=
        revoked == "true" ? " AND d.revoked_s IS NOT NULL" : " AND d.revoked_s IS NULL";
  }
  for (const std::string_view name : kNames)
    if (target.query.contains(name))
      filter.text +=
          fmt::format("&{}={}", name, trust::tuf::percent_encoded(target.text(name), "=,:"));
  return filter;
}

}  // namespace polder::hub
