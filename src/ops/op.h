// What an operator is. One file of this folder is one operator: its parameters, shape inference,
// reference implementation, choice of an optimised kernel, and (host only) its mappings from the
// model formats and its samples for tests. The file NAME.cpp holds all of it in
// `namespace polder::ops::NAME` and ends in two constants:
//
//     extern const OpDef def = {...};      // in every binary
//     extern const OpTools tools = {...};  // host only (ops/tools.h)
//
// The build finds the file and puts both into the operator table; nothing else needs an edit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/fail.h"
#include "graph/attrs.h"
#include "graph/dims.h"
#include "graph/graph.h"
#include "kernel/parallel.h"

namespace polder::kernel {
struct Kernels;  // kernel/table.h: the function pointers of one instruction set
}

namespace polder::ops {

using kernel::Kernels;

// What is known of a tensor before it exists.
struct ValueInfo {
  DataType type = DataType::kNone;  // kNone: an optional value that is absent
  Dims dims;
  const void* data = nullptr;     // the elements, when they are known (constants; at run time: all)
  const IntList* ints = nullptr;  // symbolic elements of a small integer tensor
  Layout layout = Layout::kPlain;

  bool present() const { return type != DataType::kNone; }
  bool constant() const { return data != nullptr; }
};

// A node as its kernel is chosen, and its work counted.
struct NodeInfo {
  std::span<const ValueInfo> inputs;
  std::span<const ValueInfo> outputs;
  const void* params;

  template <class P>
  const P& as() const {
    return *static_cast<const P*>(params);
  }
  const ValueInfo& in(int i) const {
    static constexpr ValueInfo kAbsent;
    return std::size_t(i) < inputs.size() ? inputs[std::size_t(i)] : kAbsent;
  }
};

// The inputs of a body, told one by one: bodies nest, and a list of them in each level's frame
// would outgrow the stack of a device's thread. Borrows `tell`, which makes input `i`.
class BodyInputs {
 public:
  template <class F>
  BodyInputs(int count, const F& tell)
      : count_(count),
        tell_(&tell),
        call_([](const void* f, int i) -> ValueInfo { return (*static_cast<const F*>(f))(i); }) {}
  int count() const { return count_; }
  ValueInfo operator[](int i) const { return call_(tell_, i); }

 private:
  int count_;
  const void* tell_;
  ValueInfo (*call_)(const void*, int);
};

// Computes a node's output types and dimensions. At run time the same function runs again for nodes
// whose dimensions were not known before; then every input dimension and element is.
class InferContext {
 public:
  // What the context asks of the graph around the node.
  struct Host {
    virtual ~Host() = default;
    virtual Dim new_dim(std::int64_t bound) = 0;
    // Infers body `index`, which makes at least `results` values, for these inputs.
    virtual Status infer_body(int index, const BodyInputs& inputs, int results) = 0;
    // Type and dimensions of result `i` of body `index` as it was last inferred.
    virtual ValueInfo body_result(int index, int i) = 0;
    // Keeps the symbolic elements of output `index`.
    virtual void keep_ints(int index, const IntList& ints) = 0;
  };

  InferContext(const void* params, std::span<const ValueInfo> inputs, std::span<ValueInfo> outputs,
               Host& host)
      : params_(params), inputs_(inputs), outputs_(outputs), host_(host) {}

  template <class P>
  const P& params() const {
    return *static_cast<const P*>(params_);
  }

  int input_count() const { return int(inputs_.size()); }
  int output_count() const { return int(outputs_.size()); }
  bool has(int input) const { return this->input(input).present(); }
  const ValueInfo& input(int i) const {
    static constexpr ValueInfo kAbsent;
    return std::size_t(i) < inputs_.size() ? inputs_[std::size_t(i)] : kAbsent;
  }
  const Dims& dims(int i) const { return input(i).dims; }
  DataType type(int i) const { return input(i).type; }
  int rank(int i) const { return input(i).dims.rank(); }
  std::span<const ValueInfo> inputs() const { return inputs_; }

  // The elements of integer input `i` (i32 or i64, rank 0 or 1, at most IntList::kCapacity), each
  // known or symbolic. False when nothing is known of them.
  bool ints(int i, IntList& out) const;
  // The same, all of them known; an error that says how to bind the value otherwise.
  Status known_ints(int i, IntList& out) const;
  // The first element of constant input `i` of any numeric type; false when it is not known.
  bool scalar(int i, double& out) const;

  // Ignored for an output that the node does not have.
  void output(int i, DataType type, const Dims& dims);
  void output_ints(int i, const IntList& ints);
  // An extent that only a run can tell.
  Dim new_dim(std::int64_t bound) { return host_.new_dim(bound); }
  Status infer_body(int index, const BodyInputs& inputs, int results) {
    return host_.infer_body(index, inputs, results);
  }
  ValueInfo body_result(int index, int i) { return host_.body_result(index, i); }
  const ValueInfo& inferred(int i) const { return outputs_[std::size_t(i)]; }

  // Common checks, with their messages.
  Status expect_type(int input, std::initializer_list<DataType> types) const;
  Status expect_rank(int input, int min, int max) const;

 private:
  const void* params_;
  std::span<const ValueInfo> inputs_;
  std::span<ValueInfo> outputs_;
  Host& host_;
};

// Runs a body of a control-flow node.
class BodyRunner {
 public:
  virtual ~BodyRunner() = default;
  // Binds `inputs` (borrowed), runs body `index`; its results are read with output() and stay
  // valid until the body runs again.
  virtual Status run(int index, std::span<const TensorView> inputs) = 0;
  // The same as one more iteration of a loop: an error above the session's cap on them.
  virtual Status iterate(int index, std::span<const TensorView> inputs) = 0;
  virtual TensorView output(int index, int i) const = 0;
};

// A node as it runs. Kernels allocate nothing and take no lock.
struct RunContext {
  std::span<const TensorView> inputs;  // an absent optional input has type kNone
  // Shapes are inferred already. Where infer used new_dim, the dimension holds its bound, and the
  // kernel sets outputs[i].shape to what it found.
  std::span<TensorView> outputs;
  const void* params;
  std::byte* workspace;  // Choice::workspace_bytes of it, 64-byte aligned
  const Kernels& kernels;
  Parallel& parallel;
  BodyRunner* bodies;

  template <class P>
  const P& as() const {
    return *static_cast<const P*>(params);
  }
  bool has(int i) const {
    return std::size_t(i) < inputs.size() && inputs[std::size_t(i)].type != DataType::kNone;
  }
  const TensorView& in(int i) const { return inputs[std::size_t(i)]; }
  TensorView& out(int i) const { return outputs[std::size_t(i)]; }
};

// Fails only on what no check before could see: an index out of range in the data.
using Kernel = Status (*)(const RunContext&);

// How a kernel wants a constant input to lie in memory (ops/pack.h). `depth` consecutive elements
// belong to one output (0: all axes but the first); the outputs are `groups` equal runs that are
// packed each on its own: groups of a convolution, directions of a recurrence.
struct Packing {
  Layout layout = Layout::kPlain;
  std::int32_t groups = 1;
  std::int64_t depth = 0;
};

// The kernel that will run a node.
struct Choice {
  Kernel kernel = nullptr;
  std::string_view name = "reference";  // for profiles
  std::size_t workspace_bytes = 0;
  // How it wants constant input i; the compiler packs it so. The same for every instruction set.
  std::array<Packing, 4> packing = {};
};

inline constexpr int kMany = 1 << 16;
inline constexpr std::size_t kMaxParamsBytes = 512;

struct OpDef {
  std::string_view name;
  int version = 1;  // rises when plans of before can no longer run
  int min_inputs = 1, max_inputs = 1;
  int min_outputs = 1, max_outputs = 1;
  // Reads the attributes into a zeroed block of `params_bytes`; made by parser<P, f>.
  Status (*parse)(const Attrs&, void* params) = nullptr;
  std::size_t params_bytes = 0;
  Status (*infer)(InferContext&) = nullptr;
  // Correct for every type that infer accepts, by plain loops; needs no workspace of its own unless
  // `reference_workspace` says so.
  Kernel reference = nullptr;
  std::size_t (*reference_workspace)(const NodeInfo&) = nullptr;
  // A faster kernel for this node, or one with kernel == nullptr for the reference.
  Choice (*choose)(const NodeInfo&) = nullptr;
  // Bit i: output 0 may be written over input i (same bytes, element by element).
  std::uint32_t in_place = 0;
  // Bit i: a node may lack output i, which is then a view without data. Others are always made.
  std::uint64_t optional_outputs = 0;
  int bodies = 0;             // number of bodies: If 2, Loop 1
  bool deterministic = true;  // false: never folded, never shared
  // The kernel finds extents that infer cannot tell even in a run: how many elements are not zero.
  bool finds_extents = false;
};

inline bool may_lack(const OpDef& def, int output) {
  return output < 64 && (def.optional_outputs >> output & 1);
}

// parser<P, f>: wraps `void f(AttrReader&, P&)` for OpDef::parse. P is trivially copyable.
template <class P, void (*f)(AttrReader&, P&)>
Status parser(const Attrs& attrs, void* params) {
  static_assert(std::is_trivially_copyable_v<P> && sizeof(P) <= kMaxParamsBytes);
  AttrReader reader(attrs);
  f(reader, *::new (params) P());
  return reader.finish();
}
// For an operator without attributes.
struct NoParams {};
inline void no_attributes(AttrReader&, NoParams&) {}

// The operator table, generated by the build, sorted by name.
std::span<const OpDef* const> all_ops();
// nullptr when there is none.
const OpDef* find_op(std::string_view name);

// How the node runs with these kernels: the optimised choice, or the reference with its workspace.
Choice choose_kernel(const OpDef& def, const NodeInfo& node);

}  // namespace polder::ops
