// The one intermediate form: values and the nodes that make them, in order of execution.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/attrs.h"
#include "graph/dims.h"

namespace polder {

using ValueId = std::int32_t;
// An optional input or output that a node does not have.
inline constexpr ValueId kNoValue = -1;

// Caps on what a file may ask for.
inline constexpr int kMaxGraphPorts = 1 << 12;  // inputs or outputs of a graph
inline constexpr int kMaxNameBytes = 1 << 12;   // of a value; more of a name is not kept
inline constexpr int kMaxBodyDepth = 16;        // bodies within bodies
// Nodes inferred in the bodies of a graph, over and over: a loop asks some times what its body
// makes, and so does each loop around it.
inline constexpr std::int64_t kMaxBodyInferences = 1'000'000;
// Bytes of the constants that stand for folded nodes.
inline constexpr std::size_t kMaxFoldedBytesInAll = std::size_t(1) << 32;

// How a constant's elements lie in memory. Numbers are stable: the first three are written into
// plan files. The others leave f32 weights where a model file has them, at any address, until they
// are packed; only inputs that say so may have them (ops::OpTools::packed_input).
enum class Layout : std::uint8_t {
  kPlain = 0,          // dense, row-major
  kPanels = 1,         // [ceil(outputs / 16)][depth][16] for each group: convolutions, products
  kTaps = 2,           // [ceil(channels / 16)][taps][16]: depthwise convolutions
  kUnaligned = 3,      // as kPlain
  kChannelsFirst = 4,  // the elements of [O, spatial..., C] in the order [O, C, spatial...]
  kOutputsLast = 5,    // the elements of [O, C] in the order [C, O]
};

// Immutable bytes and whoever keeps them alive; aligned to 64 bytes when made by the functions
// here.
struct Bytes {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> view;

  // Empty (false) when there is no memory.
  static Bytes copy_of(std::span<const std::byte> bytes);
  // Zeroed, writable through `out` until it is shared.
  static Bytes allocate(std::size_t size, std::span<std::byte>* out);
  explicit operator bool() const { return view.data() != nullptr; }
};

struct Value {
  std::string name;
  DataType type = DataType::kNone;
  Dims dims;
  // Set for constants: the elements in `layout`. An empty constant has a non-null, empty view.
  Bytes data;
  Layout layout = Layout::kPlain;
  // Elements of a small integer value as far as shape inference knows them.
  std::shared_ptr<const IntList> ints;

  bool is_constant() const { return bool(data); }
};

class Graph;

struct Node {
  std::string op;    // name of an operator of src/ops
  std::string name;  // for people: profiles and errors
  Attrs attrs;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  // Bodies of control flow. A body sees nothing of the outer graph but its own inputs: values that
  // it captures are passed as further inputs of the node.
  std::vector<Graph> bodies;
};

class Graph {
 public:
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes;  // topologically ordered
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::int32_t next_symbol = 1;
  std::vector<std::pair<std::int32_t, std::string>> symbol_names;
  // What importing and compiling have spent on it.
  struct Spent {
    std::int64_t body_inferences = 0;  // of kMaxBodyInferences
    std::size_t folded_bytes = 0;      // of kMaxFoldedBytesInAll
  } spent;

  ValueId add_value(std::string_view value_name, DataType type = DataType::kNone, Dims dims = {});
  ValueId add_constant(std::string_view value_name, DataType type, const Shape& shape, Bytes data);
  // Copies `elements`.
  template <class T>
  ValueId add_constant(std::string_view value_name, DataType type, const Shape& shape,
                       std::span<const T> elements) {
    return add_constant(value_name, type, shape, Bytes::copy_of(std::as_bytes(elements)));
  }
  // A vector of i64.
  ValueId add_ints(std::string_view value_name, std::span<const std::int64_t> elements);
  Dim new_dim(std::int64_t bound) { return Dim(bound, next_symbol++); }

  Value& operator[](ValueId id) { return values[std::size_t(id)]; }
  const Value& operator[](ValueId id) const { return values[std::size_t(id)]; }

  // For each value the index of the node that makes it, or -1.
  std::vector<int> producers() const;
  // For each value how many node inputs and graph outputs read it.
  std::vector<int> use_counts() const;
  // Indices in range, every value made at most once and before it is read, bodies likewise.
  // Importers and passes end with it.
  Status verify() const;
  // Drops nodes whose outputs nobody reads, then values that nothing mentions.
  void prune();
};

}  // namespace polder
