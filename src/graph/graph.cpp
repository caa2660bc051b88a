// Building, checking and pruning a graph.
#include "graph/graph.h"

#include <cstring>

#include "base/fail.h"

namespace polder {

namespace {
// Room for `size` bytes, of which those from `zero_from` on, and some beyond the end, are zero.
Bytes allocate_zeroed_from(std::size_t zero_from, std::size_t size, std::span<std::byte>* out) {
  const std::size_t rounded = (size + 63) / 64 * 64 + 64;
  void* memory = std::aligned_alloc(64, rounded);
  if (!memory) return {};
  std::memset(static_cast<std::byte*>(memory) + zero_from, 0, rounded - zero_from);
  Bytes bytes;
  bytes.owner =
      std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  bytes.view = {static_cast<const std::byte*>(memory), size};
  if (out) *out = {static_cast<std::byte*>(memory), size};
  return bytes;
}
}  // namespace

Bytes Bytes::allocate(std::size_t size, std::span<std::byte>* out) {
  return allocate_zeroed_from(0, size, out);
}

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
  std::span<std::byte> out;
  Bytes copy = allocate_zeroed_from(bytes.size(), bytes.size(), &out);
  if (copy && !bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return copy;
}

ValueId Graph::add_value(std::string_view value_name, DataType type, Dims dims) {
  Value value;
  value.name = value_name.substr(0, std::size_t(kMaxNameBytes));
  value.type = type;
  value.dims = dims;
  values.push_back(std::move(value));
  return ValueId(values.size() - 1);
}

ValueId Graph::add_constant(std::string_view value_name, DataType type, const Shape& shape,
                            Bytes data) {
  const ValueId id = add_value(value_name, type, Dims(shape));
  values.back().data = std::move(data);
  return id;
}

ValueId Graph::add_ints(std::string_view value_name, std::span<const std::int64_t> elements) {
  return add_constant(value_name, DataType::kI64, Shape{std::int64_t(elements.size())}, elements);
}

std::vector<int> Graph::producers() const {
  std::vector<int> producer(values.size(), -1);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    for (const ValueId id : nodes[n].outputs) {
      if (id != kNoValue) producer[id] = int(n);
    }
  }
  return producer;
}

std::vector<int> Graph::use_counts() const {
  std::vector<int> uses(values.size(), 0);
  for (const Node& node : nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) ++uses[id];
    }
  }
  for (const ValueId id : outputs) ++uses[id];
  return uses;
}

Status Graph::verify() const {
  const auto in_range = [&](ValueId id) { return id >= 0 && std::size_t(id) < values.size(); };
  std::vector<bool> made(values.size(), false);
  for (const ValueId id : inputs) {
    if (!in_range(id)) return fail(Code::kCorrupt, "graph input: no value {}", id);
    made[id] = true;
  }
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (values[v].is_constant()) made[v] = true;
  }
  for (const Node& node : nodes) {
    const auto no_value = [&](ValueId id) {
      return fail(Code::kCorrupt, "node '{}' ({}): no value {}", node.name, node.op, id);
    };
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) return no_value(id);
      if (!made[id]) {
        return fail(Code::kCorrupt,
                    "node '{}' ({}): reads '{}' before anything makes it (a cycle, or nodes out of "
                    "order)",
                    node.name, node.op, values[id].name);
      }
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      if (!in_range(id)) return no_value(id);
      if (made[id]) {
        return fail(Code::kCorrupt, "node '{}' ({}): '{}' is made twice", node.name, node.op,
                    values[id].name);
      }
      made[id] = true;
    }
    for (const Graph& body : node.bodies) {
      if (Status status = body.verify(); !status) return std::move(status).error().at(node.name);
    }
  }
  for (const ValueId id : outputs) {
    if (!in_range(id) || !made[id]) {
      return fail(Code::kCorrupt, "graph output '{}' is never made",
                  in_range(id) ? values[id].name : "?");
    }
  }
  return {};
}

void Graph::prune() {
  std::vector<bool> live(values.size(), false);
  for (const ValueId id : outputs) live[id] = true;
  std::vector<bool> keep(nodes.size(), false);
  for (std::size_t n = nodes.size(); n-- > 0;) {
    for (const ValueId id : nodes[n].outputs) keep[n] = keep[n] || (id != kNoValue && live[id]);
    if (!keep[n]) continue;
    for (const ValueId id : nodes[n].inputs) {
      if (id != kNoValue) live[id] = true;
    }
  }
  std::vector<Node> kept;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (keep[n]) kept.push_back(std::move(nodes[n]));
  }
  nodes = std::move(kept);

  for (const ValueId id : inputs) live[id] = true;
  for (const Node& node : nodes) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) live[id] = true;
    }
  }
  std::vector<ValueId> renamed(values.size(), kNoValue);
  std::vector<Value> live_values;
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (!live[v]) continue;
    renamed[v] = ValueId(live_values.size());
    live_values.push_back(std::move(values[v]));
  }
  values = std::move(live_values);
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kNoValue) id = renamed[id];
    }
  };
  for (Node& node : nodes) {
    rename(node.inputs);
    rename(node.outputs);
  }
  rename(inputs);
  rename(outputs);
}

}  // namespace polder
