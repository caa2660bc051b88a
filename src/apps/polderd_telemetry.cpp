#include "apps/polderd_telemetry.h"

#include <algorithm>

#include "telemetry/prometheus.h"

namespace polder::agent {

namespace {

constexpr std::int64_t kOpenAgainUs = 10'000'000;

}  // namespace

// What cannot be opened is tried again: a port may be taken, a file of certificates be missing yet.
void Telemetry::open() {
  const std::int64_t now_us = parts_.clock.now_us();
  if (now_us < next_open_us_) return;
  next_open_us_ = now_us + kOpenAgainUs;
  if (config_.reports.metrics_port && !server_) {
    auto server = PageServer::open(*config_.reports.metrics_port, parts_.clock);
    const std::string trouble =
        server.ok() ? "" : "metrics: nobody can read /metrics: " + server.error().message;
    if (!trouble.empty() && trouble != told_) parts_.log(trouble);
    told_ = trouble;
    if (server.ok()) server_ = std::move(*server);
  }
  if (!config_.reports.otlp.empty() && !exporter_) {
    HttpOptions options;
    options.ca_file = config_.ca_file;
    options.connect_timeout_ms = 5'000;
    options.deadline_ms = 10'000;
    auto client = open_http_client(options, parts_.clock, parts_.wall);
    if (!client.ok()) return reporter_.trouble("collector: " + client.error().message);
    client_ = std::move(*client);
    exporter_ = std::make_unique<Exporter>(*client_, config_.reports.otlp, parts_.clock);
  }
}

void Telemetry::poll(const AgentState& state) {
  reporter_.poll(state);
  if (!is_online_) return;
  open();
  if (exporter_) exporter_->poll(reporter_);
  if (server_) serve(0, state);
}

void Telemetry::wait_until_us(std::int64_t time_us, const AgentState& state) {
  if (!server_) return parts_.clock.sleep_until_us(time_us);
  const std::int64_t wait_us = time_us - parts_.clock.now_us();
  serve(std::max<std::int64_t>((wait_us + 999) / 1000, 0), state);
}

void Telemetry::serve(std::int64_t wait_ms, const AgentState& state) {
  server_->serve(wait_ms, [&](std::string_view target) { return page(target, state); });
  reporter_.scraped(server_->take_sent_bytes());
}

std::optional<Page> Telemetry::page(std::string_view target, const AgentState& state) {
  if (target.substr(0, target.find('?')) != "/metrics") return {};
  reporter_.absorb();
  const telemetry::Readings readings = telemetry::read_sensors(parts_.sysfs);
  return Page{telemetry::kPrometheusType,
              metrics_page({config_, state, reporter_, parts_.runner, readings, updates_()})};
}

}  // namespace polder::agent
