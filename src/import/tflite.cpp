// TFLite models into graphs: the FlatBuffer is verified, then read tensor by tensor and operator by
// operator; option tables become attribute records by the schema's own reflection.
#include "import/tflite.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/fail.h"
#include "base/text.h"
#include "import/bind.h"
#include "import/option_names.h"
#include "import/tflite_attrs.h"
#include "ops/tools.h"
#include "platform/file.h"
#include "tflite_generated.h"

namespace polder {

namespace {

constexpr unsigned kMaxTensors = 1u << 18;
constexpr unsigned kMaxOperators = 1u << 17;
constexpr unsigned kMaxTables = 4u << 20;
constexpr unsigned kMaxVerifyDepth = 32;
// Scales and zero points of all tensors, which may share one list in the file.
constexpr std::size_t kMaxScales = std::size_t(1) << 24;
// Names of all tensors, which may share one text in the file.
constexpr std::size_t kMaxNamesBytes = std::size_t(1) << 26;

class Importer {
 public:
  Importer(const tflite::Model& model, std::shared_ptr<const void> owner,
           std::span<const std::byte> file, const ImportOptions& options)
      : model_(model), owner_(std::move(owner)), file_(file), options_(options) {}

  Result<Graph> run() {
    if (model_.version() != 3) {
      return fail(Code::kUnsupported, "schema version {}; version 3 is the one in use",
                  model_.version());
    }
    if (!model_.subgraphs() || model_.subgraphs()->size() == 0)
      return fail(Code::kCorrupt, "no subgraph");
    const tflite::SubGraph& main = *model_.subgraphs()->Get(0);
    graph_.name = tflite_text(main.name());
    TRY(list_unsupported(main));
    TRY(add_tensors(main));
    TRY(add_inputs(main));
    const unsigned count = main.operators() ? main.operators()->size() : 0;
    if (count > kMaxOperators)
      return fail(Code::kExhausted, "{} operators; at most {}", count, kMaxOperators);
    for (unsigned i = 0; i < count; ++i) {
      const tflite::Operator& op = *main.operators()->Get(i);
      if (Status status = add_operator(op, i); !status) {
        return std::move(status).error().at(fmt::format("operator {} {}", i, name_of(op)));
      }
    }
    TRY(add_outputs(main));
    graph_.prune();
    TRY(graph_.verify());
    return std::move(graph_);
  }

 private:
  // The builtin's name, or the custom operator's; "?" when the index is wrong.
  std::string name_of(const tflite::Operator& op) const {
    const auto* codes = model_.operator_codes();
    if (!codes || op.opcode_index() >= codes->size()) return "?";
    const tflite::OperatorCode& code = *codes->Get(op.opcode_index());
    // Numbers up to 127 are in the old field of files that older readers can still open.
    const int number = std::max<int>(int(code.builtin_code()), code.deprecated_builtin_code());
    if (number == int(tflite::BuiltinOperator::CUSTOM))
      return fmt::format("CUSTOM {}", clipped(tflite_text(code.custom_code())));
    const char* name = tflite::EnumNameBuiltinOperator(tflite::BuiltinOperator(number));
    return *name ? name : fmt::format("builtin {}", number);
  }

  // "3 'name of its first output'"
  static std::string place_of(const tflite::SubGraph& main, unsigned index) {
    const tflite::Operator& op = *main.operators()->Get(index);
    const auto* tensors = main.tensors();
    if (!op.outputs() || op.outputs()->size() == 0 || !tensors) return fmt::format("{}", index);
    const auto id = unsigned(op.outputs()->Get(0));
    if (id >= tensors->size()) return fmt::format("{}", index);
    return fmt::format("{} '{}'", index, clipped(tflite_text(tensors->Get(id)->name())));
  }

  // One error for all operators that cannot run, before any work.
  Status list_unsupported(const tflite::SubGraph& main) const {
    constexpr std::size_t kMost = 40;
    std::vector<std::string> names, missing;
    for (unsigned i = 0; main.operators() && i < main.operators()->size(); ++i) {
      const std::string name = name_of(*main.operators()->Get(i));
      if (name == "?")
        return fail(Code::kCorrupt, "operator {}: its operator code does not exist", i);
      if (ops::find_tflite(name).def || std::ranges::find(names, name) != names.end()) continue;
      names.push_back(name);
      missing.push_back(fmt::format("{} (operator {})", name, place_of(main, i)));
      if (names.size() == kMost) break;
    }
    if (missing.empty()) return {};
    return fail(Code::kUnsupported,
                "operator not supported: the model needs {}. Export it with other operators "
                "(docs/tflite-operators.md lists those that run)",
                fmt::join(missing, ", "));
  }

  Status add_tensors(const tflite::SubGraph& main) {
    const unsigned count = main.tensors() ? main.tensors()->size() : 0;
    if (count > kMaxTensors)
      return fail(Code::kExhausted, "{} tensors; at most {}", count, kMaxTensors);
    for (unsigned i = 0; i < count; ++i) {
      const tflite::Tensor& tensor = *main.tensors()->Get(i);
      if (Status status = add_tensor(tensor); !status) {
        return std::move(status).error().at(
            fmt::format("tensor {} '{}'", i, clipped(tflite_text(tensor.name()))));
      }
      sources_.push_back(&tensor);
    }
    return {};
  }

  Status add_tensor(const tflite::Tensor& tensor) {
    const DataType type = tflite_type(tensor.type());
    if (type == DataType::kNone) {
      return fail(Code::kUnsupported, "type {} is not supported",
                  tflite::EnumNameTensorType(tensor.type()));
    }
    if (tensor.sparsity()) {
      return fail(Code::kUnsupported,
                  "sparse storage is not supported; convert the model with dense weights");
    }
    // The extents that the converter saw, usually a batch of 1; the options may give others.
    const auto* extents = tensor.shape();
    const unsigned rank = extents ? extents->size() : 0;
    if (rank > kMaxRank) return fail(Code::kUnsupported, "rank {}; at most {}", rank, kMaxRank);
    Dims dims;
    for (unsigned axis = 0; axis < rank; ++axis) {
      const std::int32_t extent = extents->Get(axis);
      if (extent < 0) return fail(Code::kCorrupt, "dimension {} is {}", axis, extent);
      dims.push_back(extent);
    }
    const ValueId id = graph_.add_value(tflite_text(tensor.name()), type, dims);
    name_bytes_ += graph_[id].name.size();
    if (name_bytes_ > kMaxNamesBytes)
      return fail(Code::kExhausted, "names of more than {} bytes in all", kMaxNamesBytes);
    return add_data(tensor, id);
  }

  // The buffer's bytes, in the FlatBuffer or behind it; empty when the tensor has none.
  Result<std::span<const std::byte>> data_of(const tflite::Tensor& tensor) const {
    const auto* buffers = model_.buffers();
    if (tensor.buffer() == 0 && (!buffers || buffers->size() == 0))
      return std::span<const std::byte>();
    if (!buffers || tensor.buffer() >= buffers->size())
      return fail(Code::kCorrupt, "no buffer {}", tensor.buffer());
    const tflite::Buffer& buffer = *buffers->Get(tensor.buffer());
    if (buffer.data() && buffer.data()->size()) {
      return std::as_bytes(std::span(buffer.data()->data(), buffer.data()->size()));
    }
    if (buffer.offset() <= 1) return std::span<const std::byte>();
    if (buffer.offset() > file_.size() || buffer.size() > file_.size() - buffer.offset()) {
      return fail(Code::kCorrupt, "buffer {}: bytes {}+{} lie outside the file of {}",
                  tensor.buffer(), buffer.offset(), buffer.size(), file_.size());
    }
    return file_.subspan(buffer.offset(), buffer.size());
  }

  Status add_data(const tflite::Tensor& tensor, ValueId id) {
    TRY_VALUE(const auto bytes, data_of(tensor));
    Value& value = graph_[id];
    if (bytes.empty()) return {};
    if (!value.dims.known()) return fail(Code::kCorrupt, "a constant with a free dimension");
    const std::int64_t elements = value.dims.max_elements();
    if (elements > kMaxElements || std::size_t(elements) * size_of(value.type) != bytes.size()) {
      return fail(Code::kCorrupt, "{} bytes expected for {} {}, its buffer holds {}",
                  elements > kMaxElements ? 0 : std::size_t(elements) * size_of(value.type),
                  value.dims.text(), type_name(value.type), bytes.size());
    }
    if (tensor.is_variable()) return fail(Code::kUnsupported, "a variable with an initial value");
    // The format aligns buffers to 16 bytes; a file that does not is read through a copy.
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(value.type) == 0;
    if (aligned) {
      value.data = {owner_, bytes};
    } else {
      TRY_VALUE(value.data, copy_of(bytes));
    }
    return {};
  }

  // Many tensors may have one buffer: they share the copy. Different buffers do not overlap, so
  // that all copies together are no larger than the file.
  Result<Bytes> copy_of(std::span<const std::byte> bytes) {
    Bytes& copy = copies_[{bytes.data(), bytes.size()}];
    if (copy) return copy;
    copied_bytes_ += bytes.size();
    if (copied_bytes_ > file_.size()) {
      return fail(Code::kExhausted, "buffers that overlap: more than the file's {} bytes in all",
                  file_.size());
    }
    copy = Bytes::copy_of(bytes);
    if (!copy) return fail(Code::kExhausted, "out of memory for {} bytes", bytes.size());
    return copy;
  }

  Result<ValueId> checked(std::int32_t index) const {
    if (index < 0 || std::size_t(index) >= sources_.size())
      return fail(Code::kCorrupt, "no tensor {}", index);
    return ValueId(index);
  }

  Status add_inputs(const tflite::SubGraph& main) {
    made_.assign(sources_.size(), false);
    for (std::size_t i = 0; i < sources_.size(); ++i) made_[i] = graph_.values[i].is_constant();
    for (unsigned i = 0; main.inputs() && i < main.inputs()->size(); ++i) {
      TRY_VALUE(const ValueId id, checked(main.inputs()->Get(i)));
      if (made_[std::size_t(id)])
        return fail(Code::kCorrupt, "input {} is a constant or listed twice", i);
      made_[std::size_t(id)] = true;
      graph_.inputs.push_back(id);
      if (graph_.inputs.size() > std::size_t(kMaxGraphPorts))
        return fail(Code::kExhausted, "more than {} inputs", kMaxGraphPorts);
    }
    return apply_options();
  }

  // What the options name is there: check_options() has said so.
  ValueId input_named(const std::string& name) const {
    return *std::ranges::find(graph_.inputs, name,
                              [&](ValueId id) -> const std::string& { return graph_[id].name; });
  }

  // Whether the file says that a dimension may have any extent.
  bool is_free(ValueId id, int axis) const {
    const auto* signature = sources_[std::size_t(id)]->shape_signature();
    return signature && unsigned(axis) < signature->size() && signature->Get(unsigned(axis)) == -1;
  }

  OptionNames option_names() const {
    OptionNames names;
    for (const ValueId id : graph_.inputs) {
      const Value& input = graph_[id];
      names.inputs.insert(input.name);
      if (input.dims.rank() == 1) names.vectors.insert(input.name);
      for (int axis = 0; axis < input.dims.rank(); ++axis)
        names.dimensions.insert(dimension_name(input.name, axis));
    }
    return names;
  }

  Status apply_options() {
    if (options_.shapes.empty() && options_.bounds.empty() && options_.bindings.empty()) return {};
    TRY(resolve_options(options_, option_names()));
    for (const ValueId id : graph_.inputs) TRY(apply_bounds(id));
    for (const auto& [name, extents] : options_.shapes) TRY(apply_shape(name, extents));
    for (const auto& [name, tensor] : options_.bindings) {
      const ValueId id = input_named(name);
      auto fitted = fit_binding(tensor, graph_[id].type, graph_[id].dims);
      if (!fitted) return std::move(fitted).error().at(fmt::format("input '{}'", clipped(name)));
      graph_[id].dims = Dims(fitted->shape);
      graph_[id].data = std::move(fitted->data);
      std::erase(graph_.inputs, id);
    }
    return {};
  }

  Status apply_shape(const std::string& name, const std::vector<std::int64_t>& extents) {
    const ValueId id = input_named(name);
    Dims& dims = graph_[id].dims;
    if (int(extents.size()) != dims.rank()) {
      return fail(Code::kInvalid, "input '{}': a shape of {} dimensions given; the model has {}",
                  clipped(name), extents.size(), dims.rank());
    }
    for (int axis = 0; axis < dims.rank(); ++axis) {
      const std::int64_t extent = extents[std::size_t(axis)];
      if (extent < 0) continue;
      if (!is_free(id, axis) && !dims[axis].is(extent)) {
        return fail(Code::kInvalid, "input '{}': dimension {} given as {}; the model has {}",
                    clipped(name), axis, extent, dims.text());
      }
      TRY(check_fixed(options_, dimension_name(name, axis), extent));
      dims[axis] = extent;
    }
    return {};
  }

  // A free dimension has the extent that the converter saw, unless the options bound it.
  Status apply_bounds(ValueId id) {
    Dims& dims = graph_[id].dims;
    for (int axis = 0; axis < dims.rank(); ++axis) {
      const std::string place = dimension_name(graph_[id].name, axis);
      const std::int64_t bound = bound_of(options_, place);
      if (!is_free(id, axis)) {
        TRY(check_fixed(options_, place, dims[axis].bound));
      } else if (bound != kUnbounded) {
        dims[axis] = graph_.new_dim(bound);
        graph_.symbol_names.emplace_back(dims[axis].symbol, place);
      }
    }
    return {};
  }

  Status add_outputs(const tflite::SubGraph& main) {
    for (unsigned i = 0; main.outputs() && i < main.outputs()->size(); ++i) {
      TRY_VALUE(const ValueId id, checked(main.outputs()->Get(i)));
      if (!made_[std::size_t(id)])
        return fail(Code::kCorrupt, "output {} '{}' is never made", i, clipped(graph_[id].name));
      graph_.outputs.push_back(id);
      if (graph_.outputs.size() > std::size_t(kMaxGraphPorts))
        return fail(Code::kExhausted, "more than {} outputs", kMaxGraphPorts);
    }
    if (graph_.outputs.empty()) return fail(Code::kCorrupt, "the model has no output");
    return {};
  }

  Status add_operator(const tflite::Operator& op, unsigned index) {
    ops::ImportContext node(graph_);
    const std::string op_type = name_of(op);
    node.op_type = op_type;
    node.version = model_.operator_codes()->Get(op.opcode_index())->version();
    for (unsigned i = 0; op.inputs() && i < op.inputs()->size(); ++i) {
      const std::int32_t tensor = op.inputs()->Get(i);
      if (tensor == -1) {
        node.inputs.push_back(kNoValue);
        continue;
      }
      TRY_VALUE(const ValueId id, checked(tensor));
      if (sources_[std::size_t(id)]->is_variable()) {
        return fail(Code::kUnsupported,
                    "reads variable '{}': state inside a model is not supported",
                    clipped(graph_[id].name));
      }
      if (!made_[std::size_t(id)]) {
        return fail(Code::kCorrupt, "reads '{}' before anything makes it",
                    clipped(graph_[id].name));
      }
      node.inputs.push_back(id);
    }
    bool makes_floats = false;
    for (unsigned i = 0; op.outputs() && i < op.outputs()->size(); ++i) {
      TRY_VALUE(const ValueId id, checked(op.outputs()->Get(i)));
      if (made_[std::size_t(id)])
        return fail(Code::kCorrupt, "makes '{}', which is made already", clipped(graph_[id].name));
      made_[std::size_t(id)] = true;
      makes_floats = makes_floats || graph_[id].type == DataType::kF32;
      node.outputs.push_back(id);
    }
    if (node.outputs.empty()) return fail(Code::kCorrupt, "no outputs");
    if (!node.inputs.empty() && !node.has(0)) return fail(Code::kCorrupt, "input 0 is absent");
    node.node_name = graph_[node.outputs[0]].name;
    if (node.node_name.empty()) node.node_name = fmt::format("{}_{}", op_type, index);
    TRY_VALUE(node.attrs, tflite_attrs(op));
    TRY(check_integers(node));
    TRY(add_quantisation(node));
    if (makes_floats && op_type != "DEQUANTIZE") TRY(dequantise_weights(node));

    const ops::TfliteMatch match = ops::find_tflite(op_type);
    if (node.inputs.empty() && match.def->min_inputs > 0) return fail(Code::kCorrupt, "no inputs");
    // Types and shapes are inferred; the file's own are the converter's claim.
    Status status = match.rule->import ? match.rule->import(node)
                                       : node.finish(match.def->name, node.inputs, node.attrs);
    return status;
  }

  // Arithmetic on integers that stand for reals would need their scales: only what moves elements
  // between tensors of one scale runs on them.
  Status check_integers(const ops::ImportContext& node) const {
    static constexpr std::string_view kConverters[] = {"QUANTIZE", "DEQUANTIZE"};
    static constexpr std::string_view kMovers[] = {"BATCH_TO_SPACE_ND",
                                                   "BROADCAST_TO",
                                                   "CONCATENATION",
                                                   "DEPTH_TO_SPACE",
                                                   "EXPAND_DIMS",
                                                   "GATHER",
                                                   "GATHER_ND",
                                                   "PACK",
                                                   "RESHAPE",
                                                   "REVERSE_V2",
                                                   "SLICE",
                                                   "SPACE_TO_DEPTH",
                                                   "SPLIT",
                                                   "SPLIT_V",
                                                   "SQUEEZE",
                                                   "STRIDED_SLICE",
                                                   "TILE",
                                                   "TRANSPOSE",
                                                   "UNPACK"};
    if (std::ranges::find(kConverters, node.op_type) != std::end(kConverters)) return {};
    const bool moves = std::ranges::find(kMovers, node.op_type) != std::end(kMovers);
    const tflite::QuantizationParameters* first = nullptr;
    for (const std::vector<ValueId>* list : {&node.inputs, &node.outputs}) {
      for (const ValueId id : *list) {
        const tflite::QuantizationParameters* scaled = activation_scale(id);
        if (!scaled) continue;
        if (!first) first = scaled;
        if (moves && same_scale(*first, *scaled)) continue;
        return fail(Code::kUnsupported,
                    "'{}' is {} with a scale: arithmetic on quantised activations does not run "
                    "yet; convert the model with float activations",
                    clipped(graph_[id].name), type_name(graph_[id].type));
      }
    }
    return {};
  }

  // Of a computed integer tensor that has one; null otherwise.
  const tflite::QuantizationParameters* activation_scale(ValueId id) const {
    if (id == kNoValue || std::size_t(id) >= sources_.size() || graph_[id].is_constant())
      return nullptr;
    const DataType type = graph_[id].type;
    if (type != DataType::kI8 && type != DataType::kU8 && type != DataType::kI16) return nullptr;
    const tflite::QuantizationParameters* q = sources_[std::size_t(id)]->quantization();
    return q && q->scale() && q->scale()->size() > 0 ? q : nullptr;
  }

  static bool same_scale(const tflite::QuantizationParameters& a,
                         const tflite::QuantizationParameters& b) {
    const auto zero = [](const tflite::QuantizationParameters& q) {
      return q.zero_point() && q.zero_point()->size() == 1 ? q.zero_point()->Get(0) : 0;
    };
    return a.scale()->size() == 1 && b.scale()->size() == 1 &&
           a.scale()->Get(0) == b.scale()->Get(0) && zero(a) == zero(b);
  }

  // Scale and zero point of a quantised tensor as constants; kNoValue when it has none.
  Result<std::pair<ValueId, ValueId>> quantisation_of(ValueId id) {
    const auto none = std::pair(kNoValue, kNoValue);
    if (std::size_t(id) >= sources_.size()) return none;
    const tflite::QuantizationParameters* q = sources_[std::size_t(id)]->quantization();
    if (!q || !q->scale() || q->scale()->size() == 0) return none;
    const std::string name = graph_[id].name;  // a copy: constants are added
    const unsigned count = q->scale()->size();
    if (q->details_type() != tflite::QuantizationDetails::NONE) {
      return fail(Code::kUnsupported, "'{}': only affine quantisation is supported", clipped(name));
    }
    if (q->zero_point() && q->zero_point()->size() != count && q->zero_point()->size() != 0) {
      return fail(Code::kCorrupt, "'{}': {} scales and {} zero points", clipped(name), count,
                  q->zero_point()->size());
    }
    const Dims& dims = graph_[id].dims;
    const int axis = q->quantized_dimension();
    if (count > 1 && (axis < 0 || axis >= dims.rank() || !dims[axis].is(count))) {
      return fail(Code::kCorrupt, "'{}': {} scales along dimension {} of {}", clipped(name), count,
                  axis, dims.text());
    }
    scales_ += count;
    if (scales_ > kMaxScales)
      return fail(Code::kExhausted, "more than {} scales in all", kMaxScales);
    std::vector<float> scale(q->scale()->begin(), q->scale()->end());
    std::vector<std::int32_t> zero(count, 0);
    for (unsigned i = 0; q->zero_point() && i < q->zero_point()->size(); ++i) {
      zero[i] = std::int32_t(q->zero_point()->Get(i));
    }
    const Shape shape = count == 1 ? Shape{} : Shape{std::int64_t(count)};
    const DataType type = graph_[id].type;
    const ValueId scale_id =
        graph_.add_constant(name + ":scale", DataType::kF32, shape, std::span<const float>(scale));
    return std::pair(scale_id, add_zero_point(name, type, shape, zero));
  }

  // Zero points have the type of the numbers they belong to.
  ValueId add_zero_point(const std::string& name, DataType type, const Shape& shape,
                         const std::vector<std::int32_t>& zero) {
    const auto add = [&]<class T>() {
      std::vector<T> typed(zero.begin(), zero.end());
      return graph_.add_constant(name + ":zero", type, shape, std::span<const T>(typed));
    };
    switch (type) {
      case DataType::kI8: return add.template operator()<std::int8_t>();
      case DataType::kU8: return add.template operator()<std::uint8_t>();
      case DataType::kI16: return add.template operator()<std::int16_t>();
      case DataType::kI32: return add.template operator()<std::int32_t>();
      default: return kNoValue;
    }
  }

  // QUANTIZE and DEQUANTIZE find scale, zero point and axis as tensors and attribute.
  Status add_quantisation(ops::ImportContext& node) {
    if (node.op_type != "DEQUANTIZE" && node.op_type != "QUANTIZE") return {};
    const ValueId of = node.op_type == "QUANTIZE" ? node.outputs[0] : node.in(0);
    if (of == kNoValue) return fail(Code::kCorrupt, "no input");
    TRY_VALUE(const auto ids, quantisation_of(of));
    if (ids.first != kNoValue) {
      node.tensors.emplace_back("scale", ids.first);
      node.tensors.emplace_back("zero_point", ids.second);
      node.attrs.set(
          "axis", std::int64_t(sources_[std::size_t(of)]->quantization()->quantized_dimension()));
    }
    return {};
  }

  // Integer weights under float activations are computed with in f32.
  Status dequantise_weights(ops::ImportContext& node) {
    for (ValueId& id : node.inputs) {
      if (id == kNoValue || !graph_[id].is_constant()) continue;
      const DataType type = graph_[id].type;
      if (type == DataType::kF16 && node.in(0) != id) {
        TRY_VALUE(id, node.emit("Cast", {id}, {{"to", std::string("f32")}}));
        continue;
      }
      if (type != DataType::kI8 && type != DataType::kU8 && type != DataType::kI16) continue;
      TRY_VALUE(const auto ids, quantisation_of(id));
      if (ids.first == kNoValue) continue;
      const std::int64_t axis = sources_[std::size_t(id)]->quantization()->quantized_dimension();
      TRY_VALUE(id, node.emit("Dequantize", {id, ids.first, ids.second}, {{"axis", axis}}));
    }
    return {};
  }

  const tflite::Model& model_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> file_;
  ImportOptions options_;
  Graph graph_;
  std::vector<const tflite::Tensor*> sources_;  // by value, for the first values of the graph
  std::vector<bool> made_;
  std::map<std::pair<const std::byte*, std::size_t>, Bytes> copies_;
  std::size_t copied_bytes_ = 0;
  std::size_t scales_ = 0;
  std::size_t name_bytes_ = 0;
};

}  // namespace

std::vector<TfliteOperator> tflite_operators() {
  std::vector<TfliteOperator> all;
  for (const char* const* name = tflite::EnumNamesBuiltinOperator(); *name; ++name) {
    if (!**name) continue;  // a number without an operator
    const ops::OpDef* def = ops::find_tflite(*name).def;
    all.push_back({*name, def ? def->name : std::string_view()});
  }
  return all;
}

bool is_tflite(std::span<const std::byte> bytes) {
  return bytes.size() >= 8 && std::memcmp(bytes.data() + 4, "TFL3", 4) == 0;
}

Result<Graph> import_tflite(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                            std::string_view name, const ImportOptions& options) {
  if (!is_tflite(bytes)) {
    return fail(Code::kCorrupt,
                "{}: not a TFLite model: bytes 4 to 8 are not TFL3 (file of {} bytes)", name,
                bytes.size());
  }
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return fail(Code::kExhausted, "{}: {} bytes; at most 2 GB", name, bytes.size());
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                 kMaxVerifyDepth, kMaxTables, /*check_alignment=*/true);
  if (!tflite::VerifyModelBuffer(verifier)) {
    return fail(Code::kCorrupt,
                "{}: truncated or damaged: it is not a valid FlatBuffer of the TFLite schema",
                name);
  }
  Result<Graph> graph =
      Importer(*tflite::GetModel(bytes.data()), std::move(owner), bytes, options).run();
  if (!graph) return fit_to_show(std::move(graph).error().at(name));
  return graph;
}

Result<Graph> import_tflite(const std::string& path, const ImportOptions& options) {
  TRY_VALUE(MappedFile file, MappedFile::open(path));
  auto owner = std::make_shared<MappedFile>(std::move(file));
  return import_tflite(owner, owner->bytes(), path, options);
}

}  // namespace polder
