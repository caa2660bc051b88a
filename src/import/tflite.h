// TFLite models into graphs.
//
//   TRY_VALUE(Graph graph, import_tflite("model.tflite"));
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "import/options.h"

namespace polder {

// A builtin operator of the format and the operator that runs it, or the first of several; empty:
// it is not supported.
struct TfliteOperator {
  std::string_view name, runs_as;
};
std::vector<TfliteOperator> tflite_operators();

// Whether the bytes bear the format's identifier.
bool is_tflite(std::span<const std::byte> bytes);

// Reads a model file: its first subgraph. Weights stay in the mapped file, which the graph keeps.
// Errors name the file, the operator or tensor, and what to do: kNotFound, kIo, kCorrupt (not a
// model, or one that breaks the format), kUnsupported (an operator, type or form of quantisation
// that Polder does not run), kExhausted (above a cap), kInvalid (an option).
Result<Graph> import_tflite(const std::string& path, const ImportOptions& options = {});

// The same from memory that `owner` keeps alive; `name` stands for the file in errors.
Result<Graph> import_tflite(std::shared_ptr<const void> owner, std::span<const std::byte> bytes,
                            std::string_view name, const ImportOptions& options = {});

}  // namespace polder
