#include "measure/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/json_text.h"
#include "base/text.h"
#include "measure/latency.h"
#include "platform/clock.h"

namespace polder {
namespace {

double percent(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

std::string node_json(const ProfileReport& report, const ProfiledNode& node) {
  return fmt::format(
      R"({{"name":{},"op":{},"kernel":{},"shape":{},"macs":{:.0f},"median_us":{:.3f},)"
      R"("min_us":{:.3f},"gflops":{:.3f},"share_of_peak":{:.4f}}})",
      json_quote(node.name), json_quote(node.op), json_quote(node.kernel), json_quote(node.shape),
      node.macs, node.median_us, node.min_us, node.gflops(), report.share_of_peak(node));
}

// "12.3" and "45%", or nothing for work that has no multiply-accumulates.
std::string rate(double gflops) { return gflops > 0 ? fmt::format("{:.1f}", gflops) : ""; }
std::string share(double part) { return part > 0 ? fmt::format("{:.0f}%", 100 * part) : ""; }

}  // namespace

Profiler::Profiler(int nodes, int max_runs)
    : nodes_(nodes), max_runs_(max_runs), spans_(std::size_t(nodes) * std::size_t(max_runs)) {
  POLDER_CHECK(nodes >= 0 && max_runs >= 1);
}

void Profiler::before(int node) {
  if (runs_ == max_runs_) return;
  spans_[std::size_t(runs_) * std::size_t(nodes_) + std::size_t(node)].start_ns = monotonic_ns();
}

void Profiler::after(int node) {
  if (runs_ == max_runs_) return;
  spans_[std::size_t(runs_) * std::size_t(nodes_) + std::size_t(node)].end_ns = monotonic_ns();
  if (node == nodes_ - 1) ++runs_;
}

template <class F>
double Profiler::median_us_of(F ns_of_run) const {
  std::vector<std::int64_t> found;
  for (int run = 0; run < runs_; ++run) found.push_back(ns_of_run(run));
  return summarize(found).p50_us;
}

double Profiler::median_us(int node) const {
  return median_us_of([=, this](int run) { return end_ns(run, node) - start_ns(run, node); });
}

double Profiler::min_us(int node) const {
  std::int64_t least_ns = runs_ == 0 ? 0 : std::numeric_limits<std::int64_t>::max();
  for (int run = 0; run < runs_; ++run)
    least_ns = std::min(least_ns, end_ns(run, node) - start_ns(run, node));
  return double(least_ns) * 1e-3;
}

std::int64_t Profiler::run_ns(int run) const {
  return nodes_ == 0 ? 0 : end_ns(run, nodes_ - 1) - start_ns(run, 0);
}

std::int64_t Profiler::between_ns(int run) const {
  std::int64_t left_ns = run_ns(run);
  for (int node = 0; node < nodes_; ++node) left_ns -= end_ns(run, node) - start_ns(run, node);
  return left_ns;
}

double Profiler::run_us() const {
  return median_us_of([this](int run) { return run_ns(run); });
}

double Profiler::between_us() const {
  return median_us_of([this](int run) { return between_ns(run); });
}

void ProfileReport::set_peak(double measured_gflops) {
  peak_gflops = measured_gflops;
  if (measured_gflops <= 0) return;
  for (const ProfiledNode& node : nodes)
    peak_gflops = std::max(peak_gflops, node.gflops() / threads);
  peak_of_node = peak_gflops > measured_gflops;
}

std::string ProfileReport::peak_text() const {
  return fmt::format(
      "peak of one core {:.1f} GFLOP/s, {}", peak_gflops,
      peak_of_node ? "which the fastest node reached: more than was measured" : "measured");
}

double ProfileReport::nodes_us() const {
  return std::accumulate(nodes.begin(), nodes.end(), 0.0,
                         [](double sum, const ProfiledNode& node) { return sum + node.median_us; });
}

double ProfileReport::share_of_peak(const ProfiledNode& node) const {
  return peak_gflops > 0 ? node.gflops() / (peak_gflops * threads) : 0;
}

std::vector<OperatorShare> by_operator(const ProfileReport& report) {
  std::vector<OperatorShare> shares;
  for (const ProfiledNode& node : report.nodes) {
    auto found = std::find_if(shares.begin(), shares.end(), [&](const OperatorShare& share) {
      return share.op == node.op && share.kernel == node.kernel;
    });
    if (found == shares.end()) found = shares.insert(shares.end(), {node.op, node.kernel});
    found->nodes += 1;
    found->macs += node.macs;
    found->median_us += node.median_us;
    found->min_us += node.min_us;
  }
  std::stable_sort(
      shares.begin(), shares.end(),
      [](const OperatorShare& a, const OperatorShare& b) { return a.median_us > b.median_us; });
  return shares;
}

std::string profile_table(const ProfileReport& report) {
  std::string text =
      fmt::format("{}: {}, {} thread{}, {} runs\n", one_line(report.model), report.isa,
                  report.threads, report.threads == 1 ? "" : "s", report.runs);
  text += fmt::format("{}; {}\n\n", report.machine, report.peak_text());
  text += fmt::format("{:<22} {:<20} {:>5} {:>12} {:>7} {:>9} {:>8}\n", "operator", "kernel",
                      "nodes", "time us", "share", "GFLOP/s", "of peak");
  const double total_us = report.nodes_us();
  for (const OperatorShare& row : by_operator(report)) {
    const double gflops = row.min_us > 0 ? 2e-3 * row.macs / row.min_us : 0;
    const double peak = report.peak_gflops * report.threads;
    text += fmt::format("{:<22} {:<20} {:>5} {:>12.1f} {:>6.1f}% {:>9} {:>8}\n", row.op, row.kernel,
                        row.nodes, row.median_us, percent(row.median_us, total_us), rate(gflops),
                        share(peak > 0 ? gflops / peak : 0));
  }
  text += fmt::format(
      "\nmedians: nodes {:.1f} us, whole run {:.1f} us, of which {:.1f}% between nodes\n", total_us,
      report.run_us, percent(report.between_us, report.run_us));
  if (report.run_us - report.between_us > 1.25 * total_us)
    text += "other work interrupts the runs: quiet the machine, or trust the medians of nodes\n";
  return text;
}

std::string profile_json(const ProfileReport& report) {
  std::string text = fmt::format(
      R"({{"model":{},"isa":{},"machine":{},"threads":{},"runs":{},"run_us":{:.3f},)"
      R"("between_us":{:.3f},"peak_gflops":{:.3f},"peak_of_node":{},"nodes":[)",
      json_quote(report.model), json_quote(report.isa), json_quote(report.machine), report.threads,
      report.runs, report.run_us, report.between_us, report.peak_gflops, report.peak_of_node);
  for (std::size_t i = 0; i < report.nodes.size(); ++i)
    text += (i ? "," : "") + node_json(report, report.nodes[i]);
  return text + "]}\n";
}

std::string chrome_trace(const ProfileReport& report, const Profiler& profiler) {
  std::string text = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
  const int run = profiler.runs() - 1;
  for (std::size_t i = 0; run >= 0 && i < report.nodes.size(); ++i) {
    const ProfiledNode& node = report.nodes[i];
    const std::int64_t start_ns = profiler.start_ns(run, int(i));
    text += fmt::format(
        R"({}{{"name":{},"cat":{},"ph":"X","pid":1,"tid":1,"ts":{:.3f},"dur":{:.3f},"args":)",
        i ? "," : "", json_quote(node.name.empty() ? node.op : node.name), json_quote(node.op),
        double(start_ns - profiler.start_ns(run, 0)) * 1e-3,
        double(profiler.end_ns(run, int(i)) - start_ns) * 1e-3);
    text += node_json(report, node) + "}";
  }
  return text + "]}\n";
}

}  // namespace polder
