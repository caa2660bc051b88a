#include "agent/metrics_page.h"

#include <array>

#include "telemetry/prometheus.h"
#include "trust/digest.h"

namespace polder::agent {

namespace {

using telemetry::PrometheusText;

constexpr double kSecondsOfMs = 1e-3;

std::string error_name(std::size_t kind) {
  return kind == 0 ? "none" : std::string(code_name(Code(kind)));
}

void write_device(PrometheusText& to, const MetricsFacts& facts) {
  to.metric("polder_info", "gauge", "The agent: which device, which version.");
  to.sample({{"device", facts.config.device}, {"version", POLDER_VERSION}}, 1);
  to.metric("polder_boot", "gauge", "How often the agent was started, ever.");
  to.sample({}, double(facts.state.boot));
  to.metric("polder_lifecycle_phase", "gauge", "1 for the phase of the update under way.");
  for (int i = 0; i < kPhases; ++i)
    to.sample({{"phase", phase_name(Phase(i))}}, Phase(i) == facts.state.phase ? 1 : 0);
  if (!facts.readings.temperatures_c.empty()) {
    to.metric("polder_temperature_celsius", "gauge", "What the sensors of the machine show.");
    for (const auto& reading : facts.readings.temperatures_c)
      to.sample({{"sensor", reading.sensor}}, reading.value);
  }
  if (!facts.readings.powers_w.empty()) {
    to.metric("polder_power_watts", "gauge", "What the sensors of the machine show.");
    for (const auto& reading : facts.readings.powers_w)
      to.sample({{"sensor", reading.sensor}}, reading.value);
  }
}

void write_units(PrometheusText& to, const MetricsFacts& facts) {
  to.metric("polder_release_info", "gauge", "What each unit runs.");
  for (const auto& [name, unit] : facts.state.units) {
    const ReleaseId* release = unit.running();
    if (!release) continue;
    const std::string manifest = trust::hex(release->manifest);
    to.sample({{"unit", name},
               {"version", release->version.text()},
               {"manifest", manifest},
               {"slot", slot_name(unit.active)}},
              1);
  }
  to.metric("polder_unit_health", "gauge", "1 for how each unit is.");
  for (const auto& [name, unit] : facts.state.units) {
    const auto health = facts.reporter.health_of(name, facts.state);
    for (int i = 0; i < proto::kReportHealths; ++i) {
      const auto other = proto::ReportHealth(i);
      to.sample({{"unit", name}, {"health", proto::health_name(other)}}, other == health ? 1 : 0);
    }
  }
}

struct Total {
  const char *name, *help;
  std::uint64_t Observed::*count;
};
constexpr Total kTotals[] = {
    {"polder_frames_total", "Pictures or blocks of sound that were taken.", &Observed::frames},
    {"polder_events_total", "Events of the pipeline; what is in them stays here.",
     &Observed::events},
    {"polder_encoded_bytes_total", "Read from sensors, as it came.", &Observed::encoded_bytes},
    {"polder_decoded_bytes_total", "Seen: what sensors gave, decoded.", &Observed::decoded_bytes},
    {"polder_event_bytes_total", "Written by sinks; it stays here.", &Observed::event_bytes},
    {"polder_worker_starts_total", "Starts of the unit's worker.", &Observed::starts},
    {"polder_worker_crashes_total", "Ends of the unit's worker that were not asked for.",
     &Observed::crashes}};

using Units = std::map<std::string, UnitTotal>;

void write_totals(PrometheusText& to, const Units& units) {
  for (const Total& total : kTotals) {
    to.metric(total.name, "counter", total.help);
    for (const auto& [name, unit] : units)
      to.sample({{"unit", name}}, double(unit.observed.*total.count));
  }
  to.metric("polder_worker_errors_total", "counter", "Crashes by kind; none: without a word.");
  for (const auto& [name, unit] : units) {
    for (std::size_t i = 0; i < unit.observed.errors.size(); ++i)
      if (unit.observed.errors[i] > 0)
        to.sample({{"unit", name}, {"code", error_name(i)}}, double(unit.observed.errors[i]));
  }
  to.metric("polder_class_total", "counter",
            "Detections by class: by the release's labels, or by number.");
  for (const auto& [name, unit] : units) {
    for (const auto& [label, count] : unit.observed.classes.counts())
      to.sample({{"unit", name}, {"class", label}}, double(count));
  }
}

void write_signals(PrometheusText& to, const Units& units) {
  to.metric("polder_stage_packets_total", "counter", "What passed a stage of the pipeline.");
  for (const auto& [name, unit] : units) {
    for (const auto& [stage, seen] : unit.observed.stages)
      to.sample({{"unit", name}, {"stage", stage}}, double(seen.packets));
  }
  to.metric("polder_stage_latency_seconds", "summary", "How long a stage works on one packet.");
  for (const auto& [name, unit] : units) {
    for (const auto& [stage, seen] : unit.observed.stages)
      to.summary({{"unit", name}, {"stage", stage}}, seen.latency_ms, kSecondsOfMs);
  }
  to.metric("polder_signal", "summary", "Brightness, loudness, scores: all in 0 to 1.");
  for (const auto& [name, unit] : units) {
    for (const auto& [signal, seen] : unit.observed.signals)
      to.summary({{"unit", name}, {"signal", signal}}, seen.values);
  }
  to.metric("polder_signal_psi", "gauge",
            "Population stability index against the release's baseline, of the last report.");
  for (const auto& [name, unit] : units) {
    for (const auto& [signal, psi] : unit.psi) to.sample({{"unit", name}, {"signal", signal}}, psi);
  }
  to.metric("polder_signal_alarms_total", "counter", "Alarms of drift.");
  for (const auto& [name, unit] : units) {
    for (const auto& [signal, seen] : unit.observed.signals)
      to.sample({{"unit", name}, {"signal", signal}}, double(seen.alarms));
  }
}

void write_one(PrometheusText& to, const char* name, const char* type, const char* help,
               double value) {
  to.metric(name, type, help);
  to.sample({}, value);
}

void write_updates(PrometheusText& to, const AgentState& state, const UpdateStanding& now) {
  write_one(
      to, "polder_bad_releases", "gauge",
      "Releases that failed here: tried again with other settings of the device, or when asked.",
      double(state.bad.size()));
  write_one(to, "polder_roll_backs_total", "counter", "Updates that were rolled back.",
            double(now.roll_backs));
  write_one(to, "polder_refusals", "gauge", "Releases that the last good check refused.",
            double(now.refusals));
  write_one(to, "polder_check_failed", "gauge", "1 when the last check of the repository failed.",
            now.is_check_failed ? 1 : 0);
  write_one(to, "polder_check_success_timestamp_seconds", "gauge",
            "When a check went well last; 0: not since the start.", double(now.checked_well_s));
  if (now.free_bytes)
    write_one(to, "polder_free_bytes", "gauge", "Free in the agent's folder.",
              double(*now.free_bytes));
  write_one(to, "polder_audit_log_signed", "gauge", "1 when the audit log is kept and signed.",
            now.is_audit_signed ? 1 : 0);
}

void write_reports(PrometheusText& to, const ReporterStanding& now) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    write_one(to, name, "gauge", help, value);
  };
  gauge("polder_reports_waiting", "Reports that wait on the disk.", double(now.waiting_reports));
  gauge("polder_reports_waiting_bytes", "What they take.", double(now.waiting_bytes));
  gauge("polder_reports_max_bytes", "What they may take.", double(now.max_bytes));
  gauge("polder_reports_delivered_timestamp_seconds", "When one was last delivered; 0: never.",
        double(now.delivered_s));
  to.metric("polder_reports_dropped_total", "counter", "Reports that there was no room for.");
  to.sample({{"kind", "alarm"}}, double(now.drops.alarms));
  to.sample({{"kind", "lifecycle"}}, double(now.drops.lifecycle));
  to.sample({{"kind", "metrics"}}, double(now.drops.metrics));
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    write_one(to, name, "counter", help, double(value));
  };
  counter("polder_reports_lost_total", "Reports that could not be written.", now.lost);
  counter("polder_sent_bytes_total", "Bodies of reports that left the device.", now.sent_bytes);
  counter("polder_scraped_bytes_total", "Bodies of this page.", now.scraped_bytes);
}

}  // namespace

std::string metrics_page(const MetricsFacts& facts) {
  PrometheusText to;
  write_device(to, facts);
  write_units(to, facts);
  write_totals(to, facts.reporter.totals());
  write_signals(to, facts.reporter.totals());
  write_updates(to, facts.state, facts.updates);
  write_reports(to, facts.reporter.now());
  return to.text();
}

}  // namespace polder::agent
