// Sends what waits in the ring of reports to an OpenTelemetry collector, in a thread of its own, so
// that no server holds the agent up.
//
//   Exporter exporter(client, config.reports.otlp, clock);
//   exporter.poll(reporter);  // each turn: takes, hands over, acknowledges; never waits
//
// The most urgent go first, as many as make one request. What the collector has taken (2xx) is
// acknowledged; what it refuses for good (400) is tried one by one, and a report that is refused
// alone is given up and counted; everything else is tried again after a time that doubles up to
// kLongestWaitS, or as the collector asks. Meanwhile reports stay in the ring, below its cap.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/otlp.h"
#include "agent/reporter.h"
#include "platform/clock.h"
#include "platform/http.h"
#include "platform/thread.h"

namespace polder::agent {

inline constexpr std::size_t kMaxExportReports = 16;
inline constexpr std::uint64_t kMaxExportBytes = 128 << 10;  // of reports, before they are JSON
inline constexpr std::size_t kMaxExportBodyBytes = 1'000'000;
inline constexpr std::int64_t kFirstWaitS = 5, kLongestWaitS = 300;

// Not thread-safe: of one thread, which also owns the reporter. Borrows the client and the clock;
// nobody else uses the client. The destructor waits for a request that is under way.
class Exporter {
 public:
  Exporter(HttpClient& client, std::string url, Clock& clock)
      : client_(client), url_(std::move(url)), clock_(clock) {}

  void poll(Reporter& reporter);
  bool is_busy() const { return thread_.size() > 0; }

 private:
  bool take(Reporter& reporter);
  void begin();
  void send();
  void finish(Reporter& reporter);

  HttpClient& client_;
  const std::string url_;
  Clock& clock_;
  std::int64_t next_us_ = 0, wait_s_ = kFirstWaitS;
  std::size_t batch_ = kMaxExportReports;
  std::vector<ReportKey> keys_;
  OtlpRequest request_;
  Status result_;
  std::int64_t retry_after_s_ = 0;
  std::atomic<bool> is_done_{false};
  ThreadGroup thread_;
};

}  // namespace polder::agent
