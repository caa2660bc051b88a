// What polderd says of itself, put together: the writer of reports, the page of metrics, the way to
// a collector. None of it may end or hold up the agent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "agent/exporter.h"
#include "agent/metrics_page.h"
#include "agent/reporter.h"
#include "platform/http.h"
#include "platform/page_server.h"

namespace polder::agent {

// Borrows all that is given by reference. Not thread-safe.
class Telemetry {
 public:
  using Updates = std::function<UpdateStanding()>;
  Telemetry(const Config& config, const ReporterParts& parts, Updates updates)
      : config_(config), parts_(parts), updates_(std::move(updates)), reporter_(config, parts) {}

  Reporter& reporter() { return reporter_; }
  // Why the page is not shown; empty: it is, or is not to be.
  const std::string& page_trouble() const { return told_; }
  // From now on the page is shown and the collector is sent to, as the configuration says.
  void go_online() { is_online_ = true; }
  // What is to be done now. Never waits.
  void poll(const AgentState& state);
  // Until then the page is shown.
  void wait_until_us(std::int64_t time_us, const AgentState& state);

 private:
  void open();
  std::optional<Page> page(std::string_view target, const AgentState& state);
  void serve(std::int64_t wait_ms, const AgentState& state);

  const Config& config_;
  ReporterParts parts_;
  Updates updates_;
  Reporter reporter_;
  bool is_online_ = false;
  std::int64_t next_open_us_ = 0;
  std::string told_;  // the trouble with the port
  std::unique_ptr<PageServer> server_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<Exporter> exporter_;
};

}  // namespace polder::agent
