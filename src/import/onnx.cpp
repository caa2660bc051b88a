#include "import/onnx.h"

#include "import/onnx_importer.h"
#include "import/onnx_model.h"
#include "platform/memory.h"

namespace polder {
namespace {

Result<Graph> import_model(std::span<const std::byte> bytes, OnnxModel& model,
                           const ImportOptions& options) {
  auto graph = within_memory(model.name, [&]() -> Result<Graph> {
    if (Status status = parse_onnx(bytes, model); !status)
      return std::move(status).error().at(model.name);
    auto imported = OnnxImporter(model, options).import();
    if (!imported.ok()) return std::move(imported).error().at(model.name);
    return imported;
  });
  if (!graph.ok()) return fit_to_show(std::move(graph).error());
  return graph;
}

}  // namespace

Result<Graph> import_onnx(const std::string& path, const ImportOptions& options) {
  TRY_VALUE(MappedFile mapped, MappedFile::open(path));
  OnnxModel model;
  model.name = path;
  model.folder = path.substr(0, path.find_last_of('/') + 1);
  model.in_file = true;
  model.file = std::make_shared<const MappedFile>(std::move(mapped));
  return import_model(model.file->bytes(), model, options);
}

Result<Graph> import_onnx(std::span<const std::byte> bytes, std::string_view name,
                          const ImportOptions& options) {
  OnnxModel model;
  model.name = name;
  return import_model(bytes, model, options);
}

Result<OwnedTensor> read_onnx_tensor(std::span<const std::byte> bytes, std::string* name) {
  constexpr std::size_t kMaxBytes = std::size_t(1) << 30;
  if (bytes.size() > kMaxBytes) return fail(Code::kExhausted, "a tensor of more than 1 GB");
  return within_memory("", [&]() -> Result<OwnedTensor> {
    OnnxModel model;
    onnx::TensorProto tensor;
    if (!tensor.ParseFromArray(bytes.data(), int(bytes.size())))
      return fail(Code::kCorrupt, "not a serialized tensor");
    if (name) *name = tensor.name();
    return OnnxTensors(model).read(tensor);
  });
}

}  // namespace polder
