// Changes a plan in terms of what it says, which changes of bytes seldom manage: attributes,
// shapes, types, who reads what, places in memory. Half of the time the memory is laid out anew, so
// that the plan passes the checks of places and the operators meet what is odd about the rest.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "graph/dims.h"
#include "ops/op.h"
#include "plan_generated.h"
#include "runtime/plan.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using namespace polder;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class Mutator {
 public:
  Mutator(plan::ProgramT& program, unsigned seed) : program_(program), engine_(seed) {}
  void run();

 private:
  std::size_t below(std::size_t n) { return engine_() % n; }
  template <class V>
  auto& pick(V& all) {
    return all[below(all.size())];
  }

  std::int64_t number() {
    static constexpr std::int64_t kEdges[] = {
        -1, 0, 1, 2, 255, 65536, INT32_MAX, INT32_MIN, std::int64_t(1) << 40, INT64_MAX, INT64_MIN};
    if (below(4) == 0) return kEdges[below(std::size(kEdges))];
    return std::int64_t(below(24)) - 4;
  }
  double real() {
    static constexpr double kEdges[] = {0,    -0.0,  1,     0.5,  -1,    1e-30,
                                        1e30, 1e300, -1e30, kInf, -kInf, kNan};
    return below(2) ? kEdges[below(std::size(kEdges))] : double(number()) / 4;
  }

  void change_attribute(plan::GraphT& graph) {
    if (graph.nodes.empty()) return;
    auto& attrs = pick(graph.nodes)->attrs;
    if (attrs.empty()) return;
    if (below(12) == 0) {
      attrs.erase(attrs.begin() + std::ptrdiff_t(below(attrs.size())));
      return;
    }
    plan::AttrT& attr = *pick(attrs);
    switch (attr.kind) {
      case plan::AttrKind::Integer: attr.integer = number(); break;
      case plan::AttrKind::Real: attr.real = real(); break;
      case plan::AttrKind::Text: change_text(attr.text); break;
      case plan::AttrKind::Integers: change_list(attr.integers, [&] { return number(); }); break;
      case plan::AttrKind::Reals: change_list(attr.reals, [&] { return real(); }); break;
    }
    if (below(20) == 0) attr.kind = plan::AttrKind(below(5));
  }
  void change_text(std::string& text) {
    if (!text.empty() && below(2)) pick(text) = char(below(128));
    else if (!text.empty() && below(2)) text.pop_back();
    else text += char('a' + below(26));
  }
  template <class T, class F>
  void change_list(std::vector<T>& list, F value) {
    if (list.empty() || below(6) == 0) list.push_back(value());
    else if (below(6) == 0) list.pop_back();
    else pick(list) = value();
  }

  void change_tensor(plan::GraphT& graph) {
    if (graph.tensors.empty()) return;
    plan::TensorT& tensor = *pick(graph.tensors);
    switch (below(10)) {
      case 0: tensor.type = std::uint8_t(below(15)); break;
      case 1: tensor.layout = std::uint8_t(below(4)); break;
      case 2: tensor.storage = plan::Storage(below(4)); break;
      case 3: tensor.offset = std::uint64_t(below(64)) * 64; break;
      case 4: tensor.bytes = std::uint64_t(number()); break;
      case 5:
        tensor.symbols.assign(tensor.dims.size(), 0);
        if (!tensor.symbols.empty()) pick(tensor.symbols) = std::int32_t(below(4));
        break;
      default:
        change_list(tensor.dims, [&] { return number(); });
        if (!tensor.symbols.empty()) tensor.symbols.resize(tensor.dims.size(), 1);
    }
  }

  void change_node(plan::GraphT& graph) {
    if (graph.nodes.empty()) return;
    plan::NodeT& node = *pick(graph.nodes);
    const auto id = [&] { return std::int32_t(below(graph.tensors.size() + 1)) - 1; };
    switch (below(10)) {
      case 0: node.op = std::uint16_t(below(program_.operators.size() + 1)); break;
      case 1: change_list(node.outputs, id); break;
      case 2: node.workspace_offset = std::uint64_t(below(64)) * 64; break;
      case 3: node.workspace_bytes = std::uint64_t(number()); break;
      case 4:
        change_list(node.bodies, [&] { return std::uint16_t(below(program_.graphs.size() + 1)); });
        node.body_offsets.resize(node.bodies.size());
        break;
      case 5:
        if (!node.body_offsets.empty()) pick(node.body_offsets) = std::uint64_t(below(64)) * 64;
        break;
      case 6:
        if (node.inputs.size() > 1) std::swap(pick(node.inputs), pick(node.inputs));
        break;
      default: change_list(node.inputs, id);
    }
  }

  void change_operator() {
    if (program_.operators.empty()) return;
    plan::OperatorT& op = *pick(program_.operators);
    const ops::OpDef& def = *pick(all_ops_);
    op.name = def.name;
    op.version = std::uint16_t(def.version);
    if (below(20) == 0) program_.target = std::uint8_t(below(6));
  }

  void change_graph(plan::GraphT& graph) {
    const auto id = [&] { return std::int32_t(below(graph.tensors.size() + 1)) - 1; };
    switch (below(4)) {
      case 0: change_list(graph.inputs, id); break;
      case 1: change_list(graph.outputs, id); break;
      case 2: graph.arena_bytes = std::uint64_t(below(64)) * 64; break;
      default:
        if (graph.nodes.size() < 2) return;
        std::swap(pick(graph.nodes), pick(graph.nodes));
    }
  }

  // Then extents are what inference finds in a run.
  void free_all_extents() {
    for (auto& graph : program_.graphs) {
      for (auto& tensor : graph->tensors) {
        if (tensor->storage == plan::Storage::Constant) continue;
        tensor->symbols.assign(tensor->dims.size(), 1);
        if (tensor->storage == plan::Storage::Arena) {
          for (std::int64_t& dim : tensor->dims) dim = tensor->dims.size() > 3 ? 8 : 24;
        }
      }
    }
  }

  // Gives every tensor of the arena, every workspace and every body memory of its own.
  void lay_out(plan::GraphT& graph) {
    std::uint64_t end = 0;
    const auto take = [&](std::uint64_t bytes) {
      const std::uint64_t at = end;
      end += (std::min<std::uint64_t>(bytes, 1 << 20) + 63) / 64 * 64;
      return at;
    };
    for (auto& tensor : graph.tensors) {
      if (tensor->storage != plan::Storage::Arena) continue;
      tensor->bytes = size_of(DataType(tensor->type));
      for (const std::int64_t dim : tensor->dims)
        tensor->bytes = std::min<std::uint64_t>(tensor->bytes * std::uint64_t(dim), 1 << 20);
      tensor->offset = take(tensor->bytes);
    }
    for (auto& node : graph.nodes) {
      node->workspace_bytes = std::max<std::uint64_t>(node->workspace_bytes, 1 << 16);
      node->workspace_offset = take(node->workspace_bytes);
      for (std::size_t i = 0; i < node->bodies.size() && i < node->body_offsets.size(); ++i) {
        if (node->bodies[i] >= program_.graphs.size()) continue;
        node->body_offsets[i] = take(program_.graphs[node->bodies[i]]->arena_bytes);
      }
    }
    graph.arena_bytes = end;
  }

  plan::ProgramT& program_;
  std::mt19937 engine_;
  std::span<const ops::OpDef* const> all_ops_ = ops::all_ops();
};

void Mutator::run() {
  if (program_.graphs.empty()) return;
  for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
    plan::GraphT& graph = *pick(program_.graphs);
    switch (below(8)) {
      case 0:
      case 1: change_attribute(graph); break;
      case 2:
      case 3: change_tensor(graph); break;
      case 4:
      case 5: change_node(graph); break;
      case 6: change_operator(); break;
      default: change_graph(graph); break;
    }
  }
  if (below(2)) {
    if (below(2)) free_all_extents();
    for (auto graph = program_.graphs.rbegin(); graph != program_.graphs.rend(); ++graph)
      lay_out(**graph);
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  PlanHeader header;
  if (seed % 4 == 0 || size < sizeof header) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&header, data, sizeof header);
  const std::size_t body = size - sizeof header;
  if (header.program_bytes > body) return LLVMFuzzerMutate(data, size, max_size);
  // Aligned, which a fuzzer's input need not be.
  std::vector<std::uint64_t> copy(header.program_bytes / 8 + 1);
  std::memcpy(copy.data(), data + sizeof header, header.program_bytes);
  const plan::Program* verified =
      verified_program(std::as_bytes(std::span(copy)).first(header.program_bytes));
  if (!verified) return LLVMFuzzerMutate(data, size, max_size);
  const std::unique_ptr<plan::ProgramT> program(verified->UnPack());
  Mutator(*program, seed / 4).run();
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(plan::Program::Pack(builder, program.get()));

  const std::size_t old = std::min<std::size_t>(header.constants_offset, size);
  const std::vector<std::uint8_t> constants(data + old, data + size);
  header = plan_header(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                       std::as_bytes(std::span(constants)));
  if (header.file_bytes > max_size) return size;
  std::memset(data, 0, header.file_bytes);
  std::memcpy(data, &header, sizeof header);
  std::memcpy(data + sizeof header, builder.GetBufferPointer(), builder.GetSize());
  if (!constants.empty())
    std::memcpy(data + header.constants_offset, constants.data(), constants.size());
  return header.file_bytes;
}
