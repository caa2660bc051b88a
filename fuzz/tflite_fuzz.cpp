// Any bytes as a TFLite model: imported, then, when that takes little, compiled and run. An error
// or a result, never a crash, a hang or a huge allocation.
#include <cstddef>
#include <cstdint>
#include <span>

#include "compile/compile.h"
#include "exercise.h"
#include "import/tflite.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const polder::Bytes file = polder::fuzz::exact_copy(std::as_bytes(std::span(data, size)));
  auto graph = polder::import_tflite(file.owner, file.view, "fuzz.tflite");
  if (!graph.ok() || !polder::fuzz::is_small(*graph)) return 0;
  const auto compiled = polder::compile::compile(std::move(*graph));
  if (!compiled.ok()) return 0;
  auto plan = compiled->load();
  if (plan.ok() && polder::fuzz::is_small(*plan))
    polder::fuzz::open_and_run(std::move(*plan), std::uint32_t(size));
  return 0;
}
