// What a model consists of and will cost.
#include "sdk/summary.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "ops/tools.h"
#include "plan_generated.h"
#include "runtime/graph_runner.h"

namespace polder {

namespace {

using Json = nlohmann::ordered_json;

Json ports_json(const std::vector<Port>& ports) {
  Json list = Json::array();
  for (const Port& port : ports) {
    list.push_back({{"name", port.name},
                    {"type", type_name(port.type)},
                    {"shape", std::vector<std::int64_t>(port.shape.begin(), port.shape.end())},
                    {"bounds", std::vector<std::int64_t>(port.bounds.begin(), port.bounds.end())}});
  }
  return list;
}

// A colour by what an operator does, the same on every page.
std::string colour(std::string_view op) {
  if (op == "Conv" || op == "ConvTranspose" || op == "Linear" || op == "MatMul") return "#3b6ea5";
  if (op == "Transpose" || op == "Reshape" || op == "Concat" || op == "Slice" || op == "Pad")
    return "#9a7b3f";
  if (op.find("Pool") != op.npos || op.starts_with("Reduce")) return "#4f8a5b";
  return "#7a6a8a";
}

std::string memory_svg(const ModelSummary& summary) {
  const double width = 1000, height = 320;
  const double steps = std::max<double>(1, double(summary.nodes.size()));
  const double arena = std::max<double>(1, double(summary.arena_bytes));
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" class=\"memory\" role=\"img\">", width, height);
  for (const TensorSummary& tensor : summary.memory) {
    const double x = tensor.first / steps * width,
                 w = (tensor.last - tensor.first + 1) / steps * width;
    const double h = std::max(0.5, double(tensor.bytes) / arena * height);
    const double y = height - double(tensor.offset) / arena * height - h;
    svg += fmt::format(
        "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\"><title>{}: {:.1f} kB "
        "at {:.1f} kB, nodes "
        "{} to {}</title></rect>",
        x, y, w, h, html_text(tensor.name), double(tensor.bytes) / 1e3, double(tensor.offset) / 1e3,
        tensor.first, tensor.last);
  }
  return svg + "</svg>";
}

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--fg:#1c2328;--bg:#fbfbf9;--line:#d5d5cf;--soft:#eef0ee}
@media(prefers-color-scheme:dark){:root{--fg:#e6e6e3;--bg:#16191c;--line:#3a3f44;--soft:#22272b}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--fg);background:var(--bg);
max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1.2rem}
dd{margin:0;font-variant-numeric:tabular-nums}
.memory{width:100%;height:auto;background:var(--soft);border:1px solid var(--line)}
.memory rect{fill:#3b6ea5;fill-opacity:.65;stroke:var(--bg);stroke-width:.6}
.memory rect:hover{fill:#d1793b}
ol.graph{list-style:none;padding:0;margin:0}
ol.graph li{display:grid;grid-template-columns:3rem 9rem 9rem 11rem 1fr;gap:.6rem;
align-items:center;padding:.15rem .4rem;border-left:4px solid var(--c);margin:2px 0;
background:var(--soft);font-size:.85rem}
ol.graph li span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.bar{height:.6rem;background:var(--c);min-width:1px}
.from{opacity:.65}
)";

// Walks the graph and the bodies within.
class Summariser {
 public:
  explicit Summariser(ModelSummary& summary) : summary_(summary) {}

  std::vector<NodeSummary> nodes_of(const GraphRunner& graph) {
    add_constants(graph);
    std::vector<NodeSummary> nodes;
    for (std::size_t n = 0; n < graph.nodes().size(); ++n) nodes.push_back(node_of(graph, int(n)));
    return nodes;
  }

 private:
  void add_constants(const GraphRunner& graph) {
    for (const GraphRunner::Tensor& tensor : graph.tensors()) {
      if (!tensor.constant || !seen_.insert({tensor.constant, tensor.bytes}).second) continue;
      summary_.constant_bytes += tensor.bytes;
      if (tensor.type == DataType::kF32)
        summary_.parameters += double(tensor.dims.bounds().elements());
    }
  }

  NodeSummary node_of(const GraphRunner& graph, int index) {
    const GraphRunner::Node& node = graph.nodes()[std::size_t(index)];
    NodeSummary row{.name = std::string(node.name),
                    .op = std::string(node.def->name),
                    .kernel = std::string(node.choice.name),
                    .inputs = node.inputs,
                    .outputs = node.outputs};
    if (!node.outputs.empty() && node.outputs[0] >= 0)
      row.shape = graph.tensors()[std::size_t(node.outputs[0])].dims.bounds().text();
    const ops::OpTools* tools = ops::find_tools(node.def->name);
    if (tools && tools->macs) row.macs = graph.count(index, tools->macs);
    double most = 0;
    for (const auto& body : node.bodies) {
      row.bodies.push_back(nodes_of(*body));
      most = std::max(most, macs_of(row.bodies.back()));
    }
    if (most > 0) row.macs += most * runs_of(graph, node);
    return row;
  }

  // How often a run of the node runs its body; 1 where the model does not say.
  static double runs_of(const GraphRunner& graph, const GraphRunner::Node& node) {
    constexpr std::int64_t kMostRuns = std::int64_t(1) << 31;  // more is written for "no limit"
    std::int64_t runs = 1;
    if (node.def->name == "Loop" && node.inputs[0] >= 0) {
      const GraphRunner::Tensor& count = graph.tensors()[std::size_t(node.inputs[0])];
      if (count.constant && count.bytes >= sizeof runs)
        std::memcpy(&runs, count.constant, sizeof runs);
    } else if (node.def->name == "Scan") {
      // What is scanned has one axis more than what the body takes: the first.
      const GraphRunner& body = *node.bodies[0];
      for (std::size_t i = 0; i < body.inputs().size(); ++i) {
        const Dims& outside = graph.tensors()[std::size_t(node.inputs[i])].dims;
        if (outside.rank() > body.tensors()[std::size_t(body.inputs()[i])].dims.rank())
          runs = outside[0].bound;
      }
    }
    return runs >= 0 && runs < kMostRuns ? double(runs) : 1;
  }

  ModelSummary& summary_;
  std::set<std::pair<const std::byte*, std::size_t>> seen_;
};

void add_memory(const GraphRunner& graph, ModelSummary& summary) {
  const auto tensors = graph.tensors();
  std::vector<int> first(tensors.size(), 0), last(tensors.size(), 0);
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const GraphRunner::Node& node = graph.nodes()[n];
    for (const int id : node.outputs) {
      if (id >= 0) first[std::size_t(id)] = last[std::size_t(id)] = int(n);
    }
    for (const int id : node.inputs) {
      if (id >= 0) last[std::size_t(id)] = int(n);
    }
    for (std::size_t i = 0; i < node.bodies.size(); ++i) {
      if (node.bodies[i]->arena_bytes() == 0) continue;
      summary.memory.push_back({fmt::format("body {} of {}", i, node.name), node.body_offsets[i],
                                node.bodies[i]->arena_bytes(), int(n), int(n)});
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].storage != std::uint8_t(plan::Storage::Arena)) continue;
    ++summary.arena_tensors;
    summary.memory.push_back(
        {std::string(tensors[i].name), tensors[i].offset, tensors[i].bytes, first[i], last[i]});
  }
}

Json nodes_json(const std::vector<NodeSummary>& nodes) {
  Json list = Json::array();
  for (const NodeSummary& node : nodes) {
    Json object = {{"name", node.name},      {"op", node.op},     {"kernel", node.kernel},
                   {"shape", node.shape},    {"macs", node.macs}, {"inputs", node.inputs},
                   {"outputs", node.outputs}};
    if (!node.bodies.empty()) {
      Json& bodies = object["bodies"] = Json::array();
      for (const auto& body : node.bodies) bodies.push_back(nodes_json(body));
    }
    list.push_back(std::move(object));
  }
  return list;
}

// The list of a graph's nodes; those of bodies follow their node as "3.0.1": node 1 of body 0 of
// node 3.
class NodeRows {
 public:
  explicit NodeRows(double most) : most_(std::max(most, 1.0)) {}

  void add(const std::vector<NodeSummary>& nodes, const std::string& place) {
    std::unordered_map<int, std::size_t> makers;  // of tensors
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      std::string from;
      for (const int input : nodes[n].inputs) {
        if (const auto maker = makers.find(input); maker != makers.end())
          from += fmt::format(" {}{}", place, maker->second);
      }
      add_row(nodes[n], fmt::format("{}{}", place, n), from);
      for (std::size_t b = 0; b < nodes[n].bodies.size(); ++b)
        add(nodes[n].bodies[b], fmt::format("{}{}.{}.", place, n, b));
      for (const int output : nodes[n].outputs) {
        if (output >= 0) makers[output] = n;
      }
    }
  }
  const std::string& html() const { return html_; }

 private:
  void add_row(const NodeSummary& node, const std::string& number, const std::string& from) {
    const auto depth = std::ranges::count(number, '.') / 2;
    html_ += fmt::format(
        "<li style=\"--c:{};margin-left:{}rem\" "
        "title=\"{}\"><span>{}</span><span>{}</span><span>{}</span><span>{:.2f} MMACs<div "
        "class=\"bar\" style=\"width:{:.1f}%\"></div></span><span>{} <span "
        "class=\"from\">{}{}</span></span></li>",
        colour(node.op), depth, html_text(node.name), number, html_text(node.op),
        html_text(node.kernel), node.macs / 1e6, std::min(node.macs / most_, 1.0) * 100,
        html_text(node.shape), from.empty() ? "" : "from", from);
  }

  double most_;
  std::string html_;
};

}  // namespace

double macs_of(const std::vector<NodeSummary>& nodes) {
  double sum = 0;
  for (const NodeSummary& node : nodes) sum += node.macs;
  return sum;
}

ModelSummary summarise(const Session& session, const std::string& path) {
  ModelSummary summary;
  summary.path = path;
  summary.isa = kernel::isa_name(session.isa());
  summary.inputs.assign(session.inputs().begin(), session.inputs().end());
  summary.outputs.assign(session.outputs().begin(), session.outputs().end());
  summary.arena_bytes = session.arena_bytes();
  summary.nodes = Summariser(summary).nodes_of(session.graph());
  summary.macs = macs_of(summary.nodes);
  add_memory(session.graph(), summary);
  return summary;
}

std::string summary_json(const ModelSummary& summary) {
  Json memory = Json::array();
  for (const TensorSummary& tensor : summary.memory) {
    memory.push_back({{"name", tensor.name},
                      {"offset", tensor.offset},
                      {"bytes", tensor.bytes},
                      {"first_node", tensor.first},
                      {"last_node", tensor.last}});
  }
  const Json object = {{"model", summary.path},
                       {"target", summary.isa},
                       {"inputs", ports_json(summary.inputs)},
                       {"outputs", ports_json(summary.outputs)},
                       {"parameters", summary.parameters},
                       {"constant_bytes", summary.constant_bytes},
                       {"arena_bytes", summary.arena_bytes},
                       {"macs", summary.macs},
                       {"nodes", nodes_json(summary.nodes)},
                       {"memory", std::move(memory)}};
  // ASCII: a terminal obeys some characters beyond it.
  return object.dump(2, ' ', true, Json::error_handler_t::replace);
}

std::string summary_page(const ModelSummary& summary) {
  double most = 0;
  for (const NodeSummary& node : summary.nodes) most = std::max(most, node.macs);
  NodeRows rows(most);
  rows.add(summary.nodes, "");
  std::string ports;
  for (const Port& port : summary.inputs)
    ports += fmt::format("<dt>input</dt><dd>{} {}</dd>", html_text(port.name), port.shape.text());
  for (const Port& port : summary.outputs)
    ports += fmt::format("<dt>output</dt><dd>{} {}</dd>", html_text(port.name), port.shape.text());
  return fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style><h1>{0}</"
      "h1><dl>{2}<dt>parameters</dt>"
      "<dd>{3:.3f} M, {4:.1f} kB</dd><dt>work</dt><dd>{5:.2f} M "
      "multiply-accumulates</dd><dt>arena</dt><dd>{6:.1f} "
      "kB</dd><dt>target</dt><dd>{7}</dd></dl><h2>Memory over time</h2><p>Each block is a tensor "
      "in the arena: from "
      "left to right the nodes, from bottom to top the address.</p>{8}<h2>Graph</h2><p>Nodes in "
      "order of execution; "
      "the bar is their work beside that of the largest. Indented: what runs inside a node; an If "
      "counts as its larger branch, a Loop as its runs where the model says how many.</p><ol "
      "class=\"graph\">{9}</ol></html>\n",
      html_text(summary.path), kStyle, ports, summary.parameters / 1e6,
      double(summary.constant_bytes) / 1e3, summary.macs / 1e6, double(summary.arena_bytes) / 1e3,
      summary.isa, memory_svg(summary), rows.html());
}

}  // namespace polder
