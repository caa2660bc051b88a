// Writes down, in the ring of reports, what a device says of itself: metrics now and then, alarms
// and notices of the life cycle as they happen.
//
//   Reporter reporter(config, parts);
//   ...driver with record = reporter.note(), meanwhile = reporter.poll()
//   reporter.start(driver.state());
//
// Nothing depends on a report: what cannot be written is counted and told in standing(), once for
// each reason in the log, and goes no further. Neither call waits for anything but the disk.
//
// This is where data become reports, so this is what keeps others in: an alarm's text is taken from
// the agent itself and from a probe, which has seen a release and no data; never from a worker that
// has read a sensor (Occurrence::says_worker), of whose end a report says the code alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/observed.h"
#include "agent/report_ring.h"
#include "agent/state.h"
#include "platform/clock.h"
#include "platform/storage.h"
#include "proto/report.h"

namespace polder::agent {

struct ReporterParts {
  Storage& storage;
  Clock& clock;
  const WallClock& wall;
  Runner& runner;
  UnitSource& units;
  std::function<void(const std::string&)> log;  // may be empty
  std::string sysfs = "/sys";
  std::uint64_t epoch = 0;  // of this start, by chance: no two have the same
};

// Of a unit since the agent started, over all of its releases.
struct UnitTotal {
  Observed observed;
  std::map<std::string, double> psi;  // by signal, of the last window that had enough values
};

// Of a unit, for people: the most frequent classes, and signals that have a baseline or alarms.
struct UnitStanding {
  struct Signal {
    std::optional<double> psi;  // of the last window that had enough values
    std::uint64_t alarms = 0;
    bool operator==(const Signal&) const = default;
  };
  static constexpr std::size_t kMaxShownClasses = 16;
  std::map<std::string, std::uint64_t> classes;
  std::map<std::string, Signal> signals;
  bool operator==(const UnitStanding&) const = default;
};

struct ReporterStanding {
  std::uint64_t waiting_reports = 0, waiting_bytes = 0, max_bytes = 0;
  ReportDrops drops;       // of the ring, since it was made
  std::uint64_t lost = 0;  // never came to the ring, since the agent started
  // Since the agent started. Seen: as it came from sensors, and decoded. Sent: bodies of reports.
  std::uint64_t seen_bytes = 0, decoded_bytes = 0, sent_bytes = 0, scraped_bytes = 0;
  std::int64_t delivered_s = 0;  // when the last was; 0: none yet
  ReportKey delivered;
  std::string error;                          // of the ring or the collector; empty: all is well
  std::map<std::string, UnitStanding> units;  // since the agent started
  bool operator==(const ReporterStanding&) const = default;
};

// Borrows all that is given by reference. Not thread-safe.
class Reporter {
 public:
  Reporter(const Config& config, ReporterParts parts) : config_(config), parts_(std::move(parts)) {}

  // Before start() it is kept for then.
  void note(const Occurrence& what);
  // Opens the ring; says what runs. Of a state that the driver has loaded.
  void start(const AgentState& state);
  void poll(const AgentState& state);

  // What came since the last poll, for whoever shows it now.
  void absorb();
  const std::map<std::string, UnitTotal>& totals() const { return totals_; }
  // As of the last report that was written or delivered: whoever keeps it need not write it often.
  const ReporterStanding& standing() const { return standing_; }
  ReporterStanding now() const;
  proto::ReportHealth health_of(const std::string& unit, const AgentState& state) const;
  // By which reports have their times.
  std::int64_t wall_s() const;
  // None while it cannot be opened.
  ReportRing* ring() { return ring_.get(); }

  // What others did with what is here.
  void scraped(std::uint64_t bytes) { scraped_bytes_ += bytes; }
  void sent(std::uint64_t bytes) { sent_bytes_ += bytes; }
  void delivered(const ReportKey& last);
  // Reports that nobody will ever have.
  void given_up(std::uint64_t count) { lost_ += count; }
  // Empty: all is well.
  void trouble(const std::string& collector);

 private:
  struct Window {
    std::string unit;
    ReleaseId release;
    std::vector<proto::SignalBaseline> baselines;
    Observed observed;
  };
  using Body = decltype(proto::Report::what);

  void open_ring();
  void write(Body body);
  Status append(const Body& body);
  void see_health();
  void report_metrics();
  std::int64_t until_window_ends_us(std::int64_t now_s) const;
  std::uint64_t take_window_ms(std::int64_t now_us, std::int64_t now_s);
  bool is_running(const Window& window) const;
  proto::ReportUnit unit_report(const Window& window) const;
  void complain(std::string error);
  void stand() { standing_ = now(); }

  const Config& config_;
  ReporterParts parts_;
  const AgentState* state_ = nullptr;  // of the last poll(), while it lasts
  std::unique_ptr<ReportRing> ring_;
  std::uint64_t boot_ = 0;
  std::int64_t time_seen_s_ = 0;
  std::int64_t next_open_us_ = 0, next_absorb_us_ = 0, next_metrics_us_ = 0, window_from_us_ = 0;
  std::int64_t window_from_s_ = 0;
  std::optional<std::int64_t> writes_at_s_;  // of metrics, while they are written
  std::deque<Body> early_;
  std::vector<Window> windows_;
  std::map<std::string, UnitTotal> totals_;
  std::map<std::string, Health> health_;
  std::uint64_t lost_ = 0;
  std::uint64_t sent_bytes_ = 0, scraped_bytes_ = 0, told_sent_bytes_ = 0, told_scraped_bytes_ = 0;
  std::int64_t delivered_s_ = 0;
  ReportKey delivered_;
  std::string error_, collector_error_, complained_;
  ReporterStanding standing_;
};

}  // namespace polder::agent
