#include "import/onnx_order.h"

#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>

#include "import/onnx_model.h"

namespace polder {
namespace {

void add_names_read_by_body(const onnx::GraphProto& body, std::unordered_set<std::string>& names) {
  std::unordered_set<std::string> read;
  for (const auto& node : body.node()) add_names_read(node, read);
  for (const auto& output : body.output()) read.insert(output.name());
  for (const auto& node : body.node()) {
    for (const std::string& name : node.output()) read.erase(name);
  }
  for (const auto& input : body.input()) read.erase(input.name());
  for (const auto& tensor : body.initializer()) read.erase(tensor.name());
  for (const auto& tensor : body.sparse_initializer()) read.erase(tensor.values().name());
  names.merge(read);
}

}  // namespace

void add_names_read(const onnx::NodeProto& node, std::unordered_set<std::string>& names) {
  for (const std::string& name : node.input()) names.insert(name);
  for (const auto& attribute : node.attribute()) {
    if (attribute.has_g()) add_names_read_by_body(attribute.g(), names);
  }
}

std::string node_name(const onnx::NodeProto& node) {
  if (!node.name().empty()) return clipped(node.name());
  for (const std::string& output : node.output()) {
    if (!output.empty()) return clipped(output);
  }
  return "";
}

Result<std::vector<int>> order_of(const OnnxNodes& nodes) {
  std::unordered_map<std::string_view, int> makers;
  for (int n = 0; n < nodes.size(); ++n) {
    for (const std::string& name : nodes[n].output()) {
      if (!name.empty()) makers.emplace(name, n);
    }
  }
  std::vector<std::vector<int>> readers(std::size_t(nodes.size()));
  std::vector<int> waits(std::size_t(nodes.size()), 0);
  for (int n = 0; n < nodes.size(); ++n) {
    std::unordered_set<std::string> names;
    add_names_read(nodes[n], names);
    for (const std::string& name : names) {
      const auto maker = makers.find(name);
      if (maker == makers.end()) continue;
      readers[std::size_t(maker->second)].push_back(n);
      ++waits[std::size_t(n)];
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<>> ready;
  for (int n = 0; n < nodes.size(); ++n) {
    if (waits[std::size_t(n)] == 0) ready.push(n);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int n = ready.top();
    ready.pop();
    order.push_back(n);
    for (const int reader : readers[std::size_t(n)]) {
      if (--waits[std::size_t(reader)] == 0) ready.push(reader);
    }
  }
  if (int(order.size()) == nodes.size()) return order;
  for (int n = 0; n < nodes.size(); ++n) {
    if (waits[std::size_t(n)] > 0) {
      return fail(Code::kCorrupt, "node '{}' ({}) is part of a cycle, or waits for one",
                  node_name(nodes[n]), clipped(nodes[n].op_type()));
    }
  }
  return order;
}

}  // namespace polder
