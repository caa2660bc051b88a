// How the hub and its fleet do, for Prometheus.
#include <algorithm>
#include <string>
#include <utility>

#include "base/fail.h"
#include "hub/api/handlers.h"
#include "hub/rollout.h"
#include "telemetry/prometheus.h"
#include "trust/certificate.h"
#include "trust/tuf_expiry.h"

namespace polder::hub {
namespace {

using telemetry::PrometheusText;

constexpr std::int64_t kHourS = 3'600;
// Of models, versions and healths: what a fleet runs is a few of them.
constexpr std::int64_t kMaxUnits = 1'000;

// Those that are revoked are a number of their own, and in no other.
constexpr std::string_view kOfFleet =
    "device NOT IN (SELECT id FROM device WHERE revoked_s IS NOT NULL)";

Status write_devices(const Hub& hub, PrometheusText& text) {
  TRY_VALUE(const Rows all, ask(hub, "SELECT COUNT(*), COUNT(revoked_s) FROM device"));
  TRY_VALUE(const Rows linked,
            ask(hub, fmt::format("SELECT COUNT(*) FROM device_link WHERE {}", kOfFleet)));
  TRY_VALUE(
      const Rows seen,
      ask(hub, fmt::format("SELECT COUNT(*) FROM device_link WHERE seen_s > ? AND {}", kOfFleet),
          {silent_since_s(hub)}));
  const std::int64_t revoked = all[0][1].integer(), known = linked[0][0].integer(),
                     lately = seen[0][0].integer();
  text.metric("polder_hub_devices", "gauge",
              "Devices that are enrolled: seen lately checked in within three times the time that "
              "they are asked to, silent ones did before, new ones never have.");
  text.sample({{"state", "seen_lately"}}, double(lately));
  text.sample({{"state", "silent"}}, double(known - lately));
  text.sample({{"state", "new"}}, double(all[0][0].integer() - revoked - known));
  text.sample({{"state", "revoked"}}, double(revoked));

  text.metric("polder_hub_units", "gauge", "Units of devices, by what they run and how they do.");
  TRY_VALUE(const Rows units,
            ask(hub,
                fmt::format("SELECT model, version, health, COUNT(*) FROM device_unit WHERE {} "
                            "GROUP BY model, version, health ORDER BY 4 DESC, 1, 2, 3 LIMIT ?",
                            kOfFleet),
                {kMaxUnits}));
  for (const Row& row : units)
    text.sample({{"model", row[0].text()}, {"version", row[1].text()}, {"health", row[2].text()}},
                double(row[3].integer()));

  text.metric("polder_hub_alarms_last_hour", "gauge", "Alarms of devices, by what they tell.");
  TRY_VALUE(const Rows alarms,
            ask(hub, "SELECT what, COUNT(*) FROM alarm WHERE time_s > ? GROUP BY what",
                {hub.wall.now_s() - kHourS}));
  for (const Row& row : alarms) text.sample({{"what", row[0].text()}}, double(row[1].integer()));
  return {};
}

Status write_rollouts(const Hub& hub, PrometheusText& text) {
  text.metric("polder_hub_rollouts", "gauge", "Rollouts, also those that are over.");
  for (const auto phase : {RolloutPhase::kRunning, RolloutPhase::kPaused, RolloutPhase::kAborted,
                           RolloutPhase::kDone}) {
    const std::string name(phase_text(phase));
    TRY_VALUE(const Rows rows, ask(hub, "SELECT COUNT(*) FROM rollout WHERE phase = ?", {name}));
    text.sample({{"phase", name}}, double(rows[0][0].integer()));
  }
  TRY_VALUE(const Rows active,
            ask(hub,
                "SELECT id, model, version, stage, stage_since_s, trouble FROM rollout "
                "WHERE phase IN ('running', 'paused') ORDER BY place"));
  const auto labels = [](const Row& row) {
    return telemetry::Labels{
        {"rollout", row[0].text()}, {"model", row[1].text()}, {"version", row[2].text()}};
  };
  text.metric("polder_hub_rollout_stage", "gauge",
              "The stage of a rollout that is not over; the first is 1.");
  for (const Row& row : active) text.sample(labels(row), double(row[3].integer() + 1));
  text.metric("polder_hub_rollout_stage_begin_timestamp_seconds", "gauge",
              "Since when it is in that stage.");
  for (const Row& row : active) text.sample(labels(row), double(row[4].integer()));
  text.metric("polder_hub_rollout_trouble", "gauge",
              "1: it cannot be carried on; 'polder rollout show' says why.");
  for (const Row& row : active) text.sample(labels(row), row[5].text().empty() ? 0 : 1);
  return {};
}

Status write_trust(const Hub& hub, PrometheusText& text) {
  text.metric("polder_hub_approvals_open", "gauge", "What waits for a second person.");
  TRY_VALUE(const Rows open, ask(hub, "SELECT COUNT(*) FROM approval WHERE state = 'open'"));
  text.sample({}, double(open[0][0].integer()));
  text.metric("polder_hub_acts_unlogged", "gauge", "Acts that are done and not in the log yet.");
  TRY_VALUE(const Rows pending, ask(hub, "SELECT COUNT(*) FROM audit_pending"));
  text.sample({}, double(pending[0][0].integer()));
  TRY_VALUE(const RepositoryState repository, hub.repository.state(hub.wall.now_s()));
  const auto expiry = trust::tuf::expiry_of(repository.roles);
  text.metric("polder_hub_role_expiry_timestamp_seconds", "gauge",
              "When a role of the repository expires: devices take nothing new by it then.");
  for (const auto& [role, expires_s] : expiry) text.sample({{"role", role}}, double(expires_s));
  text.metric("polder_hub_role_expiring", "gauge",
              "1: so soon that it should be renewed by now; 'polder hub repository' says how.");
  for (const auto& [role, expires_s] : expiry)
    text.sample({{"role", role}},
                std::ranges::count(repository.warnings, role, &trust::tuf::Expiring::role) > 0);
  TRY_VALUE(const trust::CertificateFacts authority, trust::read_certificate(hub.authority.pem()));
  text.metric("polder_hub_authority_expiry_timestamp_seconds", "gauge",
              "When the authority expires by which devices are known.");
  text.sample({}, double(authority.until_s));
  return {};
}

void write_traffic(const Traffic& traffic, PrometheusText& text) {
  text.metric("polder_hub_requests_total", "counter",
              "Requests that were answered, by who may ask for such a thing, and the status.");
  for (const Traffic::Count& count : traffic.counts()) {
    const std::string status = fmt::format("{}xx", count.hundreds);
    text.sample({{"asker", asker_name(count.asker)}, {"status", status}}, double(count.requests));
  }
  text.metric(
      "polder_hub_request_seconds_total", "counter",
      "How long these answers took, all together: from when the headers of a request had come.");
  for (const Asker asker : {Asker::kAnyone, Asker::kDevice, Asker::kPerson})
    text.sample({{"asker", asker_name(asker)}}, traffic.seconds(asker));
}

}  // namespace

Result<Response> get_metrics(const Call& call) {
  TRY(call.target.only({}));
  PrometheusText text;
  text.metric("polder_hub_info", "gauge", "The program.");
  text.sample({{"version", POLDER_VERSION}}, 1);
  TRY(write_devices(call.hub, text));
  TRY(write_rollouts(call.hub, text));
  TRY(write_trust(call.hub, text));
  write_traffic(call.traffic, text);
  return Response{.content_type = telemetry::kPrometheusType, .body = text.text()};
}

}  // namespace polder::hub
