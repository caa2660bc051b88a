// Opening any model file as a session: what the public interface and the commands share.
#pragma once

#include <polder/model.h>

#include <memory>

#include "runtime/session.h"

#ifndef POLDER_DEVICE
#include "compile/compile.h"
#include "import/options.h"
#endif

namespace polder {

// From a plan, ONNX or TFLite file to a session. Errors name the file.
Result<std::unique_ptr<Session>> open_session(const std::string& path, const OpenOptions& options);
// The same to look at only, whichever machine the plan or the target is for (SessionOptions::runs).
Result<std::unique_ptr<Session>> look_into(const std::string& path, const OpenOptions& options);
// From a plan in memory (Model::open_plan()). Errors name "plan in memory".
Result<std::unique_ptr<Session>> open_plan_session(std::shared_ptr<const void> owner,
                                                   std::span<const std::byte> bytes,
                                                   const OpenOptions& options);

#ifndef POLDER_DEVICE
// An ONNX or TFLite file as a graph, by its content. kInvalid for a plan.
Result<Graph> import_model(const std::string& path, const OpenOptions& options);
// The compiler's options as the public ones say.
Result<compile::CompileOptions> compile_options(const std::string& path,
                                                const OpenOptions& options);
#endif

}  // namespace polder
