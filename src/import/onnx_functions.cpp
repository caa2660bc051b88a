// Functions of a model, which become part of the graph around each call, and the operators that
// nothing can run.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "import/onnx_importer.h"

namespace polder {
namespace {

// Fields that are younger than the schema and change what a function means: 11, attributes with
// defaults, and 13, overloads.
Status check_function(const onnx::FunctionProto& function) {
  const std::string& unknown = function.unknown_fields();
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const std::uint8_t*>(unknown.data()), int(unknown.size()));
  while (const std::uint32_t tag = stream.ReadTag()) {
    const int field = google::protobuf::internal::WireFormatLite::GetTagFieldNumber(tag);
    if (field == 11 || field == 13) {
      return fail(Code::kUnsupported,
                  "function '{}' has {}, which is not supported: inline the model's functions "
                  "(onnx.inliner)",
                  clipped(function.name()),
                  field == 11 ? "attributes with defaults" : "an overload");
    }
    if (!google::protobuf::internal::WireFormatLite::SkipField(&stream, tag)) break;
  }
  return {};
}

std::string key_of(const std::string& domain, const std::string& name) {
  return onnx_domain(domain) + ':' + name;
}

}  // namespace

// Of two functions with one name the first is meant.
void OnnxImporter::index_functions() {
  for (auto& function : *model_.proto.mutable_functions())
    functions_.emplace(key_of(function.domain(), function.name()), &function);
}

onnx::FunctionProto* OnnxImporter::find_function(const std::string& domain,
                                                 const std::string& op_type) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find(key_of(domain, op_type));
  return found == functions_.end() ? nullptr : found->second;
}

// A file of some kilobytes may say "twice what the next one says" a hundred times over.
Status OnnxImporter::enter(const google::protobuf::MessageLite& message) {
  if (depth_ > kMaxOnnxDepth) {
    return fail(Code::kExhausted, "bodies and functions nested deeper than {}", kMaxOnnxDepth);
  }
  if (read_.insert(&message).second) return {};
  repeated_bytes_ += message.ByteSizeLong();
  if (repeated_bytes_ <= kMaxOnnxRepeatedBytes) return {};
  return fail(Code::kExhausted,
              "functions and bodies of more than {} bytes, each use of them counted: the model is "
              "damaged or made to exhaust its reader",
              kMaxOnnxRepeatedBytes);
}

const ops::OnnxMatch& OnnxImporter::match(const std::string& domain, const std::string& op_type) {
  const auto [at, is_new] = matches_.try_emplace(key_of(domain, op_type));
  if (is_new) at->second = ops::find_onnx(onnx_domain(domain), op_type);
  return at->second;
}

// A function of the model: its nodes become part of the graph around.
Status OnnxImporter::read_call(onnx::FunctionProto& function, onnx::NodeProto& source,
                               Scope& scope) {
  const Deeper deeper(depth_);
  TRY(enter(function));
  TRY(check_function(function));
  Opsets opsets;
  TRY(read_opsets(function.opset_import(), opsets));
  Arguments arguments;
  for (auto& attribute : *source.mutable_attribute()) {
    if (const auto* given = actual(attribute, scope)) arguments[attribute.name()] = given;
  }
  Scope inner{.graph = scope.graph, .opsets = &opsets, .arguments = &arguments};
  for (int i = 0; i < function.input_size() && i < source.input_size(); ++i) {
    if (source.input(i).empty()) continue;
    const ValueId id = resolve(source.input(i), scope);
    if (id == kNoValue) {
      return fail(Code::kCorrupt, "input '{}' is made by no node, input or initializer",
                  clipped(source.input(i)));
    }
    TRY(define(function.input(i), id, inner));
  }
  TRY(read_nodes(*function.mutable_node(), inner));
  for (int i = 0; i < source.output_size(); ++i) {
    if (source.output(i).empty()) continue;
    const ValueId id = i < function.output_size() ? resolve(function.output(i), inner) : kNoValue;
    if (id == kNoValue) return fail(Code::kCorrupt, "the function does not make output {}", i);
    TRY(define(source.output(i), id, scope));
  }
  return {};
}

void OnnxImporter::list_unsupported(const OnnxNodes& nodes,
                                    std::map<std::string, std::pair<int, std::string>>& found) {
  for (const auto& node : nodes) {
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) list_unsupported(attribute.g().node(), found);
    }
    const std::string domain = onnx_domain(node.domain());
    if (domain.empty() && node.op_type() == "Constant") continue;
    if (find_function(domain, node.op_type()) || match(domain, node.op_type()).def) continue;
    const std::string name = domain.empty() ? node.op_type() : domain + "." + node.op_type();
    const auto at = found.try_emplace(name, 0, node_name(node)).first;
    ++at->second.first;
  }
}

// Of the whole model, so that one look tells all.
Error OnnxImporter::unsupported_operators() {
  constexpr std::size_t kMost = 40;
  std::map<std::string, std::pair<int, std::string>> found;
  list_unsupported(model_.proto.graph().node(), found);
  for (const auto& function : model_.proto.functions()) list_unsupported(function.node(), found);
  std::vector<std::string> lines;
  for (const auto& [name, uses] : found) {
    if (lines.size() == kMost) {
      lines.push_back("...");
      break;
    }
    lines.push_back(uses.first == 1 ? fmt::format("{} (node '{}')", clipped(name), uses.second)
                                    : fmt::format("{} ({} nodes, the first is '{}')", clipped(name),
                                                  uses.first, uses.second));
  }
  return fail(Code::kUnsupported,
              "operator not supported; the model needs {} that Polder does not have: {}. Export it "
              "with other operators (docs/onnx-operators.md lists those that run)",
              found.size(), fmt::join(lines, ", "));
}

}  // namespace polder
