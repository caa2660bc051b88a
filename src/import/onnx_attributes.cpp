// Attributes of a node as the record that rules read, and constants.
#include "import/onnx_importer.h"

namespace polder {
namespace {

// The kind of value that an attribute holds; files of old exporters do not say.
onnx::AttributeProto::AttributeType kind_of(const onnx::AttributeProto& source) {
  using Attribute = onnx::AttributeProto;
  if (source.type() != Attribute::UNDEFINED) return source.type();
  return source.has_f()          ? Attribute::FLOAT
         : source.has_i()        ? Attribute::INT
         : source.has_s()        ? Attribute::STRING
         : source.has_t()        ? Attribute::TENSOR
         : source.floats_size()  ? Attribute::FLOATS
         : source.strings_size() ? Attribute::STRINGS
                                 : Attribute::INTS;
}

// Bytes of an attribute in memory: a list of integers takes 8 for each that is 1 in the file. Large
// tensors are read once (OnnxTensors keeps them), bodies are counted as they are entered.
std::size_t memory_of(const onnx::AttributeProto& source) {
  std::size_t bytes = source.s().size();
  for (const std::string& text : source.strings()) bytes += text.size() + sizeof(std::string);
  bytes += sizeof(std::int64_t) * std::size_t(source.ints_size() + source.floats_size());
  if (source.has_t()) bytes += OnnxTensors::kMoveBytes;
  return bytes;
}

}  // namespace

Result<ValueId> OnnxImporter::add_tensor(std::string_view name, onnx::TensorProto& tensor,
                                         Graph& graph, std::span<const std::byte> raw) {
  TRY_VALUE(OwnedTensor read, tensors_.read(tensor, raw));
  const ValueId id = graph.add_constant(name, read.type, read.shape, std::move(read.data));
  graph[id].layout = read.layout;
  return id;
}

onnx::AttributeProto* OnnxImporter::actual(onnx::AttributeProto& attribute, const Scope& scope) {
  if (attribute.ref_attr_name().empty()) return &attribute;
  if (!scope.arguments) return nullptr;
  const auto found = scope.arguments->find(attribute.ref_attr_name());
  return found == scope.arguments->end() ? nullptr
                                         : const_cast<onnx::AttributeProto*>(found->second);
}

Status OnnxImporter::count(const onnx::AttributeProto& attribute) {
  attribute_bytes_ += memory_of(attribute);
  if (attribute_bytes_ <= kMaxOnnxAttributeBytes) return {};
  return fail(Code::kExhausted,
              "attributes of more than {} bytes, each use of them counted: the model is damaged or "
              "made to exhaust its reader",
              kMaxOnnxAttributeBytes);
}

Status OnnxImporter::read_attributes(onnx::NodeProto& source, Scope& scope,
                                     ops::ImportContext& node) {
  if (source.attribute_size() > kMaxOnnxAttributes)
    return fail(Code::kExhausted, "more than {} attributes", kMaxOnnxAttributes);
  // What a body's inputs are depends on the other attributes: bodies come last.
  std::vector<std::pair<const std::string*, onnx::AttributeProto*>> bodies;
  for (auto& attribute : *source.mutable_attribute()) {
    onnx::AttributeProto* given = actual(attribute, scope);
    if (!given) continue;
    TRY(count(*given));
    if (given->has_g()) bodies.emplace_back(&attribute.name(), given);
    else TRY(read_attribute(*given, attribute.name(), node));
  }
  for (const auto& [name, body] : bodies) TRY(read_body(*body->mutable_g(), *name, scope, node));
  return {};
}

Status OnnxImporter::read_attribute(onnx::AttributeProto& source, const std::string& name,
                                    ops::ImportContext& node) {
  using Attribute = onnx::AttributeProto;
  // Left by exporters of before opset 6; it says how memory may be shared.
  if (name == "consumed_inputs") return {};
  const auto type = kind_of(source);
  switch (type) {
    case Attribute::FLOAT: node.attrs.set(name, double(source.f())); return {};
    case Attribute::INT: node.attrs.set(name, source.i()); return {};
    case Attribute::STRING: node.attrs.set(name, source.s()); return {};
    case Attribute::FLOATS:
      node.attrs.set(name, std::vector<double>(source.floats().begin(), source.floats().end()));
      return {};
    case Attribute::INTS:
      node.attrs.set(name, std::vector<std::int64_t>(source.ints().begin(), source.ints().end()));
      return {};
    case Attribute::STRINGS:
      // Rules get them joined by commas; none of ONNX's own texts holds one.
      for (const std::string& text : source.strings()) {
        if (!text.empty() && text.find(',') == text.npos) continue;
        return fail(Code::kInvalid, "attribute '{}': '{}' in its list of texts", clipped(name),
                    clipped(text));
      }
      node.attrs.set(name, fmt::format("{}", fmt::join(source.strings(), ",")));
      return {};
    case Attribute::TENSOR: {
      TRY_VALUE(const ValueId id,
                add_tensor(node.node_name + "/" + name, *source.mutable_t(), node.graph));
      node.tensors.emplace_back(name, id);
      return {};
    }
    default:
      return fail(Code::kUnsupported, "attribute '{}' is of kind {}, which is not supported",
                  clipped(name), Attribute::AttributeType_Name(type));
  }
}

Status OnnxImporter::read_constant(onnx::NodeProto& source, Scope& scope) {
  if (source.output_size() != 1) return fail(Code::kCorrupt, "one output expected");
  const std::string& name = source.output(0);
  for (auto& given : *source.mutable_attribute()) {
    onnx::AttributeProto* attribute = actual(given, scope);
    if (!attribute) continue;
    TRY(count(*attribute));
    TRY_VALUE(const ValueId id, constant_of(given.name(), *attribute, name, *scope.graph));
    return define(name, id, scope);
  }
  return fail(Code::kCorrupt, "no value");
}

Result<ValueId> OnnxImporter::constant_of(const std::string& kind, onnx::AttributeProto& attribute,
                                          const std::string& name, Graph& graph) {
  const auto list = [&]<class T>(const auto& field, DataType type) {
    const std::vector<T> elements(field.begin(), field.end());
    return graph.add_constant(name, type, Shape{std::int64_t(elements.size())},
                              std::span<const T>(elements));
  };
  const auto scalar = [&]<class T>(T element, DataType type) {
    return graph.add_constant(name, type, Shape{}, std::span<const T>(&element, 1));
  };
  if (kind == "value") return add_tensor(name, *attribute.mutable_t(), graph);
  if (kind == "sparse_value") return add_sparse(name, *attribute.mutable_sparse_tensor(), graph);
  if (kind == "value_float") return scalar(attribute.f(), DataType::kF32);
  if (kind == "value_floats") return list.operator()<float>(attribute.floats(), DataType::kF32);
  if (kind == "value_int") return scalar(std::int64_t(attribute.i()), DataType::kI64);
  if (kind == "value_ints") return list.operator()<std::int64_t>(attribute.ints(), DataType::kI64);
  return fail(Code::kUnsupported, "attribute '{}': constants of this kind are not supported",
              clipped(kind));
}

Result<ValueId> OnnxImporter::add_sparse(std::string_view name, onnx::SparseTensorProto& tensor,
                                         Graph& graph) {
  TRY_VALUE(OwnedTensor read, tensors_.read_sparse(tensor));
  return graph.add_constant(name, read.type, read.shape, std::move(read.data));
}

}  // namespace polder
