// The options by which every command opens a model.
#include "cli/model_options.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"

namespace polder::cli {

namespace {

Result<std::pair<std::string, std::string>> split(std::string_view option,
                                                  const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos || equals + 1 == text.size()) {
    return fail(Code::kInvalid, "{}: NAME=VALUE expected, '{}' given", option, text);
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<std::vector<std::int64_t>> integers(std::string_view option, std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (code != std::errc() || end != part.data() + part.size()) {
      return fail(Code::kInvalid, "{}: '{}' is no whole number", option, part);
    }
    numbers.push_back(number);
    if (comma == text.npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<OwnedTensor> parse_numbers(std::string_view option, const std::string& text) {
  const auto count = std::int64_t(std::count(text.begin(), text.end(), ',')) + 1;
  const Shape shape = count == 1 ? Shape{} : Shape{count};
  if (auto whole = integers(option, text); whole) {
    return OwnedTensor{DataType::kI64, shape, Bytes::copy_of(std::as_bytes(std::span(*whole)))};
  }
  std::vector<float> reals;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    char* end = nullptr;
    reals.push_back(std::strtof(part.c_str(), &end));
    if (part.empty() || *end) return fail(Code::kInvalid, "{}: '{}' is no number", option, part);
    at = comma + 1;
  }
  return OwnedTensor{DataType::kF32, shape, Bytes::copy_of(std::as_bytes(std::span(reals)))};
}

namespace {

using Extents = std::pair<std::string, std::vector<std::int64_t>>;

Result<Extents> parse_extents(std::string_view option, const std::string& text) {
  TRY_VALUE(auto entry, split(option, text));
  TRY_VALUE(auto extents, integers(option, entry.second));
  return Extents(std::move(entry.first), std::move(extents));
}

template <class T>
Status status_of(const Result<T>& result) {
  return result ? Status() : Status(result.error());
}

}  // namespace

Status check_shape(std::string_view option, const std::string& value) {
  return status_of(parse_extents(option, value));
}

Status check_bound(std::string_view option, const std::string& value) {
  return status_of(parse_extents(option, value));
}

Status check_binding(std::string_view option, const std::string& value) {
  TRY_VALUE(const auto entry, split(option, value));
  return entry.second.ends_with(".npy") ? Status() : status_of(parse_numbers(option, entry.second));
}

Words target_names() {
  static const auto names = [] {
    std::vector<std::string_view> all;
    for (const kernel::Isa isa : kernel::kAllIsas) all.push_back(kernel::isa_name(isa));
    return all;
  }();
  return names;
}

Words pass_names() {
  static const auto names = [] {
    std::vector<std::string_view> all;
    for (const compile::Pass& pass : compile::passes()) all.push_back(pass.name);
    return all;
  }();
  return names;
}

Status check_target(std::string_view option, const std::string& value) {
  return check_one_of(option, value, target_names());
}

Status check_pass(std::string_view option, const std::string& value) {
  return check_one_of(option, value, pass_names());
}

Result<ModelOptions> model_options(const Args& args) {
  ModelOptions options;
  for (const std::string& text : args.all("--shape")) {
    TRY_VALUE(auto entry, parse_extents("--shape", text));
    options.open.shapes.push_back(std::move(entry));
  }
  for (const std::string& text : args.all("--bound")) {
    TRY_VALUE(const auto entry, parse_extents("--bound", text));
    const auto& [name, extents] = entry;
    if (extents.size() == 1) {
      options.open.bounds.emplace_back(name, extents[0]);
      continue;
    }
    // All extents of an input at once; -1 keeps what the model says.
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      if (extents[axis] == -1) continue;
      options.open.bounds.emplace_back(fmt::format("{}[{}]", name, axis), extents[axis]);
    }
  }
  for (const std::string& text : args.all("--bind")) {
    TRY_VALUE(const auto entry, split("--bind", text));
    const std::string& text_of_value = entry.second;
    TRY_VALUE(OwnedTensor value, text_of_value.ends_with(".npy")
                                     ? read_npy(text_of_value)
                                     : parse_numbers("--bind", text_of_value));
    options.bound.push_back(std::move(value));
    const OwnedTensor& kept = options.bound.back();
    options.open.bindings.emplace_back(
        entry.first,
        TensorView{const_cast<std::byte*>(kept.data.view.data()), kept.type, kept.shape});
  }
  options.open.target = args.text("--target");
  options.open.without = args.all("--without");
  options.open.threads = int(args.integer("--threads", 1));
  options.open.max_iterations = args.integer("--max-iterations", options.open.max_iterations);
  return options;
}

}  // namespace polder::cli
