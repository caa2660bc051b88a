#include "import/onnx_inputs.h"

#include <algorithm>

#include "import/bind.h"
#include "import/onnx_model.h"

namespace polder {
namespace {

template <class List>
const auto* find(const List& list, const std::string& name) {
  const auto found = std::ranges::find(
      list, name, [](const auto& entry) -> const auto& { return entry.first; });
  return found == list.end() ? nullptr : &found->second;
}

const onnx::TensorShapeProto& shape_of(const onnx::ValueInfoProto& input) {
  return input.type().tensor_type().shape();
}

// What the model calls a dimension; "" where it does not.
const std::string& name_of(const onnx::ValueInfoProto& input, int axis) {
  static const std::string none;
  return axis < shape_of(input).dim_size() ? shape_of(input).dim(axis).dim_param() : none;
}

}  // namespace

OnnxInputs::OnnxInputs(const ImportOptions& options, const onnx::GraphProto& model, Graph& graph)
    : options_(options), model_(model), graph_(graph) {
  for (const auto& tensor : model.initializer()) initializers_.insert(tensor.name());
  for (const auto& tensor : model.sparse_initializer())
    initializers_.insert(tensor.values().name());
}

bool OnnxInputs::is_default(const std::string& name) const {
  return initializers_.contains(name) && !find(options_.bindings, name);
}

OptionNames OnnxInputs::names() const {
  OptionNames names;
  for (const auto& input : model_.input()) {
    names.inputs.insert(input.name());
    // A model that does not say its shape has the dimensions that are given.
    const auto* given = find(options_.shapes, input.name());
    const int rank = std::max(shape_of(input).dim_size(), given ? int(given->size()) : 0);
    if (rank == 1) names.vectors.insert(input.name());
    for (int axis = 0; axis < rank; ++axis) {
      if (const std::string& name = name_of(input, axis); !name.empty())
        names.dimensions.insert(name);
      names.dimensions.insert(dimension_name(input.name(), axis));
    }
  }
  return names;
}

// Before anything is made of each name and dimension: a name may be long, the dimensions many.
Status OnnxInputs::check_sizes() const {
  std::size_t inputs = 0;
  for (const auto& input : model_.input()) {
    if (const int rank = shape_of(input).dim_size(); rank > kMaxRank) {
      return fail(Code::kUnsupported, "input '{}': rank {}; at most {} are supported",
                  clipped(input.name()), rank, kMaxRank);
    }
    if (initializers_.contains(input.name()) || find(options_.bindings, input.name())) continue;
    if (++inputs > std::size_t(kMaxGraphPorts))
      return fail(Code::kExhausted, "more than {} inputs", kMaxGraphPorts);
  }
  return {};
}

Status OnnxInputs::check_options() {
  TRY(check_sizes());
  if (!options_.shapes.empty() || !options_.bounds.empty() || !options_.bindings.empty())
    TRY(polder::resolve_options(options_, names()));
  for (const auto& input : model_.input()) {
    const auto* given = find(options_.shapes, input.name());
    if (!given) continue;
    for (int axis = 0; axis < shape_of(input).dim_size() && axis < int(given->size()); ++axis) {
      const std::string& name = shape_of(input).dim(axis).dim_param();
      const std::int64_t extent = (*given)[std::size_t(axis)];
      if (name.empty() || extent < 0) continue;
      const auto [at, is_new] = named_.emplace(name, Dim(extent));
      if (!is_new && !at->second.is(extent)) {
        return fail(Code::kInvalid, "input '{}' gives dimension '{}' as {}, another input as {}",
                    input.name(), name, extent, at->second.bound);
      }
    }
  }
  for (const auto& input : model_.input()) {
    for (int axis = 0; axis < shape_of(input).dim_size(); ++axis) {
      const std::string& name = shape_of(input).dim(axis).dim_param();
      if (name.empty()) continue;
      const auto [at, is_new] = named_.try_emplace(name);
      if (is_new) {
        at->second = graph_.new_dim(bound_of(options_, name));
        graph_.symbol_names.emplace_back(at->second.symbol, name);
      }
      if (at->second.known() || options_.bounds.empty()) continue;
      at->second.bound =
          std::min(at->second.bound, bound_of(options_, dimension_name(input.name(), axis)));
    }
  }
  return {};
}

Dim OnnxInputs::free_dim(const onnx::ValueInfoProto& input, int axis) {
  const std::string& name = name_of(input, axis);
  if (!name.empty()) return named_[name];
  const std::string place = dimension_name(input.name(), axis);
  const Dim dim = graph_.new_dim(bound_of(options_, place));
  graph_.symbol_names.emplace_back(dim.symbol, place);
  return dim;
}

Result<Dims> OnnxInputs::dims_of(const onnx::ValueInfoProto& input) {
  const auto* given = find(options_.shapes, input.name());
  const bool has_shape = input.type().tensor_type().has_shape();
  if (!has_shape && !given) {
    if (const auto* bound = find(options_.bindings, input.name())) return Dims(bound->shape);
    return fail(Code::kUnsupported, "the model does not say its shape: give it (--shape {}=...)",
                input.name());
  }
  const int rank = has_shape ? shape_of(input).dim_size() : int(given->size());
  if (rank > kMaxRank) {
    return fail(Code::kUnsupported, "rank {}; at most {} are supported", rank, kMaxRank);
  }
  if (given && int(given->size()) != rank) {
    return fail(Code::kInvalid, "a shape of {} dimensions given; the model has {}", given->size(),
                rank);
  }
  Dims dims;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t wanted = given ? (*given)[std::size_t(axis)] : -1;
    // 0 and below are how exporters write "not known".
    const std::int64_t fixed = has_shape ? shape_of(input).dim(axis).dim_value() : 0;
    if (fixed > kMaxElements)
      return fail(Code::kExhausted, "dimension {} is {}; at most 2^40", axis, fixed);
    if (wanted >= 0 && fixed > 0 && wanted != fixed) {
      return fail(Code::kInvalid, "dimension {} given as {}; the model has {}", axis, wanted,
                  fixed);
    }
    if (wanted >= 0) dims.push_back(wanted);
    else if (fixed > 0) dims.push_back(fixed);
    else dims.push_back(free_dim(input, axis));
    if (!dims[axis].known() || options_.bounds.empty()) continue;
    TRY(check_fixed(options_, dimension_name(input.name(), axis), dims[axis].bound));
    TRY(check_fixed(options_, name_of(input, axis), dims[axis].bound));
  }
  return dims;
}

Result<ValueId> OnnxInputs::add(const onnx::ValueInfoProto& input) {
  auto id = add_unnamed(input);
  if (id.ok()) return id;
  return std::move(id).error().at(fmt::format("input '{}'", clipped(input.name())));
}

Result<ValueId> OnnxInputs::add_unnamed(const onnx::ValueInfoProto& input) {
  if (!input.type().has_tensor_type()) {
    const std::string_view kind = input.type().has_sequence_type()   ? "a sequence"
                                  : input.type().has_optional_type() ? "an optional"
                                                                     : "no tensor";
    return fail(Code::kUnsupported, "it is {}; only tensors are supported", kind);
  }
  const std::int32_t onnx = input.type().tensor_type().elem_type();
  const DataType type = onnx_type(onnx);
  if (type == DataType::kNone) {
    return fail(Code::kUnsupported, "elements of {} are not supported", onnx_type_name(onnx));
  }
  TRY_VALUE(const Dims dims, dims_of(input));
  if (const auto* bound = find(options_.bindings, input.name())) {
    TRY_VALUE(OwnedTensor tensor, fit_binding(*bound, type, dims));
    return graph_.add_constant(input.name(), type, tensor.shape, std::move(tensor.data));
  }
  std::int64_t elements = 1;
  for (const Dim& dim : dims) {
    if (dim.known() && dim.bound > 0 &&
        (__builtin_mul_overflow(elements, dim.bound, &elements) || elements > kMaxElements)) {
      return fail(Code::kExhausted, "shape {} has more than 2^40 elements", dims.text());
    }
  }
  const ValueId id = graph_.add_value(input.name(), type, dims);
  graph_.inputs.push_back(id);
  return id;
}

}  // namespace polder
