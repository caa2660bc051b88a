// What a model consists of and will cost.
#include "sdk/summary.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ops/tools.h"

namespace polder {

namespace {

using Json = nlohmann::ordered_json;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

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
        x, y, w, h, escape(tensor.name), double(tensor.bytes) / 1e3, double(tensor.offset) / 1e3,
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

}  // namespace

ModelSummary summarise(const Session& session, const std::string& path) {
  ModelSummary summary;
  summary.path = path;
  summary.isa = kernel::isa_name(session.isa());
  summary.inputs.assign(session.inputs().begin(), session.inputs().end());
  summary.outputs.assign(session.outputs().begin(), session.outputs().end());
  summary.arena_bytes = session.arena_bytes();
  const std::vector<TensorReport> tensors = session.tensors();
  const std::vector<NodeReport> nodes = session.nodes();
  for (const TensorReport& tensor : tensors) {
    if (!tensor.constant) continue;
    summary.constant_bytes += tensor.bytes;
    if (tensor.type == DataType::kF32) summary.parameters += double(tensor.bounds.elements());
  }
  std::vector<int> first(tensors.size(), -1), last(tensors.size(), -1);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const NodeReport& node = nodes[n];
    NodeSummary row{std::string(node.name),
                    std::string(node.op),
                    std::string(node.kernel),
                    "",
                    0,
                    node.inputs,
                    node.outputs};
    if (!node.outputs.empty() && node.outputs[0] >= 0)
      row.shape = tensors[std::size_t(node.outputs[0])].bounds.text();
    const ops::OpTools* tools = ops::find_tools(node.op);
    if (tools && tools->macs) row.macs = session.count(int(n), tools->macs);
    summary.macs += row.macs;
    summary.nodes.push_back(std::move(row));
    for (const int id : node.outputs) {
      if (id >= 0) first[std::size_t(id)] = last[std::size_t(id)] = int(n);
    }
    for (const int id : node.inputs) {
      if (id >= 0) last[std::size_t(id)] = int(n);
    }
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].in_arena) continue;
    ++summary.arena_tensors;
    summary.memory.push_back({std::string(tensors[i].name), tensors[i].offset, tensors[i].bytes,
                              std::max(first[i], 0), std::max(last[i], 0)});
  }
  return summary;
}

std::string summary_json(const ModelSummary& summary) {
  Json nodes = Json::array();
  for (const NodeSummary& node : summary.nodes) {
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"kernel", node.kernel},
                     {"shape", node.shape},
                     {"macs", node.macs},
                     {"inputs", node.inputs},
                     {"outputs", node.outputs}});
  }
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
                       {"nodes", std::move(nodes)},
                       {"memory", std::move(memory)}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string summary_page(const ModelSummary& summary) {
  double most = 1;
  for (const NodeSummary& node : summary.nodes) most = std::max(most, node.macs);
  std::string rows;
  for (std::size_t n = 0; n < summary.nodes.size(); ++n) {
    const NodeSummary& node = summary.nodes[n];
    std::string from;
    for (const int input : node.inputs) {
      for (std::size_t m = 0; m < n; ++m) {
        const auto& outputs = summary.nodes[m].outputs;
        if (input >= 0 && std::ranges::find(outputs, input) != outputs.end())
          from += fmt::format(" {}", m);
      }
    }
    rows += fmt::format(
        "<li style=\"--c:{}\" "
        "title=\"{}\"><span>{}</span><span>{}</span><span>{}</span><span>{:.2f} MMACs<div "
        "class=\"bar\" style=\"width:{:.1f}%\"></div></span><span>{} <span "
        "class=\"from\">{}{}</span></span></li>",
        colour(node.op), escape(node.name), n, escape(node.op), escape(node.kernel),
        node.macs / 1e6, node.macs / most * 100, escape(node.shape), from.empty() ? "" : "from",
        from);
  }
  std::string ports;
  for (const Port& port : summary.inputs)
    ports += fmt::format("<dt>input</dt><dd>{} {}</dd>", escape(port.name), port.shape.text());
  for (const Port& port : summary.outputs)
    ports += fmt::format("<dt>output</dt><dd>{} {}</dd>", escape(port.name), port.shape.text());
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
      "the bar is their share of the work.</p><ol class=\"graph\">{9}</ol></html>\n",
      escape(summary.path), kStyle, ports, summary.parameters / 1e6,
      double(summary.constant_bytes) / 1e3, summary.macs / 1e6, double(summary.arena_bytes) / 1e3,
      summary.isa, memory_svg(summary), rows);
}

}  // namespace polder
