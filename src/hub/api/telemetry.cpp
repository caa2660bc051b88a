// What devices say when they check in, and how they do.
#include <algorithm>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/telemetry/show.h"
#include "hub/telemetry/store.h"
#include "trust/tuf_metadata.h"
#include "trust/tuf_updater.h"

namespace polder::hub {
namespace {

constexpr std::int64_t kFleetAlarms = 20, kVersions = 1'000;
constexpr std::int64_t kMaxWindowPage = 5'000, kWindowPage = 1'000;
// Whoever looks at a device sees it as it is now.
constexpr std::int64_t kWatchedForS = 60, kWatchedPollS = 5;

// A device renews in the last third of its certificate's life by itself, unless its clock is wrong.
bool is_renewal_late(const EnrolledDevice& device, std::int64_t now_s) {
  return now_s >= device.until_s - (device.until_s - device.from_s) / 8;
}

}  // namespace

Result<Response> check_in(const Call& call) {
  TRY(call.target.only({}));
  auto message = proto::decode_report_message(call.request.body);
  if (!message.ok()) return fail(Code::kInvalid, "body: {}", message.error().message);
  const auto* checkin = std::get_if<proto::Checkin>(&*message);
  if (!checkin) return fail(Code::kInvalid, "body: a check-in expected, a report found");
  const std::string& device = call.device.id;
  for (const proto::Report& report : checkin->reports)
    if (report.device != device)
      return fail(Code::kInvalid, "body: a report of {}, told by {}", report.device, device);
  const std::int64_t now_s = call.hub.wall.now_s();
  TakenCheckin taken;
  Status done = write(call.hub, [&](Database& database) -> Status {
    TRY_VALUE(taken, take_checkin(database, device, *checkin, now_s));
    return {};
  });
  TRY(std::move(done));
  const bool is_watched = taken.watched_s > now_s - kWatchedForS;
  const std::int64_t next_s =
      is_watched ? std::min(kWatchedPollS, call.hub.poll_s) : call.hub.poll_s;
  // Of the repository, where anything is published: a device that trusts an older one asks it now.
  const std::int64_t version = call.hub.repository.version();
  if (static_cast<std::int64_t>(checkin->timestamp) > version) call.hub.publisher.wake();
  trust::Json::Members answer{{"next_s", next_s},
                              {"timestamp", version == 0 ? trust::Json() : trust::Json(version)}};
  if (is_renewal_late(call.device, now_s)) answer.emplace("renew", true);
  if (!taken.is_machine_known) answer.emplace("describe", true);
  return document(std::move(answer), call.request);
}

void watch(const Hub& hub, const std::string& device) {
  const std::int64_t now_s = hub.wall.now_s();
  const auto rows =
      ask(hub, "SELECT watched_s FROM device_link WHERE device = ? AND watched_s <= ?",
          {device, now_s - kWatchedForS / 2});
  if (!rows.ok() || rows->empty()) return;
  hub.writer.write_later(
      [device, now_s](Database& database) {
        return tell(database, "UPDATE device_link SET watched_s = ? WHERE device = ?",
                    {now_s, device});
      },
      [](const Status&) {});  // it is asked again as long as somebody looks
}

Result<Response> list_metrics(const Call& call) {
  TRY(call.target.only({"unit", "from", "to", "limit", "before"}));
  const std::int64_t now_s = call.hub.wall.now_s();
  WindowQuery query{.device = call.parts[0],
                    .unit = call.target.text("unit"),
                    .before = call.target.text("before")};
  TRY_VALUE(query.to_s, call.target.time("to", now_s));
  TRY_VALUE(query.from_s, call.target.time("from", query.to_s - kDayS));
  TRY_VALUE(query.limit, call.target.integer("limit", 1, kMaxWindowPage, kWindowPage));
  TRY_VALUE(const Rows rows, ask(call.hub, "SELECT 1 FROM device WHERE id = ?", {query.device}));
  if (rows.empty()) return no_such_device();
  watch(call.hub, query.device);
  TRY_VALUE(WindowPage found, metric_windows(call.hub, query));
  trust::Json::Members page{{"windows", std::move(found.windows)}};
  if (!found.before.empty())
    page.emplace("next",
                 fmt::format("/v1/devices/{}/metrics?limit={}&from={}&to={}{}{}&before={}",
                             query.device, query.limit, trust::tuf::time_text(query.from_s),
                             trust::tuf::time_text(query.to_s), query.unit.empty() ? "" : "&unit=",
                             trust::tuf::percent_encoded(query.unit), found.before));
  return document(std::move(page), call.request);
}

// Those that are revoked are a number of their own, and in no other.
Result<Response> show_fleet(const Call& call) {
  TRY(call.target.only({}));
  const Hub& hub = call.hub;
  const std::string of_fleet = "device NOT IN (SELECT id FROM device WHERE revoked_s IS NOT NULL) ";
  TRY_VALUE(const Rows devices, ask(hub, "SELECT COUNT(*), COUNT(revoked_s) FROM device"));
  const std::int64_t revoked = devices[0][1].integer();
  TRY_VALUE(const Rows seen,
            ask(hub, "SELECT COUNT(*) FROM device_link WHERE seen_s > ? AND " + of_fleet,
                {silent_since_s(hub)}));
  TRY_VALUE(const Rows versions,
            ask(hub,
                "SELECT model, version, COUNT(*) FROM device_unit WHERE model <> '' AND " +
                    of_fleet + "GROUP BY model, version ORDER BY model, version LIMIT ?",
                {kVersions}));
  TRY_VALUE(const Rows healths, ask(hub, "SELECT health, COUNT(*) FROM device_unit WHERE " +
                                             of_fleet + "GROUP BY health"));
  TRY_VALUE(trust::Json::Array alarms, latest_alarms(hub, "", kFleetAlarms));
  trust::Json::Array by_version;
  for (const Row& row : versions)
    by_version.push_back(trust::Json::Members{
        {"model", row[0].text()}, {"version", row[1].text()}, {"devices", row[2].integer()}});
  trust::Json::Members by_health;
  for (int i = 0; i < proto::kReportHealths; ++i)
    by_health.emplace(proto::health_name(static_cast<proto::ReportHealth>(i)), 0);
  for (const Row& row : healths) by_health[row[0].text()] = row[1].integer();
  return document(trust::Json::Members{{"devices", devices[0][0].integer() - revoked},
                                       {"revoked", revoked},
                                       {"seen_lately", seen[0][0].integer()},
                                       {"by_version", std::move(by_version)},
                                       {"by_health", std::move(by_health)},
                                       {"alarms", std::move(alarms)}},
                  call.request);
}

}  // namespace polder::hub
