#include "import/option_names.h"

#include <algorithm>

#include "base/text.h"

namespace polder {
namespace {

Status check_name(std::string_view option, const std::string& name,
                  const std::set<std::string>& known, std::set<std::string>& named) {
  if (known.contains(name)) {
    if (named.insert(name).second) return {};
    return fail(Code::kInvalid, "{} for '{}' is given twice", option, clipped(name));
  }
  // "image[4]" of an input that has fewer axes: most likely extents of another rank.
  const std::string input = name.substr(0, name.rfind('['));
  if (known.contains(dimension_name(input, 0)) && input.size() < name.size()) {
    int rank = 1;
    while (known.contains(dimension_name(input, rank))) ++rank;
    return fail(Code::kInvalid, "{} names '{}'; '{}' has {} dimension{}, of which the first is {}",
                option, clipped(name), clipped(input), rank, rank == 1 ? "" : "s",
                clipped(dimension_name(input, 0)));
  }
  constexpr std::size_t kShown = 20;
  std::string list;
  std::size_t shown = 0;
  for (const std::string& one : known) {
    if (shown++) list += ", ";
    list += shown > kShown ? "..." : clipped(one);
    if (shown > kShown) break;
  }
  return fail(Code::kInvalid, "{} names '{}'; the model has {}", option, clipped(name),
              known.empty() ? "none" : list);
}

}  // namespace

std::string dimension_name(std::string_view input, int axis) {
  return fmt::format("{}[{}]", input, axis);
}

Status resolve_options(ImportOptions& options, const OptionNames& names) {
  std::set<std::string> shapes, bindings, bounds;
  for (const auto& [name, extents] : options.shapes) {
    TRY(check_name("a shape", name, names.inputs, shapes));
    for (const std::int64_t extent : extents) {
      if (extent >= -1 && extent <= kMaxElements) continue;
      return fail(Code::kInvalid,
                  "the shape of '{}' has extent {}; 0 to 2^40 expected, or -1 for the model's own",
                  clipped(name), extent);
    }
  }
  for (const auto& [name, tensor] : options.bindings)
    TRY(check_name("a binding", name, names.inputs, bindings));
  for (auto& [name, bound] : options.bounds) {
    if (!names.dimensions.contains(name) && names.vectors.contains(name))
      name = dimension_name(name, 0);
    TRY(check_name("a bound", name, names.dimensions, bounds));
    if (bound >= 0 && bound <= kMaxElements) continue;
    return fail(Code::kInvalid, "the bound of '{}' is {}; 0 to 2^40 expected", clipped(name),
                bound);
  }
  return {};
}

std::int64_t bound_of(const ImportOptions& options, std::string_view dimension) {
  for (const auto& [name, bound] : options.bounds) {
    if (name == dimension) return bound;
  }
  return kUnbounded;
}

Status check_fixed(const ImportOptions& options, std::string_view dimension, std::int64_t extent) {
  const std::int64_t bound = bound_of(options, dimension);
  if (extent <= bound) return {};
  return fail(Code::kInvalid, "the bound of '{}' is {}, but it is fixed to {}", clipped(dimension),
              bound, extent);
}

}  // namespace polder
