// ONNX models into graphs.
//
//   TRY_VALUE(Graph graph, import_onnx("model.onnx", {.shapes = {{"image", {1, 3, 224, 224}}}}));
#pragma once

#include <polder/error.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "graph/graph.h"
#include "import/options.h"

namespace polder {

// The newest version of ONNX's own operators whose meaning the import rules know.
inline constexpr std::int64_t kMaxOnnxOpset = 21;

// Reads a model file. Weights stay in the mapped file where their alignment allows it, and the
// graph keeps the mapping. Tensors stored outside are read from the model's folder, nowhere else.
// Errors name the file, the node or tensor, and what to do: kNotFound, kIo, kCorrupt (not a model,
// or one that breaks the format), kInvalid (a shape, an attribute, an option), kUnsupported (an
// operator or a type that Polder does not run), kExhausted (above a cap).
Result<Graph> import_onnx(const std::string& path, const ImportOptions& options = {});

// The same from memory; `name` stands for the file in errors. The graph copies what it keeps.
// Tensors stored outside are an error.
Result<Graph> import_onnx(std::span<const std::byte> bytes, std::string_view name,
                          const ImportOptions& options = {});

// A serialized TensorProto, such as the files of ONNX's test data; `name` gets the tensor's name.
Result<OwnedTensor> read_onnx_tensor(std::span<const std::byte> bytes, std::string* name = nullptr);

}  // namespace polder
