// What a model consists of, as a page: its graph as drawn edges beside the nodes, and its memory
// over time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/text.h"
#include "sdk/summary.h"

namespace polder {

namespace {

constexpr int kRowPx = 26;
constexpr int kLanePx = 14;

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--fg:#1c2328;--bg:#fbfbf9;--line:#d5d5cf;--soft:#eef0ee}
@media(prefers-color-scheme:dark){:root{--fg:#e6e6e3;--bg:#16191c;--line:#3a3f44;--soft:#22272b}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);
max-width:1200px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1.2rem}
dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.wide{overflow-x:auto}
.memory{width:100%;min-width:640px;height:auto}
.memory .arena{fill:var(--soft)}.memory .tick{stroke:var(--line)}
.memory text{font-size:13px;fill:var(--fg)}
.memory .tensor{fill:#3b6ea5;fill-opacity:.65;stroke:var(--bg);stroke-width:.6}
.memory .tensor:hover{fill:#d1793b}
.graph{position:relative;min-width:900px}
.graph svg{position:absolute;left:0}
.graph path{fill:none;stroke:#8a949c;stroke-width:1.6}
.graph path:hover{stroke:#d1793b;stroke-width:3}
.graph circle{stroke:var(--bg);stroke-width:1.5}
ol{list-style:none;padding:0;margin:0}
li{display:grid;grid-template-columns:4rem 9rem 7rem 12rem 12rem 1fr;gap:.6rem;align-items:center;
font-size:.85rem;border-bottom:1px solid var(--soft);box-sizing:border-box}
li:hover{background:var(--soft)}
li span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.head{font-weight:600}.faint{opacity:.7}
.n{text-align:right;font-variant-numeric:tabular-nums}
.work{display:grid;grid-template-columns:5rem 1fr;gap:.5rem;align-items:center}
.bar{height:.6rem;min-width:1px}
)";

// A colour by what an operator does.
std::string_view colour(std::string_view op) {
  if (op.starts_with("Conv") || op == "Linear" || op == "MatMul") return "#3b6ea5";
  if (op == "Transpose" || op == "Reshape" || op == "Concat" || op == "Slice" || op == "Pad")
    return "#9a7b3f";
  if (op.find("Pool") != op.npos || op.starts_with("Reduce")) return "#4f8a5b";
  return "#7a6a8a";
}

// The least of 1, 2, 5, 10, 20, ... that cuts `range` into at most `most` parts.
double tick_step(double range, int most) {
  double power = 1;
  for (;; power *= 10) {
    for (const double step : {power, 2 * power, 5 * power})
      if (range / step <= most) return step;
  }
}

// Each tensor a block: from left to right the nodes, from bottom to top the address.
std::string memory_svg(const ModelSummary& summary) {
  const double left = 80, top = 8, width = 910, height = 300;
  const double steps = std::max<double>(1, double(summary.nodes.size()));
  const double arena = std::max<double>(1, double(summary.arena_bytes));
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 1000 350\" class=\"memory\" role=\"img\" aria-label=\"The arena over "
      "time\"><rect class=\"arena\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
      left, top, width, height);
  const double bytes_step = tick_step(arena, 5), nodes_step = tick_step(steps, 12);
  for (double bytes = 0; bytes <= arena; bytes += bytes_step) {
    const double y = top + height - bytes / arena * height;
    svg += fmt::format(
        "<line class=\"tick\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text x=\"{3}\" "
        "y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
        left, left + width, y, left - 6, y + 4, bytes_text(std::uint64_t(bytes)));
  }
  for (double node = 0; node < steps; node += nodes_step) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:.0f}</text>",
                       left + (node + 0.5) / steps * width, top + height + 17, node);
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">node</text>", left + width / 2,
                     top + height + 36);
  for (const TensorSummary& tensor : summary.memory) {
    const double h = std::max(0.5, double(tensor.bytes) / arena * height);
    svg += fmt::format(
        "<rect class=\"tensor\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" "
        "height=\"{:.2f}\"><title>{}: {} at {}, nodes {} to {}</title></rect>",
        left + tensor.first / steps * width,
        top + height - double(tensor.offset) / arena * height - h,
        (tensor.last - tensor.first + 1) / steps * width, h, html_text(tensor.name),
        bytes_text(tensor.bytes), bytes_text(tensor.offset), tensor.first, tensor.last);
  }
  return svg + "</svg>";
}

// The graph: a row for each node in order of execution, and beside them its edges. A tensor runs
// down a lane of its own from the row that makes it to the last one that reads it. The nodes of
// bodies follow their node as "3.0.1": node 1 of body 0 of node 3; their lanes are right of those
// that pass.
class GraphDrawing {
 public:
  explicit GraphDrawing(const ModelSummary& summary) {
    for (const NodeSummary& node : summary.nodes) most_macs_ = std::max(most_macs_, node.macs);
    Lanes lanes = lanes_of(summary.nodes, 0);
    for (const int id : summary.output_tensors) ++lanes.readers[id];
    for (std::size_t i = 0; i < summary.inputs.size(); ++i)
      add_port("input", summary.inputs[i], {}, {summary.input_tensors[i]}, lanes);
    add_nodes(summary.nodes, "", lanes);
    for (std::size_t i = 0; i < summary.outputs.size(); ++i)
      add_port("output", summary.outputs[i], {summary.output_tensors[i]}, {}, lanes);
  }

  std::string html() const {
    const int width = (lanes_used_ + 1) * kLanePx, height = row_ * kRowPx;
    return fmt::format(
        "<style>li{{height:{0}px;padding-left:{1}px}}.graph svg{{top:{0}px}}</style><div "
        "class=\"wide\"><div class=\"graph\"><svg width=\"{1}\" height=\"{2}\" "
        "aria-hidden=\"true\">{3}{4}</svg><ol><li class=\"head\"><span>node</span><span>operator"
        "</span><span>kernel</span><span>output</span><span>multiply-accumulates</span><span>name"
        "</span></li>{5}</ol></div></div>",
        kRowPx, width, height, edges_, dots_, rows_);
  }

 private:
  struct Point {
    double x, y;
  };
  struct Lane {
    int column;
    Point maker;  // the dot that the tensor comes from
    double from;  // where the lane begins
  };
  // The tensors of one graph that are yet to be read.
  struct Lanes {
    int first_column;
    std::map<int, int> readers;  // rows yet to come that read the tensor
    std::map<int, Lane> open;
  };

  static std::vector<int> without_repeats(std::vector<int> ids) {
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  static Lanes lanes_of(const std::vector<NodeSummary>& nodes, int first_column) {
    Lanes lanes{.first_column = first_column, .readers = {}, .open = {}};
    for (const NodeSummary& node : nodes)
      for (const int id : without_repeats(node.inputs)) ++lanes.readers[id];
    return lanes;
  }

  static double x_of(int column) { return (column + 1) * kLanePx - kLanePx / 2.0; }

  static int free_column(const Lanes& lanes, std::optional<int> taken) {
    int column = lanes.first_column;
    const auto in_use = [&] {
      return column == taken ||
             std::ranges::any_of(lanes.open, [&](auto& at) { return at.second.column == column; });
    };
    while (in_use()) ++column;
    return column;
  }

  void add_edge(const Lane& lane, Point reader) {
    const double x = x_of(lane.column), bend = kRowPx / 2.0;
    std::string path = fmt::format("M{},{}", lane.maker.x, lane.maker.y);
    if (x != lane.maker.x)
      path += fmt::format("C{0},{1} {2},{1} {2},{3}", lane.maker.x, lane.maker.y + bend / 2, x,
                          lane.from);
    if (x == reader.x) {
      path += fmt::format("V{}", reader.y);
    } else {
      path += fmt::format("V{0}C{1},{2} {3},{2} {3},{4}", reader.y - bend, x, reader.y - bend / 2,
                          reader.x, reader.y);
    }
    edges_ += fmt::format("<path d=\"{}\"/>", path);
  }

  // The edges and the dot of the next row.
  void add_dot(std::string_view fill, const std::vector<int>& inputs,
               const std::vector<int>& outputs, Lanes& lanes) {
    std::optional<int> column;
    std::vector<Lane> read;
    for (const int id : without_repeats(inputs)) {
      const auto at = lanes.open.find(id);
      const bool last = --lanes.readers[id] == 0;
      if (at == lanes.open.end()) continue;  // a constant, or of the graph around
      read.push_back(at->second);
      if (!last) continue;
      column = std::min(column.value_or(at->second.column), at->second.column);
      lanes.open.erase(at);
    }
    if (!column) column = free_column(lanes, {});
    const Point dot{x_of(*column), row_ * kRowPx + kRowPx / 2.0};
    for (const Lane& lane : read) add_edge(lane, dot);
    dots_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{}\"/>", dot.x, dot.y, fill);
    bool straight = true;  // the first output goes straight on
    for (const int id : outputs) {
      if (id < 0 || lanes.readers[id] == 0) continue;
      const int own = straight ? *column : free_column(lanes, column);
      straight = false;
      lanes.open[id] = {own, dot, dot.y + kRowPx / 2.0};
      lanes_used_ = std::max(lanes_used_, own + 1);
    }
    lanes_used_ = std::max(lanes_used_, *column + 1);
    ++row_;
  }

  void add_port(std::string_view kind, const Port& port, const std::vector<int>& inputs,
                const std::vector<int>& outputs, Lanes& lanes) {
    add_dot("#c2552d", inputs, outputs, lanes);
    rows_ += fmt::format(
        "<li><span></span><span>{}</span><span></span><span>{} "
        "{}</span><span></span><span>{}</span>"
        "</li>",
        kind, type_name(port.type), port.extents_text(), html_text(port.name));
  }

  void add_nodes(const std::vector<NodeSummary>& nodes, const std::string& place, Lanes& lanes) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      const NodeSummary& node = nodes[n];
      add_dot(colour(node.op), node.inputs, node.outputs, lanes);
      add_row(node, fmt::format("{}{}", place, n));
      for (std::size_t b = 0; b < node.bodies.size(); ++b) {
        int column = lanes.first_column;
        for (const auto& [id, lane] : lanes.open) column = std::max(column, lane.column + 1);
        Lanes within = lanes_of(node.bodies[b], column + 1);
        add_nodes(node.bodies[b], fmt::format("{}{}.{}.", place, n, b), within);
      }
    }
  }

  void add_row(const NodeSummary& node, const std::string& number) {
    std::string work;
    if (node.macs > 0)
      work = fmt::format(
          "<span class=\"n\">{:.2f} M</span><div class=\"bar\" "
          "style=\"width:{:.1f}%;background:{}\"></div>",
          node.macs / 1e6, std::min(node.macs / most_macs_, 1.0) * 100, colour(node.op));
    const std::string name = html_text(node.name);
    rows_ += fmt::format(
        "<li><span>{}</span><span>{}</span><span>{}</span><span>{}</span><span "
        "class=\"work\">{}</span><span class=\"faint\" title=\"{}\">{}</span></li>",
        number, html_text(node.op), html_text(node.kernel), html_text(node.shape), work, name,
        name);
  }

  double most_macs_ = 1;
  int row_ = 0, lanes_used_ = 0;
  std::string rows_, edges_, dots_;
};

std::string ports_html(std::string_view kind, const std::vector<Port>& ports) {
  std::string html;
  for (const Port& port : ports)
    html += fmt::format("<dt>{}</dt><dd>{} {} {}</dd>", kind, html_text(port.name),
                        type_name(port.type), port.extents_text());
  return html;
}

}  // namespace

std::string summary_page(const ModelSummary& summary) {
  return fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style><h1>{0}</h1><dl>{2}{3}"
      "<dt>parameters</dt><dd>{4:.3f} M in {5}</dd><dt>work</dt><dd>{6:.2f} M "
      "multiply-accumulates</dd><dt>arena</dt><dd>{7}, {8} tensors</dd><dt>target</dt><dd>{9}, run "
      "with {10}</dd>"
      "</dl><h2>Memory over time</h2><p>Each block is a tensor in the arena: from left to right "
      "the "
      "nodes, from bottom to top the address. Darker where one takes the "
      "place of another. Point at one to see its name.</p><div "
      "class=\"wide\">{11}</div><h2>Graph</h2><p>Nodes in order of execution; the lines are "
      "tensors. "
      "Constants are not drawn. What runs inside a node follows it; an If counts as its larger "
      "branch, a Loop as its runs where the model says how many.</p>{12}</html>\n",
      html_text(summary.path), kStyle, ports_html("input", summary.inputs),
      ports_html("output", summary.outputs), summary.parameters / 1e6,
      bytes_text(summary.constant_bytes), summary.macs / 1e6, bytes_text(summary.arena_bytes),
      summary.arena_tensors, summary.target,
      summary.runs_here ? summary.isa : summary.isa + ", not on this machine", memory_svg(summary),
      GraphDrawing(summary).html());
}

}  // namespace polder
