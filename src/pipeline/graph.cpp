#include "pipeline/graph.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/fail.h"
#include "base/text.h"

namespace polder::pipeline {
namespace {

constexpr Option kPipelineOptions[] = {
    {.name = "name",
     .type = OptionType::kString,
     .required = true,
     .doc = "Short name, shown in progress and summary."},
};

constexpr Option kNodeOptions[] = {
    {.name = "name",
     .type = OptionType::kString,
     .required = true,
     .doc = "Name of the node, unique in the file."},
    {.name = "type",
     .type = OptionType::kString,
     .required = true,
     .doc = "Type of the node, as listed below."},
    {.name = "inputs",
     .type = OptionType::kStrings,
     .doc = "Names of the nodes that it reads, in the order of its inputs."},
    {.name = "privacy",
     .type = OptionType::kTable,
     .doc = "Of a sink: `{ raw = \"allow: why\" }` lets it store what a sensor saw."},
    {.name = "cost_us",
     .type = OptionType::kInteger,
     .fallback = "0",
     .unit = "µs",
     .min = 0,
     .max = 60e6,
     .doc = "Virtual time that a packet takes, for replays with edges that drop."},
    {.name = "deadline_ms",
     .type = OptionType::kFloat,
     .fallback = "0",
     .unit = "ms",
     .min = 0,
     .max = 3.6e6,
     .doc = "Of a source: how long after its arrival a packet is of use; 0: for ever."},
    {.name = "on_late",
     .type = OptionType::kString,
     .fallback = "\"keep\"",
     .choices = "keep|drop",
     .doc = "Of a sink: what to do with a packet past its deadline."},
};

constexpr Option kEdgeOptions[] = {
    {.name = "from", .type = OptionType::kString, .required = true, .doc = "The producing node."},
    {.name = "to", .type = OptionType::kString, .required = true, .doc = "The consuming node."},
    {.name = "policy",
     .type = OptionType::kString,
     .fallback = "\"block\"",
     .choices = "block|latest|drop_oldest",
     .doc = "When full: the producer waits, only the newest stays, or the oldest goes."},
    {.name = "capacity",
     .type = OptionType::kInteger,
     .fallback = "4",
     .unit = "packets",
     .min = 1,
     .max = kMaxEdgeCapacity,
     .doc = "Packets that may wait. Every edge is bounded."},
};

constexpr Option kDocumentOptions[] = {
    {.name = "pipeline",
     .type = OptionType::kTable,
     .required = true,
     .doc = "the [pipeline] section"},
};

struct RawNode {
  std::string name;
  const NodeType* type = nullptr;
  Settings common, settings;
  std::vector<int> inputs;
  int line = 0;
};

std::string where_of(std::string_view name, std::string_view type) {
  return fmt::format("[[node]] '{}' ({})", name, type);
}

// The tables of an array of tables; an absent one is empty.
Result<std::span<const TomlValue>> tables(const TomlValue& document, std::string_view key,
                                          std::string_view file) {
  const TomlValue* value = document.find(key);
  if (!value) return std::span<const TomlValue>();
  const auto is_table = [](const TomlValue& item) { return item.kind == TomlKind::kTable; };
  if (value->kind != TomlKind::kArray || !std::ranges::all_of(value->items, is_table))
    return fail(Code::kInvalid, "{}:{}: write each {} as its own section, headed [[{}]]", file,
                value->line, key, key);
  return std::span<const TomlValue>(value->items);
}

Status check_sections(const TomlValue& document, std::string_view file) {
  static constexpr std::string_view kSections[] = {"pipeline", "node", "edge"};
  for (const auto& [key, value] : document.members) {
    if (std::ranges::find(kSections, key) != std::end(kSections)) continue;
    const std::string_view near = nearest_name(key, kSections);
    return fail(Code::kInvalid, "{}:{}: unknown key '{}' at the top level{}", file, value.line, key,
                near.empty() ? "; expected [pipeline], [[node]] or [[edge]]"
                             : fmt::format("; did you mean '{}'?", near));
  }
  return {};
}

Result<const NodeType*> known_type(const Settings& common, std::string_view file, int line) {
  const std::string& name = common.string("type");
  if (const NodeType* type = find_node_type(name)) return type;
  std::vector<std::string_view> names;
  for (const NodeType* type : node_types()) names.push_back(type->name);
  const std::string_view near = nearest_name(name, names);
  return fail(Code::kInvalid,
              "{}:{}: unknown type '{}' of node '{}'{}; `polder play --reference` "
              "lists the types",
              file, line, name, common.string("name"),
              near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

// Splits the table of a node into the keys that every node has and those of its type.
Result<RawNode> read_node(const TomlValue& table, std::string_view file) {
  TomlValue common = table, own = table;
  const auto is_common = [](const auto& member) {
    return std::ranges::any_of(kNodeOptions,
                               [&](const Option& option) { return option.name == member.first; });
  };
  std::erase_if(common.members, [&](const auto& member) { return !is_common(member); });
  std::erase_if(own.members, is_common);

  RawNode node;
  node.line = table.line;
  TRY_VALUE(node.common, Settings::check(common, kNodeOptions, file, "[[node]]"));
  node.name = node.common.string("name");
  TRY_VALUE(node.type, known_type(node.common, file, table.line));
  std::vector<std::string_view> known;
  for (const Option& option : kNodeOptions) known.push_back(option.name);
  for (const Option& option : node.type->options) known.push_back(option.name);
  for (const auto& [key, value] : own.members) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const std::string_view near = nearest_name(key, known);
    return fail(Code::kInvalid, "{}:{}: unknown key '{}' in {}{}", file, value.line, key,
                where_of(node.name, node.type->name),
                near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  TRY_VALUE(node.settings,
            Settings::check(own, node.type->options, file, where_of(node.name, node.type->name)));
  return node;
}

Result<std::vector<RawNode>> read_nodes(const TomlValue& document, std::string_view file) {
  TRY_VALUE(const auto sections, tables(document, "node", file));
  if (sections.empty())
    return fail(Code::kInvalid, "{}: a pipeline needs at least one [[node]]", file);
  if (sections.size() > std::size_t(kMaxNodes))
    return fail(Code::kExhausted, "{}: {} nodes; at most {} are accepted", file, sections.size(),
                kMaxNodes);
  std::vector<RawNode> nodes;
  for (const TomlValue& section : sections) {
    TRY_VALUE(RawNode node, read_node(section, file));
    for (const RawNode& other : nodes)
      if (other.name == node.name)
        return fail(Code::kInvalid, "{}:{}: a second node '{}'; the first is on line {}", file,
                    node.line, node.name, other.line);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Result<int> find_node(std::span<const RawNode> nodes, std::string_view name,
                      std::string_view place) {
  std::vector<std::string_view> names;
  for (const RawNode& node : nodes) names.push_back(node.name);
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return int(found - names.begin());
  const std::string_view near = nearest_name(name, names);
  return fail(Code::kInvalid, "{}: there is no node '{}'{}", place, name,
              near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

std::string kinds_text(unsigned kinds) {
  std::string text;
  for (unsigned flag = 1; flag <= bit(PayloadKind::kEvents); flag <<= 1)
    if (kinds & flag)
      text += (text.empty() ? "" : " or ") + std::string(kind_name(PayloadKind(flag)));
  return text;
}

const InputPort* port_of(const NodeType& type, int position) {
  if (position < int(type.inputs.size())) return &type.inputs[std::size_t(position)];
  return !type.inputs.empty() && type.inputs.back().repeated ? &type.inputs.back() : nullptr;
}

Status check_input_count(const RawNode& node, std::size_t count, const std::string& place) {
  const auto& ports = node.type->inputs;
  const bool open = !ports.empty() && ports.back().repeated;
  const std::size_t least = ports.size() - (open ? 1 : 0);
  if (count > std::size_t(kMaxInputs))
    return fail(Code::kExhausted, "{}: {} inputs; at most {}", place, count, kMaxInputs);
  if (count < least)
    return fail(Code::kInvalid,
                "{}: input '{}' ({}) is not connected; name a node for it in 'inputs'", place,
                ports[count].name, kinds_text(ports[count].kinds));
  if (count == 0 && open)
    return fail(Code::kInvalid,
                "{}: nothing is connected to it; name at least one node ({}) in "
                "'inputs'",
                place, kinds_text(ports[0].kinds));
  if (count > ports.size() && !open)
    return fail(Code::kInvalid, "{}: {} inputs are named, it has {}", place, count, ports.size());
  return {};
}

Status connect(std::vector<RawNode>& nodes) {
  for (RawNode& node : nodes) {
    const std::string place = node.common.place("inputs") + " '" + node.name + "'";
    const std::vector<std::string> names = node.common.strings("inputs");
    TRY(check_input_count(node, names.size(), place));
    for (const std::string& name : names) {
      TRY_VALUE(const int from, find_node(nodes, name, place));
      const InputPort& port = *port_of(*node.type, int(node.inputs.size()));
      const NodeType& source = *nodes[std::size_t(from)].type;
      if (!(bit(source.output) & port.kinds))
        return fail(Code::kInvalid, "{}: input '{}' takes {}, but '{}' ({}) gives {}", place,
                    port.name, kinds_text(port.kinds), name, source.name, kind_name(source.output));
      if (std::ranges::find(node.inputs, from) != node.inputs.end())
        return fail(Code::kInvalid, "{}: '{}' is named twice", place, name);
      node.inputs.push_back(from);
    }
  }
  return {};
}

// Positions in topological order, in the file's order where that is free.
Result<std::vector<int>> sort_nodes(std::span<const RawNode> nodes, std::string_view file) {
  std::vector<int> order;
  std::vector<bool> placed(nodes.size());
  while (order.size() < nodes.size()) {
    const std::size_t before = order.size();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto is_placed = [&](int input) { return bool(placed[std::size_t(input)]); };
      if (placed[i] || !std::ranges::all_of(nodes[i].inputs, is_placed)) continue;
      placed[i] = true;
      order.push_back(int(i));
    }
    if (order.size() > before) continue;
    std::string names;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (!placed[i]) names += (names.empty() ? "'" : ", '") + nodes[i].name + "'";
    return fail(Code::kInvalid,
                "{}: the graph has a cycle through {}; packets can only flow forward", file, names);
  }
  return order;
}

// The reason after "allow:" of a sink's privacy declaration, or empty.
Result<std::string> raw_permission(const RawNode& node) {
  const TomlValue* privacy = node.common.find("privacy");
  if (!privacy) return std::string();
  const std::string place = node.common.place("privacy") + " '" + node.name + "'";
  for (const auto& [key, value] : privacy->members) {
    if (key != "raw")
      return fail(Code::kInvalid, "{}: unknown key '{}' in privacy; expected 'raw'", place, key);
    constexpr std::string_view kAllow = "allow: ";
    if (value.kind != TomlKind::kString || !value.string.starts_with(kAllow) ||
        value.string.size() == kAllow.size())
      return fail(Code::kInvalid, "{}: privacy.raw must read \"allow: why this is fine\"", place);
    return value.string.substr(kAllow.size());
  }
  return std::string();
}

Status check_privacy(const RawNode& node, std::span<const RawNode> nodes,
                     const std::vector<bool>& raw) {
  TRY_VALUE(const std::string permission, raw_permission(node));
  if (!node.type->stores || !permission.empty()) return {};
  for (const int input : node.inputs)
    if (raw[std::size_t(input)])
      return fail(
          Code::kDenied,
          "{}: {} would store raw {} from '{}'; if that is meant, add to the node: privacy = "
          "{{ raw = \"allow: why this is fine\" }}",
          node.common.place("inputs"), where_of(node.name, node.type->name),
          kind_name(nodes[std::size_t(input)].type->output), nodes[std::size_t(input)].name);
  return {};
}

Status check_outputs_are_read(std::span<const RawNode> nodes, std::string_view file) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto reads = [&](const RawNode& other) {
      return std::ranges::find(other.inputs, int(i)) != other.inputs.end();
    };
    if (nodes[i].type->output != PayloadKind::kNone && std::ranges::none_of(nodes, reads))
      return fail(Code::kInvalid,
                  "{}:{}: nothing reads the output of '{}'; connect it or remove it", file,
                  nodes[i].line, nodes[i].name);
  }
  return {};
}

// Two sinks of one file: the last to finish would replace what the other wrote.
Status check_outputs_differ(std::span<const RawNode> nodes) {
  std::map<std::string, const RawNode*> writers;
  for (const RawNode& node : nodes) {
    if (!node.type->stores) continue;
    const std::string path = plain_path(node.settings.string("path"));
    const auto [other, is_new] = writers.emplace(path, &node);
    if (!is_new)
      return fail(Code::kInvalid, "{}: '{}' and '{}' both write {}; give each a path of its own",
                  node.settings.place("path"), other->second->name, node.name, path);
  }
  return {};
}

NodeSpec spec_of(RawNode& node, bool raw) {
  NodeSpec spec;
  spec.name = node.name;
  spec.type = node.type;
  spec.raw = raw;
  spec.cost_us = node.common.integer("cost_us");
  spec.deadline_us = std::int64_t(node.common.number("deadline_ms") * 1000);
  spec.drop_late = node.common.string("on_late") == "drop";
  spec.settings = std::move(node.settings);
  return spec;
}

Policy policy_of(const std::string& name) {
  if (name == "latest") return Policy::kLatest;
  return name == "drop_oldest" ? Policy::kDropOldest : Policy::kBlock;
}

// Applies the [[edge]] sections to the edges that `inputs` made.
Status read_edges(const TomlValue& document, std::span<const RawNode> nodes,
                  std::span<const int> position, std::string_view file,
                  std::vector<EdgeSpec>& edges) {
  TRY_VALUE(const auto sections, tables(document, "edge", file));
  if (sections.size() > edges.size())
    return fail(Code::kInvalid, "{}: {} [[edge]] sections for {} edges", file, sections.size(),
                edges.size());
  for (const TomlValue& section : sections) {
    TRY_VALUE(const Settings settings, Settings::check(section, kEdgeOptions, file, "[[edge]]"));
    TRY_VALUE(const int from, find_node(nodes, settings.string("from"), settings.place("from")));
    TRY_VALUE(const int to, find_node(nodes, settings.string("to"), settings.place("to")));
    const auto found = std::ranges::find_if(edges, [&](const EdgeSpec& edge) {
      return edge.from == position[std::size_t(from)] && edge.to == position[std::size_t(to)];
    });
    if (found == edges.end())
      return fail(Code::kInvalid, "{}: '{}' does not read '{}'; name it in its 'inputs' first",
                  settings.place("from"), settings.string("to"), settings.string("from"));
    found->policy = policy_of(settings.string("policy"));
    found->capacity = int(settings.integer("capacity"));
  }
  return {};
}

}  // namespace

Result<Override> parse_override(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  const std::size_t dot = assignment.substr(0, equals).rfind('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos || dot == 0)
    return fail(Code::kInvalid, "--set {}: expected node.key=value, such as detect.threshold=0.4",
                assignment);
  return Override{assignment.substr(0, dot), assignment.substr(dot + 1, equals - dot - 1),
                  assignment.substr(equals + 1)};
}

Status override_setting(TomlValue& document, std::string_view assignment) {
  TRY_VALUE(const Override given, parse_override(assignment));
  TomlValue value;
  if (auto parsed = parse_toml(fmt::format("v = {}", given.value), "--set"); parsed.ok()) {
    value = std::move(parsed->members.at(0).second);
  } else {
    value.kind = TomlKind::kString;
    value.string = given.value;
  }
  TomlValue* nodes = document.find("node");
  for (TomlValue& node : nodes ? nodes->items : document.items) {
    const TomlValue* node_name = node.find("name");
    if (!node_name || node_name->string != given.node) continue;
    value.line = node.line;
    if (TomlValue* old = node.find(given.key)) *old = std::move(value);
    else node.members.push_back({std::string(given.key), std::move(value)});
    return {};
  }
  return fail(Code::kInvalid, "--set {}: there is no node '{}'", assignment, given.node);
}

Result<Graph> load_graph(const TomlValue& document, std::string_view file) {
  TRY(check_sections(document, file));
  TomlValue head = document;
  std::erase_if(head.members, [](const auto& member) { return member.first != "pipeline"; });
  TRY_VALUE(const Settings sections, Settings::check(head, kDocumentOptions, file, "the file"));
  TRY_VALUE(const Settings pipeline,
            Settings::check(*sections.find("pipeline"), kPipelineOptions, file, "[pipeline]"));
  TRY_VALUE(std::vector<RawNode> nodes, read_nodes(document, file));
  TRY(connect(nodes));
  TRY_VALUE(const std::vector<int> order, sort_nodes(nodes, file));
  TRY(check_outputs_are_read(nodes, file));
  TRY(check_outputs_differ(nodes));

  Graph graph;
  graph.file = file;
  graph.name = pipeline.string("name");
  std::vector<bool> raw(nodes.size());
  std::vector<int> position(nodes.size());
  for (const int index : order) {
    RawNode& node = nodes[std::size_t(index)];
    const auto is_raw = [&](int input) { return bool(raw[std::size_t(input)]); };
    raw[std::size_t(index)] =
        node.type->inputs.empty() ||
        (node.type->output_is_raw && std::ranges::any_of(node.inputs, is_raw));
    TRY(check_privacy(node, nodes, raw));
    position[std::size_t(index)] = int(graph.nodes.size());
    for (std::size_t port = 0; port < node.inputs.size(); ++port)
      graph.edges.push_back({.from = position[std::size_t(node.inputs[port])],
                             .to = int(graph.nodes.size()),
                             .port = int(port)});
    graph.nodes.push_back(spec_of(node, raw[std::size_t(index)]));
  }
  TRY(read_edges(document, nodes, position, file, graph.edges));
  return graph;
}

std::string reference_markdown() {
  std::string out =
      "# Pipeline files\n\nGenerated by `polder play --reference`; edit the option tables in "
      "`src/pipeline`.\n\n## `[pipeline]`\n\n" +
      options_markdown(kPipelineOptions) + "\n## `[[node]]`: keys of every node\n\n" +
      options_markdown(kNodeOptions) + "\n## `[[edge]]`: how a connection behaves when full\n\n" +
      options_markdown(kEdgeOptions);
  std::string_view group;
  for (const NodeType* type : node_types()) {
    if (type->group != group)
      out += fmt::format("\n## {}{}s\n", char(std::toupper(type->group[0])), type->group.substr(1));
    group = type->group;
    out += fmt::format("\n### `{}`\n\n{}\n\n", type->name, type->doc);
    std::string inputs;
    for (const InputPort& port : type->inputs)
      inputs += fmt::format("{}{} ({}{})", inputs.empty() ? "" : ", ", port.name,
                            kinds_text(port.kinds), port.repeated ? ", any number" : "");
    out += fmt::format("Inputs: {}. Output: {}.\n\n", inputs.empty() ? "none" : inputs,
                       kind_name(type->output));
    out += options_markdown(type->options);
  }
  return out;
}

}  // namespace polder::pipeline
