// The options by which every command opens a model.
#include "cli/model_options.h"

#include <algorithm>
#include <charconv>
#include <limits>

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

// A number is a scalar, numbers with commas are a vector; whole ones are i64, others f32.
Result<OwnedTensor> parse_value(const std::string& text) {
  if (text.ends_with(".npy")) return read_npy(text);
  const auto count = std::int64_t(std::count(text.begin(), text.end(), ',')) + 1;
  const Shape shape = count == 1 ? Shape{} : Shape{count};
  if (auto whole = integers("--bind", text); whole) {
    return OwnedTensor{DataType::kI64, shape, Bytes::copy_of(std::as_bytes(std::span(*whole)))};
  }
  std::vector<float> reals;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    char* end = nullptr;
    reals.push_back(std::strtof(part.c_str(), &end));
    if (part.empty() || *end) return fail(Code::kInvalid, "--bind: '{}' is no number", part);
    at = comma + 1;
  }
  return OwnedTensor{DataType::kF32, shape, Bytes::copy_of(std::as_bytes(std::span(reals)))};
}

}  // namespace

Result<ModelOptions> model_options(const Args& args) {
  ModelOptions options;
  for (const std::string& text : args.all("--shape")) {
    TRY_VALUE(const auto entry, split("--shape", text));
    TRY_VALUE(auto extents, integers("--shape", entry.second));
    options.open.shapes.emplace_back(entry.first, std::move(extents));
  }
  for (const std::string& text : args.all("--bound")) {
    TRY_VALUE(const auto entry, split("--bound", text));
    TRY_VALUE(const auto extents, integers("--bound", entry.second));
    if (extents.size() == 1) {
      options.open.bounds.emplace_back(entry.first, extents[0]);
      continue;
    }
    // All extents of an input at once.
    for (std::size_t axis = 0; axis < extents.size(); ++axis) {
      options.open.bounds.emplace_back(fmt::format("{}[{}]", entry.first, axis), extents[axis]);
    }
  }
  for (const std::string& text : args.all("--bind")) {
    TRY_VALUE(const auto entry, split("--bind", text));
    TRY_VALUE(OwnedTensor value, parse_value(entry.second));
    options.bound.push_back(std::move(value));
    const OwnedTensor& kept = options.bound.back();
    options.open.bindings.emplace_back(
        entry.first,
        TensorView{const_cast<std::byte*>(kept.data.view.data()), kept.type, kept.shape});
  }
  options.open.target = args.text("--target");
  options.open.without = args.all("--without");
  TRY_VALUE(const auto threads, args.integer("--threads", 1, 1, 256));
  options.open.threads = int(threads);
  TRY_VALUE(options.open.max_iterations,
            args.integer("--max-iterations", options.open.max_iterations, 1,
                         std::numeric_limits<std::int64_t>::max()));
  return options;
}

}  // namespace polder::cli
