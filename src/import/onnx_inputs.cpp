#include "import/onnx_inputs.h"

#include <algorithm>
#include <set>

#include "import/bind.h"
#include "import/onnx_model.h"

namespace polder {
namespace {

template <class List>
const auto* find(const List& list, const std::string& name) {
  const auto found = std::ranges::find(list, name, [](const auto& entry) { return entry.first; });
  return found == list.end() ? nullptr : &found->second;
}

const onnx::TensorShapeProto& shape_of(const onnx::ValueInfoProto& input) {
  return input.type().tensor_type().shape();
}

// How options name a dimension: "image[2]".
std::string place_of(const onnx::ValueInfoProto& input, int axis) {
  return fmt::format("{}[{}]", input.name(), axis);
}

Error unknown_name(std::string_view option, const std::string& name,
                   const std::set<std::string>& known) {
  return fail(Code::kInvalid, "{} names '{}'; the model has {}", option, name,
              fmt::join(known, ", "));
}

}  // namespace

bool OnnxInputs::is_default(const onnx::GraphProto& model, const std::string& name) const {
  if (find(options_.bindings, name)) return false;
  return std::ranges::any_of(model.initializer(),
                             [&](const auto& tensor) { return tensor.name() == name; }) ||
         std::ranges::any_of(model.sparse_initializer(),
                             [&](const auto& tensor) { return tensor.values().name() == name; });
}

Status OnnxInputs::check_names(const onnx::GraphProto& model) const {
  std::set<std::string> inputs, bounds;
  for (const auto& input : model.input()) {
    inputs.insert(input.name());
    for (int axis = 0; axis < shape_of(input).dim_size(); ++axis) {
      const auto& dim = shape_of(input).dim(axis);
      if (!dim.dim_param().empty()) bounds.insert(dim.dim_param());
      bounds.insert(place_of(input, axis));
    }
  }
  for (const auto& [name, shape] : options_.shapes) {
    if (!inputs.contains(name)) return unknown_name("a shape", name, inputs);
  }
  for (const auto& [name, tensor] : options_.bindings) {
    if (!inputs.contains(name)) return unknown_name("a binding", name, inputs);
  }
  for (const auto& [name, bound] : options_.bounds) {
    if (!bounds.contains(name)) return unknown_name("a bound", name, bounds);
    if (bound < 0 || bound > kMaxElements) {
      return fail(Code::kInvalid, "the bound of '{}' is {}; 0 to 2^40 expected", name, bound);
    }
  }
  return {};
}

Status OnnxInputs::check_options(const onnx::GraphProto& model) {
  TRY(check_names(model));
  for (const auto& input : model.input()) {
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
  for (const auto& input : model.input()) {
    for (int axis = 0; axis < shape_of(input).dim_size(); ++axis) {
      const std::string& name = shape_of(input).dim(axis).dim_param();
      if (name.empty()) continue;
      const auto [at, is_new] = named_.try_emplace(name);
      if (is_new) {
        at->second = graph_.new_dim(bound_of(name));
        graph_.symbol_names.emplace_back(at->second.symbol, name);
      }
      if (at->second.known()) continue;
      at->second.bound = std::min(at->second.bound, bound_of(place_of(input, axis)));
    }
  }
  return {};
}

std::int64_t OnnxInputs::bound_of(const std::string& name) const {
  const auto* bound = find(options_.bounds, name);
  return bound ? *bound : kUnbounded;
}

Dim OnnxInputs::free_dim(const onnx::ValueInfoProto& input, int axis) {
  const std::string& name = shape_of(input).dim(axis).dim_param();
  if (!name.empty()) return named_[name];
  const std::string place = place_of(input, axis);
  const Dim dim = graph_.new_dim(bound_of(place));
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
    if (wanted > kMaxElements || fixed > kMaxElements) {
      return fail(Code::kExhausted, "dimension {} is {}; at most 2^40", axis,
                  std::max(wanted, fixed));
    }
    if (wanted >= 0 && fixed > 0 && wanted != fixed) {
      return fail(Code::kInvalid, "dimension {} given as {}; the model has {}", axis, wanted,
                  fixed);
    }
    if (wanted >= 0) dims.push_back(wanted);
    else if (fixed > 0) dims.push_back(fixed);
    else if (!has_shape) dims.push_back(graph_.new_dim(kUnbounded));
    else dims.push_back(free_dim(input, axis));
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
