// Opening any model file as a session.
#include "sdk/open.h"

#include <algorithm>

#include "base/fail.h"
#include "platform/file.h"
#include "platform/memory.h"

#ifndef POLDER_DEVICE
#include "import/onnx.h"
#include "import/tflite.h"
#endif

namespace polder {

namespace {

using File = std::shared_ptr<const MappedFile>;

Result<File> map_model(const std::string& path) {
  TRY_VALUE(MappedFile file, MappedFile::open(path));
  if (file.bytes().empty()) return fail(Code::kCorrupt, "{}: the file is empty", path);
  return std::make_shared<const MappedFile>(std::move(file));
}

Result<std::optional<kernel::Isa>> target_of(const OpenOptions& options) {
  if (options.target.empty()) return std::optional<kernel::Isa>();
  const auto isa = kernel::isa_from_name(options.target);
  if (isa) return isa;
  return fail(Code::kInvalid,
              "no target is called '{}'; there are generic, x86-64-v3, x86-64-v4 and arm64",
              options.target);
}

Result<std::unique_ptr<Session>> start(Plan plan, const OpenOptions& options, bool runs) {
  TRY_VALUE(const auto isa, target_of(options));
  return Session::open(std::move(plan), {.threads = options.threads,
                                         .isa = isa,
                                         .max_iterations = options.max_iterations,
                                         .runs = runs});
}

Result<std::unique_ptr<Session>> open_plan(std::shared_ptr<const void> owner,
                                           std::span<const std::byte> bytes,
                                           const OpenOptions& options, const std::string& path,
                                           bool runs) {
  if (!options.shapes.empty() || !options.bounds.empty() || !options.bindings.empty()) {
    return fail(Code::kInvalid,
                "{}: a plan's sizes and fixed inputs are those it was compiled with; leave out "
                "shapes, bounds and bindings, or compile the model again with them",
                path);
  }
  auto plan = Plan::from_bytes(std::move(owner), bytes);
  if (!plan) return std::move(plan).error().at(path);
  auto session = start(std::move(*plan), options, runs);
  if (!session) return std::move(session).error().at(path);
  return session;
}

}  // namespace

#ifdef POLDER_DEVICE

namespace {
Result<std::unique_ptr<Session>> open_any(const std::string& path, const OpenOptions& options,
                                          bool runs) {
  TRY_VALUE(File file, map_model(path));
  if (!is_plan(file->bytes())) {
    return fail(
        Code::kUnsupported,
        "{}: not a plan; this build opens plans only: compile the model with 'polder compile'",
        path);
  }
  return open_plan(file, file->bytes(), options, path, runs);
}
}  // namespace

#else

Result<compile::CompileOptions> compile_options(const std::string& path,
                                                const OpenOptions& options) {
  compile::CompileOptions compile;
  TRY_VALUE(const auto target, target_of(options));
  compile.target = target.value_or(compile.target);
  compile.without = options.without;
  compile.source = path.substr(path.find_last_of('/') + 1);
  return compile;
}

Result<Graph> import_model(const std::string& path, const OpenOptions& options) {
  ImportOptions import;
  import.shapes = options.shapes;
  import.bounds = options.bounds;
  for (const auto& [name, view] : options.bindings) {
    if (!view.data || view.type == DataType::kNone ||
        std::ranges::any_of(view.shape, [](std::int64_t extent) { return extent < 0; }))
      return fail(Code::kInvalid,
                  "{}: input '{}' cannot be fixed to {} {} without a type, data or "
                  "extents",
                  path, name, type_name(view.type), view.shape.text());
    import.bindings.emplace_back(
        name,
        OwnedTensor{view.type, view.shape,
                    Bytes::copy_of({static_cast<const std::byte*>(view.data), view.bytes()})});
  }
  TRY_VALUE(const File file, map_model(path));
  if (is_plan(file->bytes())) {
    return fail(Code::kInvalid,
                "{}: already a plan; give the ONNX or TFLite file it was compiled from", path);
  }
  if (is_tflite(file->bytes())) return import_tflite(path, import);
  return import_onnx(path, import);
}

namespace {

Result<std::unique_ptr<Session>> open_any(const std::string& path, const OpenOptions& options,
                                          bool runs) {
  TRY_VALUE(File file, map_model(path));
  if (is_plan(file->bytes())) return open_plan(file, file->bytes(), options, path, runs);
  file.reset();
  TRY_VALUE(const compile::CompileOptions compile, compile_options(path, options));
  TRY_VALUE(Graph graph, import_model(path, options));
  auto compiled = compile::compile(std::move(graph), compile);
  if (!compiled) return std::move(compiled).error().at(path);
  TRY_VALUE(Plan loaded, compiled->load());
  *compiled = {};
  auto opened = start(std::move(loaded), options, runs);
  if (!opened) return std::move(opened).error().at(path);
  return opened;
}

Status compile_any(const std::string& model_path, const std::string& plan_path,
                   const OpenOptions& options) {
  TRY_VALUE(const compile::CompileOptions compile, compile_options(model_path, options));
  TRY_VALUE(Graph graph, import_model(model_path, options));
  auto compiled = compile::compile(std::move(graph), compile);
  if (!compiled) return std::move(compiled).error().at(model_path);
  return compiled->write(plan_path);
}

}  // namespace

Status compile_file(const std::string& model_path, const std::string& plan_path,
                    const OpenOptions& options) {
  return within_memory(model_path, [&] { return compile_any(model_path, plan_path, options); });
}

#endif

// Importing, compiling and opening take memory as the model asks for.
Result<std::unique_ptr<Session>> open_plan_session(std::shared_ptr<const void> owner,
                                                   std::span<const std::byte> bytes,
                                                   const OpenOptions& options) {
  const std::string where = "plan in memory";
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % kPlanAlignment != 0) {
    return fail(Code::kInvalid, "{}: its bytes must be aligned to {}", where, kPlanAlignment);
  }
  return within_memory(where, [&] { return open_plan(owner, bytes, options, where, true); });
}

Result<std::unique_ptr<Session>> open_session(const std::string& path, const OpenOptions& options) {
  return within_memory(path, [&] { return open_any(path, options, true); });
}

Result<std::unique_ptr<Session>> look_into(const std::string& path, const OpenOptions& options) {
  return within_memory(path, [&] { return open_any(path, options, false); });
}

}  // namespace polder
