// Writes the fuzz targets' seeds that come from code: fuzz_seeds CORPUS OUT
//
//   OUT/plan    each sample of each operator compiled, with known and with free extents, and the
//               models of CORPUS/onnx
//   OUT/tflite  models of one or a few operators each
//   OUT/npy     a tensor of each type
//   OUT/audit   a log, checkpoints and proofs
//   OUT/sealed  sealed files and their keys
//   OUT/worker_message  the messages of a shadow run
//   OUT/output_message  what a worker's sinks ask to be written
//   OUT/hub_request     requests for every route of the hub, and words of its API: hub_request.dict
//
// Every folder of CORPUS has its counterpart in OUT, if only an empty one.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>

#include "base/fail.h"
#include "compile/compile.h"
#include "hub_seeds.h"
#include "import/onnx.h"
#include "ops/infer.h"
#include "ops/sample_graph.h"
#include "platform/file.h"
#include "runtime/tensor_file.h"
#include "tflite_seeds.h"
#include "trust_seeds.h"
#include "worker_seeds.h"

namespace polder::fuzz {
namespace {

constexpr std::size_t kMaxSeedBytes = 1 << 14;

// False when the graph does not compile so, or to more than a seed should be.
bool write_plan(Graph graph, const compile::CompileOptions& options, const std::string& path) {
  const auto plan = compile::compile(std::move(graph), options);
  if (!plan.ok() || plan->program.view.size() + plan->constants.view.size() > kMaxSeedBytes)
    return false;
  return plan->write(path).ok();
}

int write_sample_plans(const std::string& folder) {
  int written = 0;
  for (std::size_t i = 0; i < ops::all_ops().size(); ++i) {
    const ops::OpDef& def = *ops::all_ops()[i];
    const auto samples = ops::all_tools()[i]->samples;
    if (!samples) continue;
    int number = 0;
    for (const ops::Sample& sample : samples()) {
      for (const bool free : {false, true}) {
        // Every second one for the plainest kernels, which every machine has.
        compile::CompileOptions options;
        if (number++ % 2) options.target = kernel::Isa::kGeneric;
        Graph graph = ops::sample_graph(def, sample, free);
        if (!ops::infer_node(graph, 0).ok()) continue;
        written += write_plan(std::move(graph), options,
                              fmt::format("{}/{}{}.plan", folder, def.name, number));
      }
    }
  }
  return written;
}

int write_onnx_plans(const std::string& models, const std::string& folder) {
  int written = 0;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    auto graph = import_onnx(entry.path().string());
    if (!graph.ok()) continue;
    written += write_plan(std::move(*graph), {},
                          fmt::format("{}/{}.plan", folder, entry.path().stem().string()));
  }
  return written;
}

int write_tensors(const std::string& folder) {
  int written = 0;
  for (int type = int(DataType::kF32); type <= int(DataType::kBool); ++type) {
    std::int64_t elements[4] = {};
    for (const Shape& shape : {Shape{}, Shape{2, 2}, Shape{0, 3}}) {
      const TensorView view{elements, DataType(type), shape};
      const std::string path = fmt::format("{}/{}.npy", folder, written);
      const auto bytes = npy_bytes(view, path);
      written += bytes && write_file_atomic(path, *bytes).ok();
    }
  }
  return written;
}

int run(const std::string& corpus, const std::string& out) {
  std::filesystem::remove_all(out);
  for (const auto& entry : std::filesystem::directory_iterator(corpus))
    std::filesystem::create_directories(out + "/" + entry.path().filename().string());
  const int plans =
      write_sample_plans(out + "/plan") + write_onnx_plans(corpus + "/onnx", out + "/plan");
  const int models = write_tflite_seeds(out + "/tflite");
  const int tensors = write_tensors(out + "/npy");
  const int trust = write_audit_seeds(out + "/audit") + write_sealed_seeds(out + "/sealed");
  const int messages =
      write_worker_seeds(out + "/worker_message") + write_output_seeds(out + "/output_message");
  const int requests = write_hub_seeds(out + "/hub_request");
  const int words = write_hub_words(out + "/hub_request.dict");
  std::printf(
      "%d plans, %d TFLite models, %d tensors, %d of trust, %d messages, %d requests, "
      "%d words\n",
      plans, models, tensors, trust, messages, requests, words);
  const bool is_enough = plans > 100 && models > 50 && tensors > 10 && trust == 12 &&
                         messages == 8 && requests > 0 && words > 100;
  return is_enough ? 0 : 1;
}

}  // namespace
}  // namespace polder::fuzz

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: fuzz_seeds CORPUS OUT\n", stderr);
    return 2;
  }
  return polder::fuzz::run(argv[1], argv[2]);
}
