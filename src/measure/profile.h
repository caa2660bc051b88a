// Where the time of a run goes: per node, from the session's observer, as a table, a trace for
// Chrome's viewer (chrome://tracing, Perfetto) and a page that stands alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/session.h"

namespace polder {

// Notes when each node starts and ends, for a number of runs fixed beforehand; further runs are not
// noted. Takes its memory when it is made. Used by one thread.
class Profiler final : public RunObserver {
 public:
  Profiler(int nodes, int max_runs);
  void before(int node) override;
  void after(int node) override;

  int runs() const { return runs_; }
  std::int64_t start_ns(int run, int node) const { return span(run, node).start_ns; }
  std::int64_t end_ns(int run, int node) const { return span(run, node).end_ns; }
  // Over the runs.
  double median_us(int node) const;
  double min_us(int node) const;
  // From the start of a run's first node to the end of its last, and what of that was spent in no
  // node: medians over the runs.
  double run_us() const;
  double between_us() const;

 private:
  struct Span {
    std::int64_t start_ns = 0, end_ns = 0;
  };
  const Span& span(int run, int node) const {
    return spans_[std::size_t(run) * std::size_t(nodes_) + std::size_t(node)];
  }
  template <class F>
  double median_us_of(F ns_of_run) const;
  std::int64_t run_ns(int run) const;
  std::int64_t between_ns(int run) const;

  int nodes_, max_runs_, runs_ = 0;
  std::vector<Span> spans_;  // of run 0, then of run 1, ...
};

struct ProfiledNode {
  std::string name, op, kernel;
  std::string shape;  // of its first output
  double macs = 0;    // multiply-accumulates of one run; 0: none worth counting
  double median_us = 0, min_us = 0;

  // Two operations a multiply-accumulate, over the fastest run.
  double gflops() const { return min_us > 0 ? 2e-3 * macs / min_us : 0; }
};

struct ProfileReport {
  std::string model, isa, machine;
  int threads = 1;
  int runs = 0;
  double run_us = 0, between_us = 0;  // as the profiler says
  double peak_gflops = 0;             // of one core; 0: not measured
  bool peak_of_node = false;          // a node was faster than what was measured as the peak
  std::vector<ProfiledNode> nodes;    // in order of execution

  double nodes_us() const;  // the sum of the nodes' medians
  // Takes `measured` as the peak, or the rate of the fastest node where that is higher.
  void set_peak(double measured_gflops);
  // "peak of one core 98.2 GFLOP/s, measured"
  std::string peak_text() const;
  // Share of the peak of all threads' cores, 0 to 1; 0 where there is nothing to compare.
  double share_of_peak(const ProfiledNode& node) const;
};

// Nodes of the same operator and kernel together, the most expensive first.
struct OperatorShare {
  std::string op, kernel;
  int nodes = 0;
  double macs = 0, median_us = 0, min_us = 0;
};
std::vector<OperatorShare> by_operator(const ProfileReport& report);

std::string profile_table(const ProfileReport& report);
std::string profile_json(const ProfileReport& report);
std::string profile_html(const ProfileReport& report);
// The last run that the profiler noted, in Chrome's trace event format.
std::string chrome_trace(const ProfileReport& report, const Profiler& profiler);

}  // namespace polder
