// The profile as a page: one bar a node in order of execution, and the table by operator.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "measure/profile.h"

namespace polder {
namespace {

constexpr char kStyle[] = R"(
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2733; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem } p.facts { color: #5a6a7a }
table { border-collapse: collapse; width: 100% }
td, th { padding: .15rem .8rem .15rem 0; text-align: left; white-space: nowrap }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.bar { width: 40% } .bar div { background: #1769aa; height: .8rem }
.bar div div { background: #74b3e0 }
)";

std::string number_or_blank(double number, int digits) {
  return number > 0 ? fmt::format("{:.{}f}", number, digits) : "";
}

std::string operator_rows(const ProfileReport& report) {
  std::string rows;
  const double total_us = report.nodes_us();
  for (const OperatorShare& row : by_operator(report)) {
    const double gflops = row.min_us > 0 ? 2e-3 * row.macs / row.min_us : 0;
    const double part = total_us > 0 ? 100 * row.median_us / total_us : 0;
    rows += fmt::format(
        "<tr><td>{}<td>{}<td class=n>{}<td class=n>{:.1f}<td class=n>{:.1f}%<td class=n>{}"
        "<td class=bar><div style=\"width:{:.2f}%\"></div></tr>\n",
        html_text(row.op), html_text(row.kernel), row.nodes, row.median_us, part,
        number_or_blank(gflops, 1), part);
  }
  return rows;
}

// The inner, lighter part of a bar is the time that the node would take at the core's peak.
std::string node_rows(const ProfileReport& report) {
  double longest_us = 0;
  for (const ProfiledNode& node : report.nodes) longest_us = std::max(longest_us, node.median_us);
  std::string rows;
  for (const ProfiledNode& node : report.nodes) {
    const double part = report.share_of_peak(node);
    rows += fmt::format(
        "<tr><td title=\"{}\">{}<td>{}<td class=n>{:.1f}<td class=n>{}<td class=n>{}"
        "<td class=bar><div style=\"width:{:.2f}%\"><div "
        "style=\"width:{:.1f}%\"></div></div></tr>\n",
        html_text(node.name), html_text(node.op), html_text(node.shape), node.median_us,
        number_or_blank(node.gflops(), 1), number_or_blank(100 * part, 0),
        longest_us > 0 ? 100 * node.median_us / longest_us : 0, std::min(100.0, 100 * part));
  }
  return rows;
}

}  // namespace

std::string profile_html(const ProfileReport& report) {
  return fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>Profile of {0}</title>"
      "<style>{1}</style>\n<h1>Profile of {0}</h1><p class=facts>{2}; {3}, {4} thread(s), {5} "
      "runs; "
      "a run takes {6:.1f} µs, of which {11:.1f} µs between nodes, the nodes {7:.1f} µs; {8}."
      "</p>\n<h2>By operator</h2><table><tr><th>operator<th>kernel<th class=n>nodes"
      "<th class=n>time, µs<th class=n>share<th class=n>GFLOP/s<th></tr>\n{9}</table>\n"
      "<h2>Node by node</h2><p class=facts>In order of execution; the light part of a bar is the "
      "time that its arithmetic would take at the peak.</p><table><tr><th>operator<th>output"
      "<th class=n>time, µs<th class=n>GFLOP/s<th class=n>% of "
      "peak<th></tr>\n{10}</table></html>\n",
      html_text(report.model), kStyle, html_text(report.machine), html_text(report.isa),
      report.threads, report.runs, report.run_us, report.nodes_us(), report.peak_text(),
      operator_rows(report), node_rows(report), report.between_us);
}

}  // namespace polder
