// A pipeline as its TOML file describes it, checked: known types and keys, fitting kinds, bounded
// edges, no cycle, every output read, no raw data into a file without permission.
#pragma once

#include <polder/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/toml.h"
#include "pipeline/node.h"

namespace polder::pipeline {

inline constexpr int kMaxNodes = 64;
inline constexpr int kMaxInputs = 16;
inline constexpr int kMaxEdgeCapacity = 256;

// What a full edge does.
enum class Policy : std::uint8_t {
  kBlock,       // its producer waits
  kLatest,      // only the newest packet is kept
  kDropOldest,  // the oldest packet makes room
};

struct EdgeSpec {
  int from = 0, to = 0;  // nodes
  int port = 0;          // position among the inputs of `to`
  Policy policy = Policy::kBlock;
  int capacity = 4;
};

struct NodeSpec {
  std::string name;
  const NodeType* type = nullptr;
  Settings settings;
  bool raw = false;              // its output shows what a sensor saw
  std::int64_t cost_us = 0;      // virtual service time in a replay with dropping edges
  std::int64_t deadline_us = 0;  // sources: time that a packet's result is of use; 0: for ever
  bool drop_late = false;        // sinks
};

struct Graph {
  std::string name;
  std::string file;
  std::vector<NodeSpec> nodes;  // in topological order
  std::vector<EdgeSpec> edges;  // by consumer, then by port
};

// "node.key=value" in its parts, which are parts of it. Errors: kInvalid.
struct Override {
  std::string_view node, key, value;
};
Result<Override> parse_override(std::string_view assignment);
// Replaces or adds "node.key=value" in the document; the value is TOML, or else taken as a string.
Status override_setting(TomlValue& document, std::string_view assignment);

// Checks the document. `file` names it in errors.
Result<Graph> load_graph(const TomlValue& document, std::string_view file);

// The sections that every pipeline has and every type of node with its options, as Markdown.
std::string reference_markdown();

}  // namespace polder::pipeline
